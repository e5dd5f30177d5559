/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/resolution.h"

#include <stdio.h>

#include "base/memory.h"
#include "coordinator/group_consumer.h"
#include "coordinator/group_consumer_plan.h"
#include "coordinator/regex.h"

enum {
    STEPS_AT_ONCE = 1000 * 1000,     /* of regex_cost(), until a worker may do something else */
    STEPS_MOST = 1000 * 1000 * 1000, /* so that others have their turn; more are refused */
    AGAIN_MS = 1000 /* an image changes often, and to match all topics takes a while */
};

struct resolution {
    struct arena arena;
    struct image *image;
    struct str group_id, text;
    struct regex *regex; /* NULL: not read yet, or done */
    struct str last;     /* topic that was looked at; null: none */
    int64_t steps;       /* so far, at worst */
    char refusal[200];   /* empty: it matches the topics */
    struct str *topics;  /* so far, of the image */
    int32_t topic_count, topic_capacity;
};

/* The one that waits longest, so that each has its turn. */
static struct subscribed_regex *find_next(
    const struct consumer_group *kept, int64_t offset, int64_t steady_ms)
{
    struct subscribed_regex *next = NULL;
    for (struct subscribed_regex *regex = kept->regexes; regex != NULL; regex = regex->hh.next)
        if (regex->subscribers > 0 && regex->looked_at != offset &&
            regex->next_look_ms <= steady_ms &&
            (next == NULL || regex->next_look_ms < next->next_look_ms))
            next = regex;
    return next;
}

struct resolution *coordinator_take_resolution(
    struct coordinator *coordinator, const struct image *image, int64_t steady_ms)
{
    struct group *group = coordinator->to_resolve;
    coordinator->to_resolve = NULL;
    if (!consumer_group_is(group))
        return NULL;
    struct subscribed_regex *regex = find_next(group->consumer, image->offset, steady_ms);
    if (regex == NULL)
        return NULL;
    regex->next_look_ms = steady_ms + AGAIN_MS;
    struct resolution *resolution = memory_take(sizeof(*resolution));
    arena_init(&resolution->arena);
    resolution->image = image_ref(image);
    resolution->group_id = str_copy(&resolution->arena, group_id(group));
    resolution->text = str_copy(&resolution->arena, (struct str){ regex->text, regex->text_size });
    return resolution;
}

void resolution_destroy(struct resolution *resolution)
{
    if (resolution == NULL)
        return;
    regex_destroy(resolution->regex);
    image_unref(resolution->image);
    arena_deinit(&resolution->arena);
    memory_give(resolution);
}

static bool read_expression(struct resolution *resolution)
{
    resolution->regex = regex_create(resolution->text.data, resolution->text.size,
        resolution->refusal, sizeof(resolution->refusal));
    return resolution->regex == NULL;
}

static void add_match(struct resolution *resolution, struct str name)
{
    if (resolution->topic_count == resolution->topic_capacity) {
        resolution->topic_capacity = 2 * resolution->topic_capacity + 8;
        struct str *larger = arena_take_array(
            &resolution->arena, (size_t)resolution->topic_capacity, sizeof(*larger));
        if (resolution->topic_count > 0)
            memcpy(larger, resolution->topics, (size_t)resolution->topic_count * sizeof(*larger));
        resolution->topics = larger;
    }
    resolution->topics[resolution->topic_count++] = name;
}

/* True: there is no other topic, or it would take too long. */
static bool match_some(struct resolution *resolution)
{
    const struct regex *regex = resolution->regex;
    int64_t until = resolution->steps + STEPS_AT_ONCE;
    while (resolution->steps < until) {
        const struct image_topic *topic = image_topic_after(resolution->image, resolution->last);
        if (topic == NULL)
            return true;
        if (resolution->steps > STEPS_MOST) {
            snprintf(resolution->refusal, sizeof(resolution->refusal),
                "it is too complex to be matched with as many topics as there are");
            return true;
        }
        resolution->last = topic->name;
        resolution->steps += regex_cost(regex, topic->name.size);
        if (regex_matches(regex, topic->name.data, topic->name.size))
            add_match(resolution, topic->name);
    }
    return false;
}

bool resolution_step(struct resolution *resolution)
{
    if (resolution->regex == NULL)
        return read_expression(resolution);
    return match_some(resolution);
}

/* A newer image may have been matched since, and whoever had the expression may have left. What is
 * refused is told to the members that wait for it; what it matched before stays. */
void decide_resolved(struct group_decider *decider)
{
    const struct resolution *resolution = decider->request->request;
    int64_t offset = resolution->image->offset;
    struct group *group = group_find(decider->coordinator, resolution->group_id);
    struct subscribed_regex *regex =
        consumer_group_is(group) ? consumer_regex(group, resolution->text) : NULL;
    if (regex == NULL || regex->subscribers == 0 || regex->looked_at > offset)
        return;
    bool is_refused = resolution->refusal[0] != 0;
    consumer_regex_refused(regex, is_refused ? resolution->refusal : NULL);
    struct consumer_plan plan = { .decider = decider,
        .group = group,
        .group_id = group_id(group),
        .epoch = group->consumer->epoch };
    const struct regex_change resolved = { .text = resolution->text,
        .topics = resolution->topics,
        .topic_count = resolution->topic_count,
        .version = offset };
    if (is_refused || !plan_resolved(&plan, &resolved))
        regex->looked_at = offset;
}
