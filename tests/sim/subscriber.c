/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/subscriber.h"

#include "base/container.h"
#include "error.h"
#include "sim/seen.h"
#include "sim/workload.h"
#include "wire/batch.h"
#include "wire/gen/fetch.h"

enum { FIRST_WITH_IDS = 13 };

static struct subscriber *subscriber_of(struct actor *actor)
{
    return container_of(actor, struct subscriber, actor);
}

static const char *key_of(const struct slot *slot)
{
    return slot->topic->keys[slot->partition];
}

/* The next request begins another session. */
static void leave_session(struct subscriber *subscriber)
{
    subscriber->session_id = subscriber->session_epoch = 0;
    subscriber->forgotten.topic = NULL;
    for (int i = 0; i < SLOTS; i++)
        subscriber->slots[i].is_told = subscriber->slots[i].is_in_session = false;
}

static void lose_answer(struct actor *actor)
{
    leave_session(subscriber_of(actor));
}

/* ---- What it reads ---- */

static bool has(const struct subscriber *subscriber, const struct topic *topic, int32_t partition)
{
    for (int i = 0; i < SLOTS; i++)
        if (subscriber->slots[i].topic == topic && subscriber->slots[i].partition == partition)
            return true;
    return subscriber->forgotten.topic == topic && subscriber->forgotten.partition == partition;
}

/* One partition in a request is forgotten, at most. */
static void forget(struct subscriber *subscriber, struct slot *slot)
{
    if (slot->is_in_session && subscriber->forgotten.topic != NULL)
        return;
    if (slot->is_in_session)
        subscriber->forgotten = *slot;
    slot->topic = NULL;
}

static void fill(struct subscriber *subscriber, struct slot *slot)
{
    struct actor *actor = &subscriber->actor;
    const struct topics *topics = &actor->workload->topics;
    struct topic *topic = topics_there(topics, actor_draw(actor, topics_count_there(topics) + 1));
    int32_t partition = topic == NULL ? 0 : (int32_t)actor_draw(actor, (uint64_t)topic->partition_count);
    if (topic == NULL || has(subscriber, topic, partition))
        return;
    *slot = (struct slot){ .topic = topic, .partition = partition, .position = topic->deleted_below[partition] };
    actor_note(actor, "ok", "seek", key_of(slot), VALUE_NONE, OFFSET_NONE);
}

static int change_slots(struct subscriber *subscriber)
{
    int count = 0;
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &subscriber->slots[i];
        if (slot->topic != NULL && (slot->topic->state != TOPIC_THERE || actor_draw(&subscriber->actor, 50) == 0))
            forget(subscriber, slot);
        else if (slot->topic == NULL && actor_draw(&subscriber->actor, 5) == 0)
            fill(subscriber, slot);
        count += slot->topic != NULL;
    }
    return count;
}

/* ---- Answers ---- */

static struct slot *find_slot(struct subscriber *subscriber, struct uuid topic_id, int32_t partition)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &subscriber->slots[i];
        if (slot->topic != NULL && slot->partition == partition && uuid_equal(slot->topic->id, topic_id))
            return slot;
    }
    return NULL;
}

/* Returns whether there was something to read, or a reason why not. */
static bool see_partition(struct subscriber *subscriber, struct uuid topic_id, const struct fetch_partition_data *data)
{
    struct actor *actor = &subscriber->actor;
    struct slot *slot = find_slot(subscriber, topic_id, data->partition_index);
    if (slot == NULL) {
        recorder_violate(actor->workload->recorder, "fetch_answers_other", "actor=%s partition=%d", actor->name, data->partition_index);
        return true;
    }
    int64_t position = slot->position;
    if (data->error_code == ERROR_OFFSET_OUT_OF_RANGE) {
        slot->position = position_after_loss(actor, slot->topic, slot->partition, slot->position);
        slot->is_told = false;
        return true;
    }
    if (data->error_code != ERROR_NONE) {
        if (!error_is_passing(data->error_code))
            recorder_violate(actor->workload->recorder, "unexpected_error", "actor=%s call=fetch error=%d", actor->name, data->error_code);
        return true;
    }
    batches_see(actor, slot->topic, slot->partition, &slot->position,
        (struct bytes){ data->records.data, data->records.size > 0 ? (size_t)data->records.size : 0 });
    actor_note(actor, "ok", "watermark", key_of(slot), VALUE_NONE, data->high_watermark);
    slot->is_told = slot->is_told && slot->position == position;
    return slot->position != position;
}

/* All partitions together bring no more than was asked for, or else the one batch that each answer may bring. */
static void see_size(struct subscriber *subscriber, const struct fetch_response *response)
{
    struct batch_header header;
    int64_t size = 0, most = subscriber->max_bytes;
    for (int32_t i = 0; i < response->responses_count; i++)
        for (int32_t k = 0; k < response->responses[i].partitions_count; k++) {
            const struct records *records = &response->responses[i].partitions[k].records;
            if (records->size <= 0)
                continue;
            bool is_first = size == 0 && batch_parse((struct bytes){ records->data, (size_t)records->size }, &header) == BATCH_OK;
            if (is_first && (int64_t)header.size > most)
                most = (int64_t)header.size;
            size += records->size;
        }
    if (size > most)
        recorder_violate(subscriber->actor.workload->recorder, "fetch_brings_more_than_asked_for", "actor=%s bytes=%lld most=%lld asked=%d",
            subscriber->actor.name, (long long)size, (long long)most, subscriber->max_bytes);
}

/* The session may be gone for other reasons; else it is as it was. */
static void hear_refusal(struct actor *actor)
{
    struct subscriber *subscriber = subscriber_of(actor);
    const struct fetch_response *response = actor->client.response;
    int16_t error = response->error_code;
    if (error != ERROR_INVALID_FETCH_SESSION_EPOCH && error != ERROR_FETCH_SESSION_ID_NOT_FOUND)
        recorder_violate(actor->workload->recorder, "session_takes_what_is_not_its_own", "actor=%s error=%d session=%d epoch=%d", actor->name,
            error, subscriber->session_id, subscriber->session_epoch);
    actor_wait(actor, 50000);
}

static void hear_records(struct actor *actor)
{
    struct subscriber *subscriber = subscriber_of(actor);
    const struct fetch_response *response = actor->client.response;
    const struct slot *behind = NULL;
    bool is_served = false;
    if (!actor_succeeded(actor, response->error_code, "fetch")) {
        leave_session(subscriber);
        return;
    }
    subscriber->session_id = response->session_id;
    subscriber->session_epoch = response->session_id == 0 ? 0 : subscriber->session_epoch + 1;
    subscriber->forgotten.topic = NULL;
    see_size(subscriber, response);
    for (int32_t i = 0; i < response->responses_count; i++)
        for (int32_t k = 0; k < response->responses[i].partitions_count; k++)
            is_served |= see_partition(subscriber, response->responses[i].topic_id, &response->responses[i].partitions[k]);
    for (int i = 0; i < SLOTS; i++) {
        const struct slot *slot = &subscriber->slots[i];
        if (slot->topic != NULL && slot->is_behind && slot->topic->state == TOPIC_THERE && !slot->topic->may_lose)
            behind = slot;
    }
    if (behind != NULL && !is_served && !actor_may_see_damage(actor))
        recorder_violate(actor->workload->recorder, "fetch_brings_nothing", "actor=%s key=%s position=%lld read_to=%lld", actor->name,
            key_of(behind), (long long)behind->position, (long long)behind->topic->read_to[behind->partition]);
    actor_wait(actor, 50000);
}

/* ---- Requests ---- */

static void put_slot(struct slot *slot, struct fetch_topic *topic, struct fetch_partition *partition, int32_t most_bytes)
{
    shape_set_defaults(&fetch_topic_shape, topic);
    shape_set_defaults(&fetch_partition_shape, partition);
    partition->partition = slot->partition;
    partition->fetch_offset = slot->position;
    partition->partition_max_bytes = most_bytes;
    topic->topic_id = slot->topic->id;
    topic->partitions = partition;
    topic->partitions_count = 1;
    slot->is_told = slot->is_in_session = true;
}

static void ask_records(struct subscriber *subscriber)
{
    static const int32_t sizes[] = { 1, 100, 5000, 1 << 20 }, least[] = { 0, 1, 1, 2000, 1 << 20 };
    struct actor *actor = &subscriber->actor;
    struct fetch_request request;
    struct fetch_topic topics[SLOTS];
    struct fetch_partition partitions[SLOTS];
    struct fetch_forgotten_topic forgotten;
    message_defaults(&fetch_request_schema, &request);
    request.topics_count = 0;
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &subscriber->slots[i];
        if (slot->topic == NULL)
            continue;
        slot->is_behind = slot->position < slot->topic->read_to[slot->partition];
        actor_note(actor, "invoke", "watermark", key_of(slot), VALUE_NONE, OFFSET_NONE);
        if (subscriber->session_epoch == 0 || !slot->is_told) {
            int32_t place = request.topics_count++;
            put_slot(slot, &topics[place], &partitions[place], sizes[actor_draw(actor, 4)]);
        }
    }
    if (subscriber->forgotten.topic != NULL && subscriber->session_epoch != 0) {
        shape_set_defaults(&fetch_forgotten_topic_shape, &forgotten);
        forgotten.topic_id = subscriber->forgotten.topic->id;
        forgotten.partitions = &subscriber->forgotten.partition;
        forgotten.partitions_count = 1;
        request.forgotten_topics_data = &forgotten;
        request.forgotten_topics_data_count = 1;
    }
    request.replica_id = -1;
    request.max_wait_ms = (int32_t)actor_draw(actor, actor_draw(actor, 10) == 0 ? 5000 : 300);
    request.min_bytes = least[actor_draw(actor, 5)];
    request.max_bytes = subscriber->max_bytes = sizes[actor_draw(actor, 4)];
    request.isolation_level = (int8_t)actor_draw(actor, 2);
    request.session_id = subscriber->session_id;
    request.session_epoch = subscriber->session_epoch;
    request.topics = topics;
    request.rack_id = STR("");
    actor->hear = hear_records;
    actor->lose = lose_answer;
    actor_note(actor, "invoke", "poll", NULL, VALUE_NONE, OFFSET_NONE);
    actor_ask(actor, API_FETCH, FIRST_WITH_IDS, INT16_MAX, &request);
}

/* In the session's name, with what is not its own: a newer or an older epoch, or the id of no session. */
static void ask_astray(struct subscriber *subscriber)
{
    struct actor *actor = &subscriber->actor;
    struct fetch_request request;
    int32_t apart = 1 + (int32_t)actor_draw(actor, 3);
    message_defaults(&fetch_request_schema, &request);
    request.replica_id = -1;
    request.min_bytes = 1;
    request.max_bytes = 1 << 20;
    request.session_id = subscriber->session_id;
    request.session_epoch = subscriber->session_epoch + apart;
    if (actor_draw(actor, 4) == 0)
        request.session_id ^= 1 << actor_draw(actor, 30);
    else if (subscriber->session_epoch > apart && actor_draw(actor, 2) == 0)
        request.session_epoch = subscriber->session_epoch - apart;
    request.rack_id = STR("");
    actor->hear = hear_refusal;
    actor->lose = lose_answer;
    actor_ask(actor, API_FETCH, FIRST_WITH_IDS, INT16_MAX, &request);
}

static void act_as_subscriber(struct actor *actor)
{
    struct subscriber *subscriber = subscriber_of(actor);
    if (actor->workload->draining) {
        actor_set_idle(actor);
        return;
    }
    if (actor->client.socket == NULL || actor_draw(actor, 100) == 0)
        leave_session(subscriber);
    if (subscriber->session_epoch > 0 && actor_draw(actor, 30) == 0)
        ask_astray(subscriber);
    else if (change_slots(subscriber) == 0)
        actor_set_idle(actor);
    else
        ask_records(subscriber);
}

void subscriber_start(struct subscriber *subscriber, struct workload *workload, int number)
{
    actor_start(&subscriber->actor, workload, "subscriber", number, act_as_subscriber);
}
