/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/decide.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/remove_topic_record.h"

static void answer(
    struct delete_topics_deletable_topic_result *result, enum error error, const char *message)
{
    result->error_code = (int16_t)error;
    result->error_message = str_from(message);
}

static void delete_topic(
    struct decider *decider, struct delete_topics_deletable_topic_result *result)
{
    bool by_id = !uuid_is_zero(result->topic_id);
    if (by_id && !str_is_null(result->name)) {
        answer(result, ERROR_INVALID_REQUEST, "You may not specify both topic name and topic id.");
        return;
    }
    if (!by_id && str_is_null(result->name)) {
        answer(result, ERROR_INVALID_REQUEST, "Neither topic name nor id were specified.");
        return;
    }
    const struct image_topic *topic = by_id ? image_topic_by_id(decider->image, result->topic_id)
                                            : image_topic_by_name(decider->image, result->name);
    if (topic == NULL) {
        if (by_id)
            answer(result, ERROR_UNKNOWN_TOPIC_ID, "This server does not host this topic ID.");
        else
            answer(result, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                "This server does not host this topic-partition.");
        return;
    }
    result->topic_id = topic->id;
    result->name = str_copy(decider->arena, topic->name);
    struct remove_topic_record record = { .topic_id = topic->id };
    decide_record(decider, &remove_topic_record_schema, 0, &record);
}

/* What a topic of the request is known by: its name, however it was asked for, or an id nobody has.
 */
static struct str known_by(
    const struct decider *decider, const struct delete_topics_deletable_topic_result *result)
{
    const struct image_topic *topic = image_topic_by_id(decider->image, result->topic_id);
    if (topic != NULL)
        return topic->name;
    if (!uuid_is_zero(result->topic_id))
        return (struct str){ (const char *)result->topic_id.bytes, sizeof(result->topic_id.bytes) };
    return result->name;
}

/* named_both_ways: by its name, and by its id. */
static void refuse_twice(struct decider *decider,
    struct delete_topics_deletable_topic_result *result, struct str name, bool named_both_ways)
{
    const struct image_topic *topic = image_topic_by_name(decider->image, name);
    if (!named_both_ways || topic == NULL) { /* an unknown id may have the bytes of a name */
        answer(result, ERROR_INVALID_REQUEST,
            uuid_is_zero(result->topic_id) ? "Duplicate topic name." : "Duplicate topic id.");
        return;
    }
    result->topic_id = topic->id;
    result->name = str_copy(decider->arena, topic->name);
    answer(result, ERROR_INVALID_REQUEST,
        "The provided topic name maps to an ID that was already supplied.");
}

/* Whether some of those that have the same first element are asked for otherwise than it. */
static const bool *find_mixed(struct arena *arena,
    const struct delete_topics_deletable_topic_result *results, const int32_t *first, int32_t count)
{
    bool *mixed = arena_take_array(arena, (size_t)count, sizeof(*mixed));
    for (int32_t i = 0; i < count; i++) {
        if (first[i] >= 0 &&
            uuid_is_zero(results[i].topic_id) != uuid_is_zero(results[first[i]].topic_id))
            mixed[first[i]] = true;
    }
    return mixed;
}

/* The same is told of everything that was asked for, whether it exists or not. */
static void refuse_all(struct delete_topics_response *response, enum error error)
{
    for (int32_t i = 0; i < response->responses_count; i++)
        response->responses[i].error_code = (int16_t)error;
}

void decide_delete_topics(struct decider *decider, const struct delete_topics_request *request,
    struct delete_topics_response *response)
{
    int32_t by_state = request->topics_count > 0 ? request->topics_count : 0;
    int32_t by_name = request->topic_names_count > 0 ? request->topic_names_count : 0;
    response->responses_count = by_state + by_name;
    response->responses =
        MESSAGE_TAKE(delete_topics_deletable_topic_result, decider->arena, by_state + by_name);
    for (int32_t i = 0; i < by_state; i++) {
        response->responses[i].name = request->topics[i].name;
        response->responses[i].topic_id = request->topics[i].topic_id;
    }
    for (int32_t i = 0; i < by_name; i++)
        response->responses[by_state + i].name = request->topic_names[i];

    if (!decider->settings->delete_topic_enable) {
        refuse_all(response, request->knows_deletion_disabled ? ERROR_TOPIC_DELETION_DISABLED
                                                              : ERROR_INVALID_REQUEST);
        return;
    }
    if (request->timeout_ms <= 0) { /* as for CreateTopics */
        refuse_all(response, ERROR_REQUEST_TIMED_OUT);
        return;
    }
    /* The same topic twice, by whatever means, is one mistake of the request: it is not deleted,
     * and answered once. */
    int32_t kept = 0;
    int32_t count = response->responses_count;
    struct str *names = arena_take_array(decider->arena, (size_t)count, sizeof(*names));
    for (int32_t i = 0; i < count; i++)
        names[i] = known_by(decider, &response->responses[i]);
    const int32_t *first = decide_first_of_name(decider->arena, names, count);
    const bool *mixed = find_mixed(decider->arena, response->responses, first, count);
    for (int32_t i = 0; i < count; i++) {
        if (first[i] >= 0 && first[i] != i && !str_is_null(names[i]))
            continue;
        struct delete_topics_deletable_topic_result *result = &response->responses[kept++];
        *result = response->responses[i];
        if (first[i] >= 0 && !str_is_null(names[i]))
            refuse_twice(decider, result, names[i], mixed[i]);
        else
            delete_topic(decider, result);
    }
    response->responses_count = kept;
}
