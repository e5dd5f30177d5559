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
    if (str_is_null(cluster) || cluster.size == 0 ||
        cluster.size >= (int32_t)sizeof(out_identity->cluster_id))
        return complain(reason, reason_size, path, "cluster.id is missing or too long; " RESTORE);
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
    char name[SEGMENT_PATH_SIZE], text[512], id[UUID_TEXT_SIZE + 1];
    path_in(name, path, "meta.properties");
    uuid_print(identity->directory_id, id);
    int used =
        snprintf(text, sizeof(text), "node.id=%d\ndirectory.id=%s\nversion=1\ncluster.id=%s\n",
            identity->node_id, id, identity->cluster_id);
    return file_replace(io, name, text, (size_t)used);
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
