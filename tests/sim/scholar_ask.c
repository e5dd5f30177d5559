/* SPDX-License-Identifier: Apache-2.0 */
#include "base/container.h"
#include "error.h"
#include "sim/scholar.h"
#include "sim/requests.h"
#include "sim/workload.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/offset_for_leader_epoch.h"

enum { LATEST = -1, EARLIEST = -2, LARGEST = -3 }; /* in the place of a time */
enum { NO_EPOCH = -1, BEYOND = 1000, FIRST_WITH_LARGEST = 7, FIRST_WITH_CLAIM = 2, WITH_LAST_EPOCH = 12 };

static struct scholar *scholar_of(struct actor *actor)
{
    return container_of(actor, struct scholar, actor);
}

/* ---- The leader's epoch ---- */

/* None, the newest that it knows, an older one, or one that no leader has had. */
static int32_t draw_claim(struct scholar *scholar)
{
    switch (actor_draw(&scholar->actor, 6)) {
    case 0: return scholar->newest_epoch;
    case 1: return scholar->newest_epoch > 0 ? (int32_t)actor_draw(&scholar->actor, (uint64_t)scholar->newest_epoch) : NO_EPOCH;
    case 2: return scholar->newest_epoch + BEYOND;
    default: return NO_EPOCH;
    }
}

bool scholar_answer_is_right(struct scholar *scholar, int16_t error, const char *call)
{
    int32_t claimed = scholar->claimed_epoch;
    bool must_fence = claimed >= 0 && claimed < scholar->newest_epoch, is_unknown = claimed > scholar->newest_epoch;
    bool may_fence = claimed >= 0 && !is_unknown; /* another leader may have begun since */
    if ((error == ERROR_FENCED_LEADER_EPOCH && may_fence) || (error == ERROR_UNKNOWN_LEADER_EPOCH && is_unknown)) {
        actor_wait(&scholar->actor, 100000);
        return false;
    }
    if (error == ERROR_NONE && (must_fence || is_unknown))
        scholar_violate(scholar, "wrong_leader_epoch_is_served", claimed, scholar->newest_epoch);
    return actor_succeeded(&scholar->actor, error, call);
}

static void learn_epoch(struct scholar *scholar, int32_t epoch)
{
    scholar->newest_epoch = epoch > scholar->newest_epoch ? epoch : scholar->newest_epoch;
}

/* Of a record that was read, or one less. */
static int32_t draw_epoch(struct scholar *scholar)
{
    struct actor *actor = &scholar->actor;
    int32_t epoch = scholar->study.records[actor_draw(actor, (uint64_t)scholar->study.end)].epoch;
    return epoch > 0 && actor_draw(actor, 3) == 0 ? epoch - 1 : epoch;
}

/* ---- Offsets ---- */

/* What was stored and is not read back yet may count already, or not. */
static void see_end(struct scholar *scholar, const struct list_offsets_partition_response *answer)
{
    int64_t end = scholar->study.end, under_way = scholar->batch.count;
    if (answer->offset != end && answer->offset != end + under_way)
        scholar_violate(scholar, "partition_has_another_end", answer->offset, end);
    scholar->told_end = answer->offset;
    learn_epoch(scholar, answer->leader_epoch);
}

/* Time indexes have no checksum: one that decayed leads astray. */
static void see_offset(struct scholar *scholar, const struct list_offsets_partition_response *answer)
{
    const struct study *study = &scholar->study;
    if (actor_may_see_damage(&scholar->actor))
        return;
    int64_t right = scholar->timestamp == LARGEST ? study_latest(study) : study_first_since(study, scholar->timestamp);
    if (answer->offset != right)
        scholar_violate(scholar, "another_record_of_that_time_is_found", answer->offset, right);
    else if (right >= 0 && (answer->timestamp != study->records[right].timestamp || answer->leader_epoch != study->records[right].epoch))
        scholar_violate(scholar, "record_of_that_time_is_told_wrong", answer->timestamp, study->records[right].timestamp);
}

static void hear_offset(struct actor *actor)
{
    struct scholar *scholar = scholar_of(actor);
    const struct list_offsets_response *response = actor->client.response;
    if (response->topics_count != 1 || response->topics[0].partitions_count != 1) {
        scholar_violate(scholar, "list_offsets_answers_other", response->topics_count, 1);
        actor_wait(actor, 300000);
        return;
    }
    const struct list_offsets_partition_response *answer = &response->topics[0].partitions[0];
    if (!scholar_answer_is_right(scholar, answer->error_code, "list_offsets"))
        return;
    if (scholar->timestamp == LATEST)
        see_end(scholar, answer);
    else if (scholar->timestamp != EARLIEST)
        see_offset(scholar, answer);
    else if (answer->offset != 0)
        scholar_violate(scholar, "partition_has_another_start", answer->offset, 0);
    actor_wait(actor, scholar->batch.count > 0 ? 1000 : 100000);
}

static void ask_offset(struct scholar *scholar, int64_t timestamp)
{
    struct actor *actor = &scholar->actor;
    struct one_list_offsets one;
    one_list_offsets_init(&one, STR("studied"));
    one.partition.timestamp = scholar->timestamp = timestamp;
    one.partition.current_leader_epoch = scholar->claimed_epoch;
    one.request.isolation_level = (int8_t)actor_draw(actor, 2);
    actor->hear = hear_offset;
    actor_ask(actor, API_LIST_OFFSETS, FIRST_WITH_LARGEST, INT16_MAX, &one.request);
}

void scholar_look_at_end(struct scholar *scholar)
{
    scholar->claimed_epoch = NO_EPOCH;
    ask_offset(scholar, LATEST);
}

/* Of a record, and just before and behind it; or later than all. */
static void ask_time(struct scholar *scholar)
{
    struct actor *actor = &scholar->actor;
    const struct study *study = &scholar->study;
    int64_t timestamp = study->records[actor_draw(actor, (uint64_t)study->end)].timestamp + (int64_t)actor_draw(actor, 3) - 1;
    if (actor_draw(actor, 20) == 0)
        timestamp = study->records[study_latest(study)].timestamp + 1;
    ask_offset(scholar, timestamp);
}

/* ---- Leader epochs ---- */

static void hear_epoch(struct actor *actor)
{
    struct scholar *scholar = scholar_of(actor);
    const struct offset_for_leader_epoch_response *response = actor->client.response;
    if (response->topics_count != 1 || response->topics[0].partitions_count != 1) {
        scholar_violate(scholar, "offset_for_leader_epoch_answers_other", response->topics_count, 1);
        actor_wait(actor, 300000);
        return;
    }
    const struct offset_for_leader_epoch_epoch_end_offset *answer = &response->topics[0].partitions[0];
    struct studied_end right = study_end_of(&scholar->study, scholar->epoch);
    if (!scholar_answer_is_right(scholar, answer->error_code, "offset_for_leader_epoch"))
        return;
    bool is_whole = !actor_may_see_damage(actor); /* else epochs may be taken from the batches up to one that decayed */
    if (is_whole && answer->leader_epoch != right.epoch)
        scholar_violate(scholar, "another_leader_epoch_is_told", answer->leader_epoch, right.epoch);
    if (is_whole && answer->end_offset != right.offset)
        scholar_violate(scholar, "leader_epoch_has_another_end", answer->end_offset, right.offset);
    actor_wait(actor, 100000);
}

static void ask_epoch(struct scholar *scholar)
{
    struct actor *actor = &scholar->actor;
    struct one_epoch_end one;
    one_epoch_end_init(&one, STR("studied"));
    one.partition.current_leader_epoch = scholar->claimed_epoch;
    one.partition.leader_epoch = scholar->epoch = draw_epoch(scholar);
    actor->hear = hear_epoch;
    actor_ask(actor, API_OFFSET_FOR_LEADER_EPOCH, FIRST_WITH_CLAIM, INT16_MAX, &one.request);
}

/* ---- Reading after another leader's record ---- */

static void see_read(struct scholar *scholar, const struct fetch_partition_data *data)
{
    struct studied_end right = study_end_of(&scholar->study, scholar->epoch);
    bool diverges = right.epoch < scholar->epoch || right.offset < scholar->offset;
    if (!diverges && data->diverging_epoch.epoch != NO_EPOCH)
        scholar_violate(scholar, "reader_is_told_that_it_diverges", data->diverging_epoch.epoch, scholar->epoch);
    if (!diverges && (data->records.size > 0) != (scholar->offset < scholar->study.end))
        scholar_violate(scholar, "fetch_brings_nothing", data->records.size, scholar->offset);
    if (diverges && (data->diverging_epoch.epoch != right.epoch || data->diverging_epoch.end_offset != right.offset))
        scholar_violate(scholar, "reader_is_not_told_where_it_diverges", data->diverging_epoch.end_offset, right.offset);
    if (diverges && data->records.size > 0)
        scholar_violate(scholar, "reader_that_diverges_gets_records", data->records.size, scholar->offset);
}

static void hear_read(struct actor *actor)
{
    struct scholar *scholar = scholar_of(actor);
    const struct fetch_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "fetch"))
        return;
    if (response->responses_count != 1 || response->responses[0].partitions_count != 1) {
        scholar_violate(scholar, "fetch_answers_other", response->responses_count, 1);
        actor_wait(actor, 300000);
        return;
    }
    const struct fetch_partition_data *data = &response->responses[0].partitions[0];
    if (!scholar_answer_is_right(scholar, data->error_code, "fetch"))
        return;
    if (!actor_may_see_damage(actor)) /* a header that decayed may say that the batch ends before its last record */
        see_read(scholar, data);
    actor_wait(actor, 100000);
}

static void ask_read(struct scholar *scholar)
{
    struct actor *actor = &scholar->actor;
    struct one_fetch one;
    one_fetch_init(&one, STR("studied"));
    one.partition.fetch_offset = scholar->offset = 1 + (int64_t)actor_draw(actor, (uint64_t)scholar->study.end);
    one.partition.last_fetched_epoch = scholar->epoch = draw_epoch(scholar);
    one.partition.current_leader_epoch = scholar->claimed_epoch;
    one.partition.partition_max_bytes = 1000;
    one.request.max_bytes = 1000;
    actor->hear = hear_read;
    actor_ask(actor, API_FETCH, WITH_LAST_EPOCH, WITH_LAST_EPOCH, &one.request);
}

void scholar_ask(struct scholar *scholar)
{
    struct actor *actor = &scholar->actor;
    scholar->claimed_epoch = draw_claim(scholar);
    switch (actor_draw(actor, scholar->study.end > 0 ? 9 : 2)) {
    case 0: ask_offset(scholar, LATEST); break;
    case 1: ask_offset(scholar, EARLIEST); break;
    case 2: ask_offset(scholar, LARGEST); break;
    case 3:
    case 4: ask_epoch(scholar); break;
    case 5:
    case 6: ask_read(scholar); break;
    default: ask_time(scholar);
    }
}
