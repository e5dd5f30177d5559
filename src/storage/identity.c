/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/properties.h"
#include "base/status.h"
#include "io/file.h"
#include "storage/log_dir.h"
#include "storage/segment.h"

#define RESTORE "restore it from a backup"

enum { META_LIMIT = 1 << 20 };

static int complain(char *reason, int reason_size, const char *path, const char *what)
{
    snprintf(reason, (size_t)reason_size, "%s: %s", path, what);
    return -EBADMSG;
}

bool log_dir_may_be_cluster_id(struct str text)
{
    return text.size > 0 && text.size < (int32_t)sizeof(((struct log_dir_identity *)0)->cluster_id) &&
           str_is_utf8(text);
}

static int read_identity(const struct properties *properties, struct log_dir_identity *out_identity,
    const char *path, char *reason, int reason_size)
{
    struct str version = properties_get(properties, STR("version"));
    struct str cluster = properties_get(properties, STR("cluster.id"));
    int64_t node;
    if (str_is_null(version))
        return complain(reason, reason_size, path, "it has no version; " RESTORE);
    if (!str_is(version, "1")) {
        snprintf(reason, (size_t)reason_size,
            "%s: its version is %.*s, and this node reads version 1; start what wrote it", path,
            STR_PRINT(version));
        return -EBADMSG;
    }
    if (!log_dir_may_be_cluster_id(cluster))
        return complain(reason, reason_size, path, "cluster.id is missing, too long or not UTF-8; " RESTORE);
    if (!str_to_int64(properties_get(properties, STR("node.id")), &node) || node < 0 ||
        node > INT32_MAX)
        return complain(reason, reason_size, path, "node.id is missing or not a number; " RESTORE);
    memcpy(out_identity->cluster_id, cluster.data, (size_t)cluster.size);
    out_identity->cluster_id[cluster.size] = 0;
    out_identity->node_id = (int32_t)node;
    struct str directory = properties_get(properties, STR("directory.id"));
    if (str_is_null(directory))
        out_identity->directory_id = UUID_ZERO;
    else if (!uuid_parse(directory, &out_identity->directory_id))
        return complain(reason, reason_size, path, "directory.id is not an id; " RESTORE);
    return 0;
}

int log_dir_identify(struct io *io, const char *path, struct log_dir_identity *out_identity,
    char *reason, int reason_size)
{
    char name[SEGMENT_PATH_SIZE], *text;
    struct properties properties;
    size_t size;
    path_in(name, path, "meta.properties");
    int status = file_load(io, name, META_LIMIT, &text, &size);
    if (status < 0) {
        snprintf(reason, (size_t)reason_size, "%s: %s", name, status_text(status));
        return status;
    }
    properties_init(&properties);
    int line = properties_parse(&properties, (struct str){ text, (int32_t)size });
    status = line != 0 ? complain(reason, reason_size, name, "a line is malformed; " RESTORE)
                       : read_identity(&properties, out_identity, name, reason, reason_size);
    properties_deinit(&properties);
    memory_give(text);
    return status;
}

int log_dir_write_identity(struct io *io, const char *path, const struct log_dir_identity *identity)
{
    char name[SEGMENT_PATH_SIZE], node[16], directory[UUID_TEXT_SIZE + 1];
    struct properties properties;
    path_in(name, path, "meta.properties");
    snprintf(node, sizeof(node), "%d", identity->node_id);
    uuid_print(identity->directory_id, directory);
    properties_init(&properties);
    properties_set(&properties, STR("node.id"), str_from(node), 0);
    properties_set(&properties, STR("directory.id"), str_from(directory), 0);
    properties_set(&properties, STR("version"), STR("1"), 0);
    properties_set(&properties, STR("cluster.id"), str_from(identity->cluster_id), 0);
    struct str text = properties_write(&properties, &properties.arena);
    int status = file_replace(io, name, text.data, (size_t)text.size);
    properties_deinit(&properties);
    return status;
}

int log_dir_format(struct io *io, const char *path, const struct log_dir_identity *identity)
{
    char name[SEGMENT_PATH_SIZE];
    int64_t size;
    int status = directory_ensure(io, path);
    if (status < 0)
        return status;
    path_in(name, path, "meta.properties");
    status = file_stat(io, name, &size);
    if (status != -ENOENT)
        return status == 0 ? -EEXIST : status;
    return log_dir_write_identity(io, path, identity);
}
