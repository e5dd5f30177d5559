/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topic_view.h"

enum { TOPIC_NAME_MAX = 249 };

const struct image_endpoint *broker_view_endpoint(const struct image_broker *broker, struct str listener)
{
    if (broker == NULL || broker->fenced)
        return NULL;
    return image_broker_endpoint(broker, listener);
}

/* Away: not registered, fenced, or the directory of the replica is not among the broker's. */
static bool replica_is_offline(const struct image *image, const struct image_partition *partition, int32_t replica)
{
    const struct image_broker *broker = image_broker(image, replica);
    if (broker == NULL || broker->fenced)
        return true;
    struct uuid directory = image_partition_directory(partition, replica);
    if (uuid_equal(directory, DIRECTORY_LOST) && partition->directories != NULL)
        return true;
    if (!directory_is_real(directory))
        return false;
    for (int32_t i = 0; i < broker->directory_count; i++) {
        if (uuid_equal(broker->directories[i], directory))
            return false;
    }
    return true;
}

void partition_view_fill(const struct image *image, const struct image_partition *partition, struct str listener,
    struct arena *arena, struct partition_view *out_view)
{
    *out_view = (struct partition_view){ .error = ERROR_NONE, .leader = partition->leader };
    const struct image_broker *leader = partition->leader < 0 ? NULL : image_broker(image, partition->leader);
    if (broker_view_endpoint(leader, listener) == NULL) {
        out_view->error = leader == NULL ? ERROR_LEADER_NOT_AVAILABLE : ERROR_LISTENER_NOT_FOUND;
        out_view->leader = -1;
    }
    int32_t *offline = NULL;
    int32_t count = 0;
    for (int32_t i = 0; i < partition->replicas.count; i++) {
        if (!replica_is_offline(image, partition, partition->replicas.ids[i]))
            continue;
        if (offline == NULL)
            offline = arena_take_array(arena, (size_t)partition->replicas.count, sizeof(*offline));
        offline[count++] = partition->replicas.ids[i];
    }
    out_view->offline = (struct node_list){ offline, count };
}

bool topic_is_internal(struct str name)
{
    return str_is(name, "__consumer_offsets") || str_is(name, "__transaction_state") || str_is(name, "__share_group_state");
}

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

enum error topic_name_check(struct str name, struct arena *arena, struct str *out_message)
{
    const char *message = NULL;
    if (name.size == 0) {
        message = "Topic name is invalid: the empty string is not allowed";
    } else if (str_is(name, ".") || str_is(name, "..")) {
        message = "Topic name is invalid: '.' or '..' is not allowed";
    } else if (name.size > TOPIC_NAME_MAX) {
        message = arena_format(arena, "Topic name is invalid: the length of '%.*s' is longer than the max allowed length %d",
            STR_PRINT(name), (int)TOPIC_NAME_MAX);
    } else {
        for (int32_t i = 0; i < name.size && message == NULL; i++) {
            if (!is_name_character(name.data[i]))
                message = arena_format(arena,
                    "Topic name is invalid: '%.*s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
                    STR_PRINT(name));
        }
    }
    *out_message = str_from(message);
    return message == NULL ? ERROR_NONE : ERROR_INVALID_TOPIC_EXCEPTION;
}
