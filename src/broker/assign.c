/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/assign.h"

#include <utlist.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "broker/control.h"
#include "broker/moves.h"
#include "broker/settings.h"
#include "broker/shard.h"
#include "wire/gen/assign_replicas_to_dirs.h"

enum { AT_ONCE = 1000 };

/* One replica whose place the controller must hear of. */
struct assignment {
    struct mail mail;
    struct assignment *next;
    struct shard *shard; /* whose note it is */
    struct partition_key key;
    struct uuid directory;
};

/* The request for the first `count` of the list. */
struct assign_call {
    struct control_errand errand; /* first */
    struct arena arena;
    struct control *control;
    int32_t count;
    struct assign_replicas_to_dirs_request request;
    struct assign_replicas_to_dirs_response response;
};

static void call_end(struct assign_call *call)
{
    call->control->assign_call = NULL;
    arena_deinit(&call->arena);
    memory_give(call);
}

static void forget_first(struct control *control)
{
    struct assignment *first = control->assignments;

    LL_DELETE(control->assignments, first);
    memory_give(first);
}

/* Back on the shard. */
static void hear(struct mail *mail)
{
    struct assignment *assignment = container_of(mail, struct assignment, mail);
    struct shard *shard = assignment->shard;
    struct partition *partition = shard_partition(shard, assignment->key.topic_id, assignment->key.index);

    memory_give(assignment);
    if (partition == NULL)
        return;
    partition->notes_under_way--;
    moves_look(shard, partition);
}

static void answer_first(struct control *control)
{
    struct assignment *first = control->assignments;

    if (control->stage == CONTROL_LEFT) { /* the shards end: a letter might find nobody */
        forget_first(control);
        return;
    }
    LL_DELETE(control->assignments, first);
    first->mail.deliver = hear;
    mail_send(control->loop, first->shard->loop, &first->mail);
}

/* Another controller or epoch, and a disk without room for it, are reasons to try again, with the next heartbeat; anything else is final. */
static void told(struct control_errand *errand)
{
    struct assign_call *call = container_of(errand, struct assign_call, errand);
    struct control *control = call->control;
    enum error error = errand->error != ERROR_NONE ? errand->error : (enum error)call->response.error_code;
    bool again = error == ERROR_NOT_CONTROLLER || error == ERROR_STALE_BROKER_EPOCH || error == ERROR_KAFKA_STORAGE_ERROR;
    int32_t count = call->count;

    call_end(call);
    if (again)
        return;
    if (error != ERROR_NONE)
        report_warn("assignment_refused", "error=%s replicas=%d: the metadata do not show where they are", error_name(error), count);
    while (count-- > 0)
        answer_first(control);
    assign_tell(control);
}

static void fill_directory(struct assign_call *call, const struct assignment *assignment,
    struct assign_replicas_to_dirs_request_directory_data *out)
{
    out->id = assignment->directory;
    out->topics_count = 1;
    out->topics = MESSAGE_TAKE(assign_replicas_to_dirs_request_topic_data, &call->arena, 1);
    out->topics[0].topic_id = assignment->key.topic_id;
    out->topics[0].partitions_count = 1;
    out->topics[0].partitions = MESSAGE_TAKE(assign_replicas_to_dirs_request_partition_data, &call->arena, 1);
    out->topics[0].partitions[0].partition_index = assignment->key.index;
}

static void fill_request(struct assign_call *call, const struct assignment *assignments)
{
    struct assign_replicas_to_dirs_request *request = &call->request;

    message_defaults(&assign_replicas_to_dirs_request_schema, request);
    message_defaults(&assign_replicas_to_dirs_response_schema, &call->response);
    request->broker_id = call->control->settings->node_id;
    request->broker_epoch = call->control->broker_epoch;
    for (const struct assignment *one = assignments; one != NULL && call->count < AT_ONCE; one = one->next)
        call->count++;
    request->directories_count = call->count;
    request->directories = MESSAGE_TAKE(assign_replicas_to_dirs_request_directory_data, &call->arena, call->count);
    for (int32_t i = 0; i < call->count; i++, assignments = assignments->next)
        fill_directory(call, assignments, &request->directories[i]);
}

void assign_tell(struct control *control)
{
    if (control->assignments == NULL || control->assign_call != NULL || control->stage != CONTROL_SERVING)
        return;
    struct assign_call *call = memory_take(sizeof(*call));
    arena_init(&call->arena);
    call->control = control;
    call->errand.done = told;
    call->errand.wish.type = CONTROLLER_ASSIGN_DIRECTORIES;
    call->errand.wish.rsm.arena = &call->arena;
    call->errand.wish.request = &call->request;
    call->errand.wish.response = &call->response;
    fill_request(call, control->assignments);
    control->assign_call = call;
    control_send(control, control->loop, &call->errand);
}

static void deliver(struct mail *mail)
{
    struct assignment *assignment = container_of(mail, struct assignment, mail);
    struct control *control = assignment->shard->control;

    LL_APPEND(control->assignments, assignment);
    assign_tell(control);
}

void assign_note(struct shard *shard, struct partition *partition, struct uuid directory)
{
    struct assignment *assignment = memory_take(sizeof(*assignment));

    assignment->shard = shard;
    assignment->key = partition->key;
    assignment->directory = directory;
    assignment->mail.deliver = deliver;
    partition->notes_under_way++;
    mail_send(shard->loop, shard->control->loop, &assignment->mail);
}

void assign_abandon(struct control *control)
{
    if (control->assign_call != NULL)
        call_end(control->assign_call);
    while (control->assignments != NULL)
        forget_first(control);
}
