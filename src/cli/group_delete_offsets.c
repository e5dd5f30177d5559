/* SPDX-License-Identifier: Apache-2.0 */
/* strom group delete-offsets: forgets committed offsets of topics that no member subscribes to. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/client.h"
#include "cli/group_call.h"
#include "cli/group_choice.h"
#include "cli/verb.h"
#include "wire/gen/metadata.h"
#include "wire/gen/offset_delete.h"
#include "wire/schema.h"

static const struct option options[] = { GROUP_CHOICE_OPTIONS, BOOTSTRAP_OPTION, { NULL } };

static void fill_request(struct offset_delete_request *request, const char *group,
    const struct group_partition *chosen, int count, struct arena *arena)
{
    struct offset_delete_request_partition *partitions =
        MESSAGE_TAKE(offset_delete_request_partition, arena, count);
    struct offset_delete_request_topic *topic = NULL;
    message_defaults(&offset_delete_request_schema, request);
    request->group_id = str_from(group);
    request->topics = MESSAGE_TAKE(offset_delete_request_topic, arena, count);
    request->topics_count = 0;
    for (int i = 0; i < count; i++) {
        if (topic == NULL || !str_equal(topic->name, chosen[i].topic)) {
            topic = &request->topics[request->topics_count++];
            topic->name = chosen[i].topic;
            topic->partitions = &partitions[i];
            topic->partitions_count = 0;
        }
        partitions[i].partition_index = chosen[i].partition;
        topic->partitions_count++;
    }
}

static int tell(const char *group, const struct offset_delete_response *response)
{
    int code = EXIT_DONE;
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct offset_delete_response_topic *topic = &response->topics[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            int32_t partition = topic->partitions[k].partition_index;
            enum error error = (enum error)topic->partitions[k].error_code;
            if (error == ERROR_NONE) {
                printf("deleted the offset of %.*s partition %" PRId32 "\n", STR_PRINT(topic->name),
                    partition);
                continue;
            }
            code = EXIT_FAILED;
            complain("%.*s partition %" PRId32 ": %s%s", STR_PRINT(topic->name), partition,
                error_name(error),
                error == ERROR_GROUP_SUBSCRIBED_TO_TOPIC
                    ? ": members of the group subscribe to this topic; stop them first"
                    : "");
        }
    }
    if (code == EXIT_DONE && response->topics_count == 0)
        complain("group %s has committed nothing there; nothing was changed", group);
    return code;
}

static int delete_offsets(
    struct client *client, const struct arguments *arguments, struct arena *arena)
{
    const char *name = arguments->words[0];
    struct group_call call = group_call_to(client, name);
    struct metadata_response metadata;
    struct group_partition *committed = NULL, *chosen;
    struct offset_delete_request request;
    struct offset_delete_response response = { 0 };
    struct group_view view;
    enum error error = ERROR_NONE;
    int count, chosen_count, kept = 0;
    if (client_metadata(client, NULL, arena, &metadata) < 0)
        return EXIT_UNREACHABLE;
    int code = group_view_load(&call, arena, &view);
    if (code == EXIT_ABSENT)
        return group_complain(name, ERROR_GROUP_ID_NOT_FOUND, (struct str){ 0 });
    if (code == EXIT_DONE)
        code = group_offsets_load(&call, &metadata, arena, &committed, &count);
    if (code == EXIT_DONE)
        code = group_choice_read(
            arguments, &metadata, committed, count, arena, &chosen, &chosen_count);
    if (code != EXIT_DONE)
        return code;
    for (int i = 0; i < chosen_count; i++) {
        if (chosen[i].committed >= 0)
            chosen[kept++] = chosen[i];
    }
    fill_request(&request, name, chosen, kept, arena);
    if (kept > 0)
        code = group_call(&call, API_OFFSET_DELETE, &request, arena, &response, &error);
    if (code != EXIT_DONE)
        return code;
    return error == ERROR_NONE ? tell(name, &response)
                               : group_complain(name, error, (struct str){ 0 });
}

static int run(const struct arguments *arguments)
{
    int code;
    struct arena arena;
    if (!group_choice_is_made(arguments))
        return EXIT_MISUSED;
    struct client *client = client_create(arguments, &code);
    arena_init(&arena);
    if (client != NULL)
        code = delete_offsets(client, arguments, &arena);
    client_destroy(client);
    arena_deinit(&arena);
    return code;
}

const struct verb group_delete_offsets_verbs[] = {
    { "group delete-offsets", "GROUP", 1, 1,
        "Make a group forget how far it has read a topic that its members do not subscribe to.",
        "examples:\n"
        "  strom group delete-offsets billing --topic hello\n"
        "  strom group delete-offsets billing --topic hello:0,2\n",
        options, run },
    { NULL },
};
