/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a log directory is this node's, by its meta.properties and by what the metadata knows of the node. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/report.h"
#include "base/status.h"
#include "broker/node_parts.h"
#include "broker/settings.h"
#include "io/io.h"
#include "metadata/image.h"
#include "replica/quorum.h"

/* The first that could be opened; NULL: none yet. */
static const struct log_dir *first_directory(const struct node *node)
{
    for (int i = 0; i < node->directory_count; i++)
        if (log_dir_failure(node->log_dirs[i]) == 0)
            return node->log_dirs[i];
    return NULL;
}

const char *node_cluster_id(const struct node *node)
{
    const struct log_dir *first = first_directory(node);

    return first == NULL ? "" : log_dir_identity(first)->cluster_id;
}

int node_directory_check(const struct node *node, int index)
{
    const char *path = log_dir_path(node->log_dirs[index]);
    const struct log_dir_identity *own = log_dir_identity(node->log_dirs[index]);
    const struct log_dir *first = first_directory(node);

    if (own->node_id != node->settings->node_id) {
        report_error("log_directory_refused",
            "path=%s reason=\"it belongs to node %d, this is node %d\": name this node's own directories in log.dirs, or set "
            "node.id=%d",
            path, own->node_id, node->settings->node_id, own->node_id);
        return -EINVAL;
    }
    if (strcmp(own->cluster_id, node_cluster_id(node)) != 0) {
        report_error("log_directory_refused",
            "path=%s reason=\"it belongs to cluster %s, but %s to %s\": name directories of one cluster in log.dirs", path,
            own->cluster_id, log_dir_path(first), node_cluster_id(node));
        return -EINVAL;
    }
    for (int i = 0; i < index; i++)
        if (!uuid_is_zero(own->directory_id) &&
            uuid_equal(own->directory_id, log_dir_identity(node->log_dirs[i])->directory_id)) {
            report_error("log_directory_refused",
                "path=%s reason=\"it has the directory.id of %s\": one is a copy of the other; leave it out of log.dirs", path,
                log_dir_path(node->log_dirs[i]));
            return -EINVAL;
        }
    return 0;
}

/* The directories that this node registered with and that none of its directories is; "" when it knew none. */
static void print_missing(const struct node *node, char *text, size_t text_size)
{
    const struct image_broker *known = image_broker(quorum_loaded(node->control.quorum), node->settings->node_id);
    size_t at = 0;

    text[0] = 0;
    for (int32_t i = 0; known != NULL && i < known->directory_count && at < text_size; i++) {
        bool present = false;
        for (int k = 0; k < node->data_directory_count; k++)
            present = present || uuid_equal(log_dir_identity(node->log_dirs[k])->directory_id, known->directories[i]);
        if (present)
            continue;
        char id[UUID_TEXT_SIZE + 1];
        uuid_print(known->directories[i], id);
        at += (size_t)snprintf(text + at, text_size - at, "%s%s", at > 0 ? " or " : "", id);
    }
}

static int name_directory(struct node *node, struct log_dir *dir)
{
    char missing[512];
    uint8_t random[16];

    print_missing(node, missing, sizeof(missing));
    if (missing[0] != 0) {
        report_error("log_directory_refused",
            "path=%s reason=\"its meta.properties has no directory.id\": the partitions that the metadata places in it would not be "
            "served. Write directory.id=%s into the file",
            log_dir_path(dir), missing);
        return -EINVAL;
    }
    io_random(node->io, random, sizeof(random));
    int status = log_dir_adopt_id(dir, uuid_from_random(random));
    if (status < 0)
        report_error("log_directory_refused", "path=%s reason=\"it has no directory.id, and none could be written: %s\"",
            log_dir_path(dir), status_text(status));
    return status;
}

int node_directories_name(struct node *node)
{
    int status = 0;

    for (int i = 0; i < node->directory_count && status == 0; i++)
        if (log_dir_failure(node->log_dirs[i]) == 0 && uuid_is_zero(log_dir_identity(node->log_dirs[i])->directory_id))
            status = name_directory(node, node->log_dirs[i]);
    return status;
}
