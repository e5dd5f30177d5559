/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/changer.h"

#include "base/container.h"
#include "error.h"
#include "sim/topics.h"
#include "sim/workload.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/delete_records.h"

static struct changer *changer_of(struct actor *actor)
{
    return container_of(actor, struct changer, actor);
}

/* The topic may go while it is changed. */
static bool is_gone(const struct changer *changer, int16_t error)
{
    return error == ERROR_UNKNOWN_TOPIC_OR_PARTITION && changer->topic->state != TOPIC_THERE;
}

/* A call that came only when the node was up again may ask for a place above what rot left of the log. */
static bool has_rotted(const struct changer *changer, int16_t error)
{
    return error == ERROR_OFFSET_OUT_OF_RANGE && changer->topic->may_lose;
}

static void hear_added(struct actor *actor)
{
    struct changer *changer = changer_of(actor);
    const struct create_partitions_response *response = actor->client.response;
    int16_t error = response->results_count == 1 ? response->results[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    bool is_older = error == ERROR_INVALID_PARTITIONS; /* a call whose answer was lost has added as many */
    if (!is_older && !is_gone(changer, error) && !actor_succeeded(actor, error, "create_partitions"))
        return;
    if (error == ERROR_NONE)
        changer->topic->partitions_promised = changer->count;
    actor_wait(actor, 400000);
}

static void add_partitions(struct changer *changer)
{
    struct actor *actor = &changer->actor;
    struct create_partitions_topic wish;
    struct create_partitions_request request;
    shape_set_defaults(&create_partitions_topic_shape, &wish);
    message_defaults(&create_partitions_request_schema, &request);
    changer->count = changer->topic->partition_count + 1;
    wish.name = str_from(changer->topic->name);
    wish.count = changer->count;
    wish.assignments_count = -1;
    request.topics = &wish;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    actor->hear = hear_added;
    actor_ask(actor, API_CREATE_PARTITIONS, 0, INT16_MAX, &request);
}

static void hear_deleted(struct actor *actor)
{
    struct changer *changer = changer_of(actor);
    const struct delete_records_response *response = actor->client.response;
    int16_t error = ERROR_UNKNOWN_SERVER_ERROR;
    if (response->topics_count == 1 && response->topics[0].partitions_count == 1)
        error = response->topics[0].partitions[0].error_code;
    if (!is_gone(changer, error) && !has_rotted(changer, error) && !actor_succeeded(actor, error, "delete_records"))
        return;
    if (error == ERROR_NONE && response->topics[0].partitions[0].low_watermark < changer->offset)
        recorder_violate(actor->workload->recorder, "records_are_not_deleted", "key=%s offset=%lld",
            changer->topic->keys[changer->partition], (long long)changer->offset);
    if (error == ERROR_NONE && response->topics[0].partitions[0].low_watermark != changer->offset)
        recorder_violate(actor->workload->recorder, "low_watermark_is_not_right", "key=%s answer=%lld known=%lld",
            changer->topic->keys[changer->partition], (long long)response->topics[0].partitions[0].low_watermark, (long long)changer->offset);
    if (error == ERROR_NONE)
        changer->topic->facts[changer->partition].gone_below = changer->offset;
    if (error == ERROR_NONE)
        actor_note(actor, "ok", "delete", changer->topic->keys[changer->partition], VALUE_NONE, changer->offset);
    actor_wait(actor, 400000);
}

/* Up to a place that somebody has read. */
static void delete_records(struct changer *changer)
{
    struct actor *actor = &changer->actor;
    struct topic *topic = changer->topic;
    struct delete_records_partition partition;
    struct delete_records_topic wish;
    struct delete_records_request request;
    shape_set_defaults(&delete_records_partition_shape, &partition);
    shape_set_defaults(&delete_records_topic_shape, &wish);
    message_defaults(&delete_records_request_schema, &request);
    int64_t *below = &topic->deleted_below[changer->partition];
    changer->offset = *below + (int64_t)actor_draw(actor, (uint64_t)(topic->read_to[changer->partition] - *below) / 2 + 1);
    *below = changer->offset;
    partition.partition_index = changer->partition;
    partition.offset = changer->offset;
    wish.name = str_from(topic->name);
    wish.partitions = &partition;
    wish.partitions_count = 1;
    request.topics = &wish;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    actor->hear = hear_deleted;
    actor_note(actor, "invoke", "delete", topic->keys[changer->partition], VALUE_NONE, changer->offset);
    actor_ask(actor, API_DELETE_RECORDS, 0, INT16_MAX, &request);
}

static void act_as_changer(struct actor *actor)
{
    struct changer *changer = changer_of(actor);
    struct workload *workload = actor->workload;
    changer->topic = topics_there(&workload->topics, actor_draw(actor, topics_count_there(&workload->topics) + 1));
    if (changer->topic != NULL)
        changer->partition = (int32_t)actor_draw(actor, (uint64_t)changer->topic->partition_count);
    if (changer->topic == NULL || workload->draining || !workload->by_name)
        actor_set_idle(actor);
    else if (changer->topic->partition_count < PARTITIONS_MOST && actor_draw(actor, 4) == 0)
        add_partitions(changer);
    else if (!changer->topic->may_lose && !changer->topic->is_retained && changer->topic->read_to[changer->partition] > changer->topic->deleted_below[changer->partition])
        delete_records(changer);
    else
        actor_set_idle(actor);
}

void changer_start(struct changer *changer, struct workload *workload)
{
    actor_start(&changer->actor, workload, "changer", 0, act_as_changer);
}
