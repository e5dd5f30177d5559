/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_consumer_roster.h"
#include "coordinator/regex.h"

/* Expressions are matched against all topics: in a cluster with many that takes a while, and an
 * image changes often. */
enum { RESOLVE_AGAIN_MS = 1000 };
/* All is done in the decision, so a few words of a client must not buy seconds of a shard. Of one
 * expression; and when a decision has taken as many, what is to be looked at again waits for a
 * later one. */
enum { STEPS_MOST = 100 * 1000 * 1000 };

static struct subscribed_regex *find(const struct consumer_plan *plan, struct str text)
{
    struct subscribed_regex *regex = NULL;
    if (plan->group != NULL)
        HASH_FIND(hh, plan->group->consumer->regexes, text.data, (size_t)text.size, regex);
    return regex;
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

/* All topics of the image, as in Kafka: internal ones, too. False: it would take too long. */
static bool match_topics(
    struct consumer_plan *plan, const struct regex *regex, struct regex_change *resolved)
{
    const struct image *image = plan->decider->request->image;
    struct arena *arena = plan->decider->arena;
    int64_t cost = regex_cost(regex), steps_before = plan->regex_steps;
    int32_t capacity = 0;
    for (const struct image_topic *topic = image_topic_after(image, (struct str){ 0 });
         topic != NULL; topic = image_topic_after(image, topic->name)) {
        plan->regex_steps += cost * topic->name.size;
        if (plan->regex_steps - steps_before > STEPS_MOST)
            return false;
        if (!regex_matches(regex, topic->name.data, topic->name.size))
            continue;
        if (resolved->topic_count == capacity) {
            capacity = 2 * capacity + 8;
            struct str *larger = arena_take_array(arena, (size_t)capacity, sizeof(*larger));
            if (resolved->topic_count > 0)
                memcpy(larger, resolved->topics, (size_t)resolved->topic_count * sizeof(*larger));
            resolved->topics = larger;
        }
        resolved->topics[resolved->topic_count++] = topic->name;
    }
    return true;
}

static enum error resolve(struct consumer_plan *plan, struct str text)
{
    char reason[200];
    struct regex_change resolved = { .text = text };
    struct regex *regex = regex_create(text.data, text.size, reason, sizeof(reason));
    if (regex == NULL) {
        plan->refusal = arena_format(plan->decider->arena,
            "The expression of topics is none that is understood: %s", reason);
        return ERROR_INVALID_REGULAR_EXPRESSION;
    }
    bool is_done = match_topics(plan, regex, &resolved);
    regex_destroy(regex);
    if (!is_done) {
        plan->refusal =
            "The expression is too complex to be matched with as many topics as there are";
        return ERROR_INVALID_REGULAR_EXPRESSION;
    }
    change(plan, resolved);
    return ERROR_NONE;
}

static bool loses_its_last(const struct subscribed_regex *regex, int32_t leaving_count)
{
    return regex != NULL && regex->is_resolved && regex->subscribers == leaving_count;
}

/* False: it has been, by this image. One whose matches change is looked at once more when its
 * record is in the log. */
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
static void resolve_again(struct consumer_plan *plan)
{
    struct consumer_group *kept = plan->group->consumer;
    int64_t now = plan->decider->steady_ms, offset = plan->decider->request->image->offset;
    if (kept->looked_at == offset || now - kept->resolved_ms < RESOLVE_AGAIN_MS)
        return;
    kept->resolved_ms = now;
    for (struct subscribed_regex *regex = kept->regexes; regex != NULL; regex = regex->hh.next) {
        if (!is_to_be_resolved(plan, regex))
            continue;
        if (plan->regex_steps >= STEPS_MOST)
            return;
        int32_t changes = plan->regex_count;
        /* if it is refused now, what it matched stays */
        resolve(plan, (struct str){ regex->text, regex->text_size });
        if (plan->regex_count == changes)
            regex->looked_at = offset;
    }
    plan->has_resolved_again = true;
}

enum error plan_regexes(struct consumer_plan *plan)
{
    struct str old_text = plan->before == NULL ? STR("") : plan->before->regex;
    struct str new_text = plan->metadata.subscribed_topic_regex;
    plan->regex_changed = !str_equal(old_text, new_text);
    if (plan->regex_changed && old_text.size > 0 && loses_its_last(find(plan, old_text), 1))
        change(plan, (struct regex_change){ .text = old_text, .is_gone = true });
    if (plan->regex_changed && new_text.size > 0) {
        const struct subscribed_regex *known = find(plan, new_text);
        enum error error =
            known != NULL && known->is_resolved ? ERROR_NONE : resolve(plan, new_text);
        if (error != ERROR_NONE)
            return error;
    }
    if (plan->group != NULL && plan->group->consumer->regexes != NULL)
        resolve_again(plan);
    return ERROR_NONE;
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
            .version = plan->decider->request->image->offset,
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
