/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/quorum_state.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "base/memory.h"
#include "io/file.h"

enum { PATH_SIZE = 4096, FILE_LIMIT = 64 * 1024 };

static bool read_int(const json_t *object, const char *key, int32_t *out_value)
{
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value); /* 0 when it is no integer */
    if (!json_is_integer(value) || number < INT32_MIN || number > INT32_MAX)
        return false;
    *out_value = (int32_t)number;
    return true;
}

static int parse_vote(const json_t *object, struct raft_vote *out_vote)
{
    int32_t version;
    *out_vote = (struct raft_vote){ .leader_id = RAFT_NOBODY, .voted_id = RAFT_NOBODY };
    if (!json_is_object(object) || !read_int(object, "data_version", &version) || version < 0)
        return -EBADMSG;
    if (version > 1)
        return -ENOTSUP;
    if (!read_int(object, "leaderId", &out_vote->leader_id) ||
        !read_int(object, "leaderEpoch", &out_vote->leader_epoch) ||
        !read_int(object, "votedId", &out_vote->voted_id))
        return -EBADMSG;
    const char *directory = json_string_value(json_object_get(object, "votedDirectoryId"));
    if (directory != NULL && !uuid_parse(str_from(directory), &out_vote->voted_directory_id))
        return -EBADMSG;
    return out_vote->leader_epoch < 0 ? -EBADMSG : 0;
}

int quorum_state_load(struct io *io, const char *directory, struct raft_vote *out_vote)
{
    char path[PATH_SIZE];
    char *text;
    size_t size;
    snprintf(path, sizeof(path), "%s/quorum-state", directory);
    int status = file_load(io, path, FILE_LIMIT, &text, &size);
    if (status < 0)
        return status;
    json_t *object = json_loadb(text, size, 0, NULL);
    status = parse_vote(object, out_vote);
    json_decref(object);
    memory_give(text);
    return status;
}

int quorum_state_save(struct io *io, const char *directory, const struct raft_vote *vote,
    int16_t kraft_version, const struct raft_voters *voters)
{
    char path[PATH_SIZE], text[2048], id[UUID_TEXT_SIZE + 1];
    int size;
    snprintf(path, sizeof(path), "%s/quorum-state", directory);
    if (kraft_version >= 1) {
        uuid_print(vote->voted_directory_id, id);
        size = snprintf(text, sizeof(text),
            "{\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,\"votedDirectoryId\":\"%s\",\"data_"
            "version\":1}",
            vote->leader_id, vote->leader_epoch, vote->voted_id, id);
    } else {
        size = snprintf(text, sizeof(text),
            "{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
            "\"appliedOffset\":0,"
            "\"currentVoters\":[",
            vote->leader_id, vote->leader_epoch, vote->voted_id);
        for (int i = 0; i < voters->count; i++)
            size += snprintf(text + size, sizeof(text) - (size_t)size, "%s{\"voterId\":%d}",
                i > 0 ? "," : "", voters->list[i].id);
        size += snprintf(text + size, sizeof(text) - (size_t)size, "],\"data_version\":0}");
    }
    return file_replace(io, path, text, (size_t)size);
}
