/* SPDX-License-Identifier: Apache-2.0 */
#include "base/odd.h"
#include "coordinator/group_consumer_roster.h"
#include "coordinator/regex.h"

/* Of what a new expression may take at once (regex_cost()), so that a few words of a client do not
 * buy seconds of a shard: some 3 ms. */
enum { STEPS_AT_ONCE = 200 * 1000 };

static struct subscribed_regex *find(const struct consumer_plan *plan, struct str text)
{
    return plan->group == NULL ? NULL : consumer_regex(plan->group, text);
}

static struct str *topics_of(struct arena *arena, const struct subscribed_regex *regex)
{
    struct str *topics = arena_take_array(arena, (size_t)regex->topic_count, sizeof(struct str));
    for (int32_t i = 0; i < regex->topic_count; i++)
        topics[i] = str_from(regex->topics[i]);
    return topics;
}

static bool is_same(const struct subscribed_regex *regex, const struct regex_change *change)
{
    if (!regex->is_resolved || regex->topic_count != change->topic_count)
        return false;
    for (int32_t i = 0; i < change->topic_count; i++)
        if (!str_is(change->topics[i], regex->topics[i]))
            return false;
    return true;
}

/* What it matched no longer counts, what it matches now does. */
static void change(struct consumer_plan *plan, struct regex_change new_one)
{
    struct arena *arena = plan->decider->arena;
    const struct subscribed_regex *regex = find(plan, new_one.text);
    if (regex != NULL && regex->is_resolved) {
        if (!new_one.is_gone && is_same(regex, &new_one))
            return;
        plan_source(plan, topics_of(arena, regex), regex->topic_count, -1);
    }
    plan_source(plan, new_one.topics, new_one.topic_count, 1);
    struct regex_change *list =
        arena_take_array(arena, (size_t)plan->regex_count + 1, sizeof(*list));
    if (plan->regex_count > 0)
        memcpy(list, plan->regexes, (size_t)plan->regex_count * sizeof(*list));
    list[plan->regex_count++] = new_one;
    plan->regexes = list;
    plan->regexes_moved = true;
}

static bool is_soon_done(const struct image *image, const struct regex *regex)
{
    int64_t steps = 0;
    for (const struct image_topic *topic = image_topic_after(image, (struct str){ 0 });
         topic != NULL && steps <= STEPS_AT_ONCE; topic = image_topic_after(image, topic->name))
        steps += regex_cost(regex, topic->name.size);
    return steps <= STEPS_AT_ONCE && !odd(resolve_beside);
}

/* All topics of the image, as in Kafka: internal ones, too. */
static void match_topics(
    struct consumer_plan *plan, const struct regex *regex, struct regex_change *resolved)
{
    const struct image *image = plan->decider->request->image;
    resolved->topics = arena_take_array(
        plan->decider->arena, (size_t)image_topic_count(image), sizeof(*resolved->topics));
    for (const struct image_topic *topic = image_topic_after(image, (struct str){ 0 });
         topic != NULL; topic = image_topic_after(image, topic->name))
        if (regex_matches(regex, topic->name.data, topic->name.size))
            resolved->topics[resolved->topic_count++] = topic->name;
}

static enum error refuse(struct consumer_plan *plan, const char *reason)
{
    plan->refusal = arena_format(
        plan->decider->arena, "The expression of topics is none that is understood: %s", reason);
    return ERROR_INVALID_REGULAR_EXPRESSION;
}

static enum error resolve_new(struct consumer_plan *plan, struct str text)
{
    char reason[200];
    struct regex *regex;
    struct regex_change resolved = { .text = text,
        .version = plan->decider->request->image->offset };
    if (regex_create_small(text.data, text.size, &regex, reason, sizeof(reason)) == REGEX_NONE)
        return refuse(plan, reason);
    if (regex != NULL && is_soon_done(plan->decider->request->image, regex)) {
        match_topics(plan, regex, &resolved);
        change(plan, resolved);
    }
    regex_destroy(regex);
    return ERROR_NONE;
}

static bool loses_its_last(const struct subscribed_regex *regex, int32_t leaving_count)
{
    return regex != NULL && regex->is_resolved && regex->subscribers == leaving_count;
}

static bool is_to_be_resolved(
    const struct consumer_plan *plan, const struct subscribed_regex *regex)
{
    struct str text = { regex->text, regex->text_size };
    bool leaves = plan->before != NULL && plan->regex_changed && regex->subscribers == 1 &&
                  str_equal(plan->before->regex, text);
    return regex->subscribers > 0 && !leaves &&
           regex->looked_at != plan->decider->request->image->offset;
}

/* Those that stay, when the image may hold other topics by now. */
static void look_at_all(struct consumer_plan *plan)
{
    struct consumer_group *kept = plan->group->consumer;
    if (kept->looked_at == plan->decider->request->image->offset)
        return;
    plan->has_all_resolved = true;
    for (struct subscribed_regex *regex = kept->regexes; regex != NULL; regex = regex->hh.next)
        if (is_to_be_resolved(plan, regex))
            plan->has_all_resolved = false;
    struct group *group = group_find(plan->decider->coordinator, plan->group_id);
    if (group == plan->group) /* else it is not there before the records of this decision */
        plan->decider->coordinator->to_resolve = group;
}

enum error plan_regexes(struct consumer_plan *plan)
{
    struct str old_text = plan->before == NULL ? STR("") : plan->before->regex;
    struct str new_text = plan->metadata.subscribed_topic_regex;
    enum error error = ERROR_NONE;
    plan->regex_changed = !str_equal(old_text, new_text);
    if (plan->regex_changed && old_text.size > 0 && loses_its_last(find(plan, old_text), 1))
        change(plan, (struct regex_change){ .text = old_text, .is_gone = true });
    const struct subscribed_regex *known = find(plan, new_text);
    bool waits = new_text.size > 0 && (known == NULL || !known->is_resolved);
    int32_t changes = plan->regex_count;
    if (waits && known != NULL && known->refusal != NULL)
        error = refuse(plan, known->refusal);
    else if (waits && plan->regex_changed)
        error = resolve_new(plan, new_text);
    plan->waits_for_regex = waits && plan->regex_count == changes;
    if (error == ERROR_NONE && plan->group != NULL && plan->group->consumer->regexes != NULL)
        look_at_all(plan);
    return error;
}

bool plan_resolved(struct consumer_plan *plan, const struct regex_change *resolved)
{
    change(plan, *resolved);
    if (plan->regex_count == 0)
        return false;
    add_regex_changes(plan);
    plan_epoch(plan);
    return true;
}

void plan_regexes_without(
    struct consumer_plan *plan, struct consumer_member *const *members, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        struct subscribed_regex *regex = find(plan, members[i]->regex);
        if (regex != NULL)
            regex->leaving_count++;
    }
    for (int32_t i = 0; i < count; i++) {
        struct subscribed_regex *regex = find(plan, members[i]->regex);
        if (regex == NULL)
            continue;
        if (loses_its_last(regex, regex->leaving_count))
            change(plan, (struct regex_change){ .text = members[i]->regex, .is_gone = true });
        regex->leaving_count = 0;
    }
}

void add_regex_changes(struct consumer_plan *plan)
{
    struct rsm_decision *out = plan->decider->decision;
    for (int32_t i = 0; i < plan->regex_count; i++) {
        const struct regex_change *one = &plan->regexes[i];
        struct consumer_group_regular_expression_record value = { .topics = one->topics,
            .topics_count = one->topic_count,
            .version = one->version,
            .timestamp = plan->decider->wall_ms };
        if (one->is_gone)
            add_regex_gone(out, plan->group_id, one->text);
        else
            add_regex(out, plan->group_id, one->text, &value);
    }
}

void plan_regex_topics(const struct consumer_plan *plan, struct str text,
    const struct str **out_topics, int32_t *out_count)
{
    *out_count = 0;
    for (int32_t i = 0; i < plan->regex_count; i++)
        if (!plan->regexes[i].is_gone && str_equal(plan->regexes[i].text, text)) {
            *out_topics = plan->regexes[i].topics;
            *out_count = plan->regexes[i].topic_count;
            return;
        }
    const struct subscribed_regex *regex = find(plan, text);
    if (text.size == 0 || regex == NULL)
        return;
    *out_topics = topics_of(plan->decider->arena, regex);
    *out_count = regex->topic_count;
}

static bool is_changed(const struct consumer_plan *plan, struct str text)
{
    for (int32_t i = 0; i < plan->regex_count; i++)
        if (str_equal(plan->regexes[i].text, text))
            return true;
    return false;
}

const struct roster_regex *plan_regex_list(const struct consumer_plan *plan, int32_t *out_count)
{
    struct arena *arena = plan->decider->arena;
    const struct subscribed_regex *first =
        plan->group == NULL ? NULL : plan->group->consumer->regexes;
    size_t most = (size_t)plan->regex_count + (size_t)HASH_COUNT(first);
    struct roster_regex *list = arena_take_array(arena, most, sizeof(*list));
    *out_count = 0;
    for (int32_t i = 0; i < plan->regex_count; i++)
        if (!plan->regexes[i].is_gone)
            list[(*out_count)++] = (struct roster_regex){ plan->regexes[i].text,
                plan->regexes[i].topics, plan->regexes[i].topic_count };
    for (const struct subscribed_regex *regex = first; regex != NULL; regex = regex->hh.next) {
        struct str text = { regex->text, regex->text_size };
        if (regex->is_resolved && !is_changed(plan, text))
            list[(*out_count)++] =
                (struct roster_regex){ text, topics_of(arena, regex), regex->topic_count };
    }
    return list;
}
