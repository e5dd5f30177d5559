/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/group_call.h"

#include "cli/client.h"
#include "cli/verb.h"
#include "wire/gen/consumer_group_describe.h"
#include "wire/gen/consumer_group_heartbeat.h"
#include "wire/gen/delete_groups.h"
#include "wire/gen/describe_groups.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_delete.h"
#include "wire/gen/offset_fetch.h"
#include "wire/schema.h"

enum { ATTEMPTS = 100, WAIT_MS = 100 };

struct group_call group_call_to(struct client *client, const char *group)
{
    return (struct group_call){ client, group, -1 };
}

/* What the answer says of the one group that was asked about. */
static enum error error_of(int16_t api, const void *response)
{
    const struct describe_groups_response *classic = response;
    const struct consumer_group_describe_response *consumer = response;
    const struct consumer_group_heartbeat_response *heartbeat = response;
    const struct delete_groups_response *deletion = response;
    const struct offset_commit_response *commit = response;
    const struct offset_delete_response *offset_deletion = response;
    const struct offset_fetch_response *offsets = response;
    int16_t error = ERROR_UNKNOWN_SERVER_ERROR; /* it says nothing of the group */
    switch (api) {
    case API_DESCRIBE_GROUPS:
        error = classic->groups_count == 1 ? classic->groups[0].error_code : error;
        break;
    case API_CONSUMER_GROUP_DESCRIBE:
        error = consumer->groups_count == 1 ? consumer->groups[0].error_code : error;
        break;
    case API_CONSUMER_GROUP_HEARTBEAT:
        error = heartbeat->error_code;
        break;
    case API_DELETE_GROUPS:
        error = deletion->results_count == 1 ? deletion->results[0].error_code : error;
        break;
    case API_OFFSET_COMMIT:
        if (commit->topics_count > 0 && commit->topics[0].partitions_count > 0)
            error = commit->topics[0].partitions[0].error_code;
        break;
    case API_OFFSET_DELETE:
        error = offset_deletion->error_code;
        break;
    case API_OFFSET_FETCH:
        error = offsets->groups_count == 1 ? offsets->groups[0].error_code : error;
        break;
    }
    return (enum error)error;
}

static bool comes_to_pass(enum error error)
{
    return error == ERROR_COORDINATOR_NOT_AVAILABLE || error == ERROR_NOT_COORDINATOR ||
           error == ERROR_COORDINATOR_LOAD_IN_PROGRESS;
}

static int find(struct group_call *call, enum error *out_error)
{
    struct find_coordinator_request request;
    struct find_coordinator_response response;
    struct str key = str_from(call->group);
    struct arena arena;
    message_defaults(&find_coordinator_request_schema, &request);
    request.key = key; /* older versions ask for one */
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    arena_init(&arena);
    int code = EXIT_UNREACHABLE;
    if (client_call(call->client, -1, API_FIND_COORDINATOR, &request, &arena, &response) == 0) {
        code = EXIT_DONE;
        if (response.coordinators_count == 1) {
            const struct find_coordinator_coordinator *found = &response.coordinators[0];
            response.error_code = found->error_code;
            response.node_id = found->node_id;
            response.host = found->host;
            response.port = found->port;
        }
        *out_error = (enum error)response.error_code;
        if (*out_error == ERROR_NONE) {
            call->node_id = response.node_id;
            client_learn_node(call->client, response.node_id, response.host, response.port);
        }
    }
    arena_deinit(&arena);
    return code;
}

int group_call(struct group_call *call, int16_t api, const void *request, struct arena *arena,
    void *out_response, enum error *out_error)
{
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int code = EXIT_DONE;
        *out_error = ERROR_NONE;
        if (call->node_id < 0)
            code = find(call, out_error);
        if (code == EXIT_DONE && *out_error == ERROR_NONE) {
            if (client_call(call->client, call->node_id, api, request, arena, out_response) < 0)
                return EXIT_UNREACHABLE;
            *out_error = error_of(api, out_response);
            if (!comes_to_pass(*out_error))
                return EXIT_DONE;
        } else if (code != EXIT_DONE || !comes_to_pass(*out_error)) {
            return code != EXIT_DONE ? code
                                     : group_complain(call->group, *out_error, (struct str){ 0 });
        }
        if (*out_error != ERROR_COORDINATOR_LOAD_IN_PROGRESS)
            call->node_id = -1;
        client_pause(call->client, WAIT_MS);
    }
    complain("group %s: no node coordinates it yet (%s). Are the brokers that hold "
             "__consumer_offsets running?",
        call->group, error_name(*out_error));
    return EXIT_FAILED;
}

int group_complain(const char *group, enum error error, struct str text)
{
    switch (error) {
    case ERROR_GROUP_ID_NOT_FOUND:
        complain("group %s: there is no such group", group);
        return EXIT_ABSENT;
    case ERROR_NON_EMPTY_GROUP:
    case ERROR_UNKNOWN_MEMBER_ID: /* who commits without being a member is told so */
        complain("group %s: it has members; stop them first (`%s group members %s` shows them)",
            group, program_name(), group);
        return EXIT_FAILED;
    case ERROR_INVALID_GROUP_ID:
        complain("group %s: this cannot be a group's name", group);
        return EXIT_FAILED;
    default:
        if (text.size > 0)
            complain("group %s: %s: %.*s", group, error_name(error), STR_PRINT(text));
        else
            complain("group %s: %s", group, error_name(error));
        return EXIT_FAILED;
    }
}
