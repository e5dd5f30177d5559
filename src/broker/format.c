/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/format.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/status.h"
#include "broker/own_voter.h"
#include "broker/settings.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/log_dir.h"

static int refuse_log(void *context, const char *name)
{
    (void)context;
    struct str text = str_from(name);
    bool is_snapshot = text.size > 11 && memcmp(text.data + text.size - 11, ".checkpoint", 11) == 0;
    return is_snapshot || strstr(name, ".checkpoint.") != NULL ? 0 : -ENOTEMPTY;
}

struct emptiness {
    struct io *io;
    const char *directory;
};

/* What a format that did not end may leave behind, and what mkfs makes, is nothing. */
static int refuse_content(void *context, const char *name)
{
    struct emptiness *emptiness = context;
    if (strcmp(name, "lost+found") == 0 || strcmp(name, ".lock") == 0 ||
        strstr(name, "meta.properties.") == name)
        return 0;
    if (strcmp(name, "__cluster_metadata-0") != 0)
        return -ENOTEMPTY;
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", emptiness->directory, name);
    return directory_list(emptiness->io, path, refuse_log, NULL);
}

enum format_state format_state_of(
    struct io *io, const char *directory, char *reason, int reason_size)
{
    struct log_dir_identity identity;
    int status = log_dir_identify(io, directory, &identity, reason, reason_size);
    if (status == 0)
        return FORMAT_DONE;
    if (status != -ENOENT)
        return log_dir_is_offline(status) ? FORMAT_UNREADABLE : FORMAT_FOREIGN;
    struct emptiness emptiness = { io, directory };
    status = directory_list(io, directory, refuse_content, &emptiness);
    if (status == 0 || status == -ENOENT)
        return FORMAT_NONE;
    snprintf(reason, (size_t)reason_size,
        status == -ENOTEMPTY ? "%s holds files but no meta.properties. If it is this node's, "
                               "restore that file; if not, "
                               "name an empty directory"
                             : "%s: %s",
        directory, status_text(status));
    return log_dir_is_offline(status) ? FORMAT_UNREADABLE : FORMAT_FOREIGN;
}

bool format_was_begun(struct io *io, const char *metadata_directory)
{
    char path[PATH_MAX], reason[512];
    snprintf(path, sizeof(path), "%s/__cluster_metadata-0", metadata_directory);
    return format_state_of(io, metadata_directory, reason, sizeof(reason)) == FORMAT_NONE &&
           directory_exists(io, path) == 0;
}

int format_list_directories(
    const struct node_settings *node, struct arena *arena, const char ***out_paths)
{
    const char **paths = arena_take_array(arena, (size_t)node->log_dir_count + 1, sizeof(*paths));
    int count = 0;
    paths[count++] = node->metadata_log_dir.data;
    for (int i = 0; i < node->log_dir_count; i++) {
        if (!str_equal(node->log_dirs[i], node->metadata_log_dir))
            paths[count++] = node->log_dirs[i].data;
    }
    *out_paths = paths;
    return count;
}

void format_random_uuid(struct io *io, char text[UUID_TEXT_SIZE + 1])
{
    uint8_t random[16];
    io_random(io, random, sizeof(random));
    uuid_print(uuid_from_random(random), text);
}

/* One formatting: who asked for what, and where it says why not. */
struct formatting {
    struct io *io;
    const struct node_settings *node;
    const struct format_wish *wish;
    struct arena arena;
    char *reason;
    int reason_size;
    char cluster_id[64];
    struct uuid metadata_id; /* of the metadata directory */
};

static int fail(struct formatting *formatting, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int fail(struct formatting *formatting, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(formatting->reason, (size_t)formatting->reason_size, format, arguments);
    va_end(arguments);
    return -1;
}

static int format_metadata(struct formatting *formatting)
{
    const struct node_settings *node = formatting->node;
    const struct format_wish *wish = formatting->wish;
    struct quorum_voter self = own_voter(node, formatting->metadata_id, &formatting->arena);
    struct quorum_format format = {
        .directory = node->metadata_log_dir.data,
        .metadata_version = wish->metadata_version,
        .kraft_version = wish->without_voters ? 0 : 1,
        .voters = wish->voters != NULL ? wish->voters : &self,
        .voter_count = wish->without_voters   ? 0
                       : wish->voters != NULL ? wish->voter_count
                                              : 1,
        .features = wish->features,
        .feature_count = wish->feature_count,
        .scram = wish->scram,
        .scram_count = wish->scram_count,
    };
    const char *reason = NULL;
    int status = directory_ensure(formatting->io, format.directory);
    if (status == 0)
        status = quorum_format(formatting->io, &format, &reason);
    if (status < 0)
        return fail(formatting, "cannot format %s: %s", format.directory,
            reason != NULL ? reason : status_text(status));
    return 0;
}

/* The id that the voters give this node's metadata directory, when they name one. */
static struct uuid directory_id_for(const struct formatting *formatting, bool holds_metadata)
{
    const struct format_wish *wish = formatting->wish;
    for (int32_t i = 0; holds_metadata && i < wish->voter_count; i++) {
        if (wish->voters[i].id == formatting->node->node_id &&
            !uuid_is_zero(wish->voters[i].directory_id))
            return wish->voters[i].directory_id;
    }
    uint8_t random[16];
    io_random(formatting->io, random, sizeof(random));
    return uuid_from_random(random);
}

static int format_one(struct formatting *formatting, const char *path)
{
    bool holds_metadata = str_is(formatting->node->metadata_log_dir, path);
    struct log_dir_identity identity = { .node_id = formatting->node->node_id };
    identity.directory_id = holds_metadata ? formatting->metadata_id : directory_id_for(formatting, false);
    snprintf(identity.cluster_id, sizeof(identity.cluster_id), "%s", formatting->cluster_id);
    int status = log_dir_format(formatting->io, path, &identity);
    return status < 0 ? fail(formatting, "cannot format %s: %s", path, status_text(status)) : 0;
}

/* Whether a directory is to be formatted; takes the cluster's id from one that is. -1 with a
 * reason. */
static int choose(struct formatting *formatting, const char *path, bool *out_to_format)
{
    char reason[512];
    struct log_dir_identity identity;
    enum format_state state = format_state_of(formatting->io, path, reason, sizeof(reason));
    *out_to_format = state == FORMAT_NONE;
    if (state == FORMAT_FOREIGN || state == FORMAT_UNREADABLE)
        return fail(formatting, "will not format: %s", reason);
    if (state == FORMAT_NONE)
        return 0;
    if (!formatting->wish->ignore_formatted)
        return fail(formatting,
            "%s is already formatted; to format the others only, add --ignore-formatted to this "
            "command",
            path);
    if (log_dir_identify(formatting->io, path, &identity, reason, sizeof(reason)) < 0)
        return fail(formatting, "%s", reason);
    if (formatting->cluster_id[0] != 0 && strcmp(formatting->cluster_id, identity.cluster_id) != 0)
        return fail(formatting, "%s belongs to cluster %s, not %s", path, identity.cluster_id,
            formatting->cluster_id);
    snprintf(formatting->cluster_id, sizeof(formatting->cluster_id), "%s", identity.cluster_id);
    return 0;
}

static int take_cluster_id(struct formatting *formatting)
{
    const char *id = formatting->wish->cluster_id;
    if (!log_dir_may_be_cluster_id(str_from(id)))
        return fail(formatting, "the cluster's id must have 1 to 63 bytes, and be UTF-8");
    snprintf(formatting->cluster_id, sizeof(formatting->cluster_id), "%s", id);
    return 0;
}

int format_directories(struct io *io, const struct node_settings *node,
    const struct format_wish *wish, char *reason, int reason_size)
{
    struct formatting formatting = {
        .io = io, .node = node, .wish = wish, .reason = reason, .reason_size = reason_size
    };
    const char **paths;
    int status = 0;
    arena_init(&formatting.arena);
    int count = format_list_directories(node, &formatting.arena, &paths);
    bool *to_format = arena_take_array(&formatting.arena, (size_t)count, sizeof(*to_format));
    if (wish->cluster_id != NULL && wish->cluster_id[0] != 0)
        status = take_cluster_id(&formatting);

    for (int i = 0; i < count && status == 0; i++)
        status = choose(&formatting, paths[i], &to_format[i]);
    if (formatting.cluster_id[0] == 0)
        format_random_uuid(io, formatting.cluster_id);
    /* The metadata directory stands first. It says that the format has begun, and gets its identity
     * last: only then is the node's format complete. */
    if (status == 0 && to_format[0]) {
        formatting.metadata_id = directory_id_for(&formatting, true);
        status = format_metadata(&formatting);
    }
    for (int i = count - 1; i >= 0 && status == 0; i--) {
        if (to_format[i])
            status = format_one(&formatting, paths[i]);
    }
    arena_deinit(&formatting.arena);
    return status;
}
