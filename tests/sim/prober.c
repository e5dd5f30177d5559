/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/prober.h"

#include <stdio.h>

#include "base/container.h"
#include "error.h"
#include "sim/producer_id.h"
#include "sim/requests.h"
#include "sim/workload.h"
#include "wire/gen/describe_producers.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/offset_for_leader_epoch.h"

enum { LATEST = -1, EARLIEST = -2 }; /* in the place of a time */

static struct prober *prober_of(struct actor *actor)
{
    return container_of(actor, struct prober, actor);
}

static bool is_gone(const struct prober *prober, int16_t error)
{
    return error == ERROR_UNKNOWN_TOPIC_OR_PARTITION && prober->topic->state != TOPIC_THERE;
}

static const char *key_of(const struct prober *prober)
{
    return prober->topic->keys[prober->partition];
}

static void violate(const struct prober *prober, const char *name, int64_t answer, int64_t known)
{
    recorder_violate(prober->actor.workload->recorder, name, "actor=%s key=%s answer=%lld known=%lld", prober->actor.name,
        key_of(prober), (long long)answer, (long long)known);
}

/* What was known when it was asked still holds: power takes nothing of it, no deletion was asked for, and retention never took it, which
 * an answer may tell though a cut of power has brought it back. */
static bool holds(const struct prober *prober, int64_t offset)
{
    return !prober->topic->may_lose && prober->topic->state == TOPIC_THERE &&
           offset >= topic_farthest_start(prober->topic, prober->partition);
}

/* ---- Offsets ---- */

static void see_start(struct prober *prober, int64_t offset)
{
    const struct topic *topic = prober->topic;
    if (offset < prober->facts.gone_below)
        violate(prober, "deleted_records_came_back", offset, prober->facts.gone_below);
    int64_t farthest = topic_farthest_start(topic, prober->partition);
    if (offset > farthest)
        violate(prober, "more_was_deleted_than_asked_for", offset, farthest);
    actor_note(&prober->actor, "ok", "watermark", prober->start_key, VALUE_NONE, offset);
}

static void see_time(struct prober *prober, int64_t offset, int64_t timestamp)
{
    const struct partition_facts *facts = &prober->facts;
    if (!holds(prober, facts->offset) || prober->topic->deleted_below[prober->partition] > 0)
        return; /* the first segment with so late a record is looked in, even if a deletion hides that record */
    if (actor_may_see_damage(&prober->actor))
        return; /* time indexes have no checksum: one that decayed leads astray */
    if (offset < 0 || offset > facts->offset)
        violate(prober, "a_record_of_that_time_is_not_found", offset, facts->offset);
    if (offset >= 0 && timestamp < facts->timestamp)
        violate(prober, "a_record_of_an_earlier_time_is_found", timestamp, facts->timestamp);
}

static void hear_offset(struct actor *actor)
{
    struct prober *prober = prober_of(actor);
    const struct list_offsets_response *response = actor->client.response;
    if (response->topics_count != 1 || response->topics[0].partitions_count != 1) {
        violate(prober, "list_offsets_answers_other", response->topics_count, 1);
        actor_wait(actor, 300000);
        return;
    }
    const struct list_offsets_partition_response *answer = &response->topics[0].partitions[0];
    if (!is_gone(prober, answer->error_code) && !actor_succeeded(actor, answer->error_code, "list_offsets"))
        return;
    if (answer->error_code != ERROR_NONE) {
        /* the topic is going */
    } else if (prober->timestamp == LATEST) {
        actor_note(actor, "ok", "watermark", key_of(prober), VALUE_NONE, answer->offset);
    } else if (prober->timestamp == EARLIEST) {
        see_start(prober, answer->offset);
    } else {
        see_time(prober, answer->offset, answer->timestamp);
    }
    actor_wait(actor, 200000);
}

static void ask_offset(struct prober *prober, int64_t timestamp)
{
    struct actor *actor = &prober->actor;
    struct one_list_offsets one;
    one_list_offsets_init(&one, str_from(prober->topic->name));
    one.partition.partition_index = prober->partition;
    one.partition.timestamp = prober->timestamp = timestamp;
    one.request.isolation_level = (int8_t)actor_draw(actor, 2);
    actor->hear = hear_offset;
    if (timestamp == LATEST || timestamp == EARLIEST)
        actor_note(actor, "invoke", "watermark", timestamp == LATEST ? key_of(prober) : prober->start_key, VALUE_NONE, OFFSET_NONE);
    actor_ask(actor, API_LIST_OFFSETS, 1, INT16_MAX, &one.request);
}

/* ---- Leader epochs ---- */

static void hear_epoch(struct actor *actor)
{
    struct prober *prober = prober_of(actor);
    const struct offset_for_leader_epoch_response *response = actor->client.response;
    const struct partition_facts *facts = &prober->facts;
    if (response->topics_count != 1 || response->topics[0].partitions_count != 1) {
        violate(prober, "offset_for_leader_epoch_answers_other", response->topics_count, 1);
        actor_wait(actor, 300000);
        return;
    }
    const struct offset_for_leader_epoch_epoch_end_offset *answer = &response->topics[0].partitions[0];
    if (!is_gone(prober, answer->error_code) && !actor_succeeded(actor, answer->error_code, "offset_for_leader_epoch"))
        return;
    if (actor_may_see_damage(actor)) {
        /* epochs that decayed are taken from the batches, up to one that decayed, too */
    } else if (answer->error_code == ERROR_NONE && holds(prober, facts->offset)) {
        if (answer->leader_epoch != facts->epoch)
            violate(prober, "leader_epoch_is_not_known", answer->leader_epoch, facts->epoch);
        if (answer->end_offset <= facts->offset)
            violate(prober, "leader_epoch_ends_too_early", answer->end_offset, facts->offset);
    }
    actor_wait(actor, 200000);
}

static void ask_epoch(struct prober *prober)
{
    struct actor *actor = &prober->actor;
    struct one_epoch_end one;
    one_epoch_end_init(&one, str_from(prober->topic->name));
    one.partition.partition = prober->partition;
    one.partition.current_leader_epoch = -1;
    one.partition.leader_epoch = prober->facts.epoch;
    actor->hear = hear_epoch;
    actor_ask(actor, API_OFFSET_FOR_LEADER_EPOCH, 0, INT16_MAX, &one.request);
}

/* ---- Producers ---- */

/* When a snapshot has decayed, only an older one and the batches that are left tell of producers. */
static bool may_be_forgotten(const struct prober *prober)
{
    return prober->actor.workload->recorder->damaged_life > 0 &&
           prober->facts.last_offset < topic_farthest_start(prober->topic, prober->partition);
}

/* It is there with what it was told, or went on since. */
static void see_producers(struct prober *prober, const struct describe_producers_partition_response *answer)
{
    const struct partition_facts *facts = &prober->facts;
    for (int32_t i = 0; i < answer->active_producers_count; i++) {
        const struct describe_producers_producer_state *state = &answer->active_producers[i];
        if (state->producer_id != facts->producer_id)
            continue;
        bool is_newer = state->producer_epoch > facts->producer_epoch;
        if (!is_newer && (state->producer_epoch < facts->producer_epoch || sequence_is_before(state->last_sequence, facts->last_sequence)))
            violate(prober, "producer_was_set_back", state->last_sequence, facts->last_sequence);
        return;
    }
    violate(prober, "producer_is_not_described", answer->active_producers_count, facts->producer_id);
}

static void hear_producers(struct actor *actor)
{
    struct prober *prober = prober_of(actor);
    const struct describe_producers_response *response = actor->client.response;
    if (response->topics_count != 1 || response->topics[0].partitions_count != 1) {
        violate(prober, "describe_producers_answers_other", response->topics_count, 1);
        actor_wait(actor, 300000);
        return;
    }
    const struct describe_producers_partition_response *answer = &response->topics[0].partitions[0];
    if (!is_gone(prober, answer->error_code) && !actor_succeeded(actor, answer->error_code, "describe_producers"))
        return;
    if (answer->error_code == ERROR_NONE && holds(prober, INT64_MAX) && !may_be_forgotten(prober))
        see_producers(prober, answer);
    actor_wait(actor, 200000);
}

static void ask_producers(struct prober *prober)
{
    struct actor *actor = &prober->actor;
    struct describe_producers_request request;
    struct describe_producers_topic_request topic;
    message_defaults(&describe_producers_request_schema, &request);
    shape_set_defaults(&describe_producers_topic_request_shape, &topic);
    topic.name = str_from(prober->topic->name);
    topic.partition_indexes = &prober->partition;
    topic.partition_indexes_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    actor->hear = hear_producers;
    actor_ask(actor, API_DESCRIBE_PRODUCERS, 0, INT16_MAX, &request);
}

static void act_as_prober(struct actor *actor)
{
    struct prober *prober = prober_of(actor);
    struct workload *workload = actor->workload;
    prober->topic = topics_there(&workload->topics, actor_draw(actor, topics_count_there(&workload->topics) + 1));
    if (prober->topic == NULL || workload->draining || !workload->by_name) {
        actor_set_idle(actor);
        return;
    }
    prober->partition = (int32_t)actor_draw(actor, (uint64_t)prober->topic->partition_count);
    prober->facts = prober->topic->facts[prober->partition];
    snprintf(prober->start_key, sizeof(prober->start_key), "%s/start", key_of(prober));
    uint64_t drawn = actor_draw(actor, 5);
    if (drawn == 0 && prober->facts.has_producer)
        ask_producers(prober);
    else if (drawn == 1 && prober->facts.is_read)
        ask_epoch(prober);
    else if (drawn == 2 && prober->facts.is_read)
        ask_offset(prober, prober->facts.timestamp);
    else if (drawn == 3 && !prober->topic->may_lose && !prober->topic->is_retained)
        ask_offset(prober, EARLIEST);
    else
        ask_offset(prober, LATEST);
}

void prober_start(struct prober *prober, struct workload *workload)
{
    actor_start(&prober->actor, workload, "prober", 0, act_as_prober);
}
