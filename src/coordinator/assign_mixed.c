/* SPDX-License-Identifier: Apache-2.0 */
/* The uniform assignor where members subscribe to different topics. It counts first and names
 * partitions last: a link is one subscription, a member and a topic, and what is decided is how
 * many partitions of the topic go over it. What nobody owns goes to the least loaded subscribers,
 * then each topic is evened out among its subscribers, then load is passed on over paths of several
 * members as long as that makes anything more even. In the end each link keeps what it may of the
 * partitions that its member has, so that whatever the counts went through moves nothing. */
#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"
#include "coordinator/assign_parts.h"

enum { SEEN_FOR_GOOD = INT32_MAX };

struct mixed {
    struct assign_work *work;
    int32_t *member_links; /* of each member, and the end: its first link; topics in its order */
    int32_t *link_members;
    int32_t *topic_first; /* of each topic, and the end: where its links begin in topic_links */
    int32_t *topic_links; /* members ascending */
    int32_t *unowned;     /* of each topic: partitions that nobody has */
    int32_t *kept, *held; /* of each link: partitions its member has, and how many it is to have */
    int32_t *floors;      /* scratch of even_out() */

    /* The search for a path. Seen is what bears its number or a greater one. */
    int64_t steps_left;
    int32_t search;
    int32_t *seen_members, *seen_topics;
    int32_t *queue;     /* members reached, the nearest first */
    int32_t *from, *to; /* of each: the giver's link over which it was reached, and its own */
};

static int32_t link_topic(const struct mixed *mixed, int32_t link)
{
    int32_t member = mixed->link_members[link];
    return mixed->work->input->members[member].topics[link - mixed->member_links[member]];
}

static int32_t find_link(const struct mixed *mixed, int32_t member, int32_t topic)
{
    return mixed->member_links[member] +
           assign_subscription(&mixed->work->input->members[member], topic);
}

static int32_t *take_numbers(const struct assign_work *work, size_t count)
{
    return arena_take_array(work->arena, count, sizeof(int32_t));
}

static void take_scratch(struct mixed *mixed, struct assign_work *work)
{
    size_t members = (size_t)work->input->member_count, topics = (size_t)work->input->topic_count;
    size_t links = 0;
    for (size_t m = 0; m < members; m++)
        links += (size_t)work->input->members[m].topic_count;
    assert(links < INT32_MAX);
    int64_t steps_most = work->input->steps_most;
    *mixed = (struct mixed){ .work = work, .steps_left = steps_most > 0 ? steps_most : INT64_MAX };
    mixed->member_links = take_numbers(work, members + 1);
    mixed->link_members = take_numbers(work, links);
    mixed->topic_first = take_numbers(work, topics + 1);
    mixed->topic_links = take_numbers(work, links);
    mixed->unowned = take_numbers(work, topics);
    mixed->kept = take_numbers(work, links);
    mixed->held = take_numbers(work, links);
    mixed->floors = take_numbers(work, members);
    mixed->seen_members = take_numbers(work, members);
    mixed->seen_topics = take_numbers(work, topics);
    mixed->queue = take_numbers(work, members);
    mixed->from = take_numbers(work, members);
    mixed->to = take_numbers(work, members);
}

static void make_links(struct mixed *mixed)
{
    const struct assign_work *work = mixed->work;
    const struct assign_input *input = work->input;
    int32_t *end = take_numbers(work, (size_t)input->topic_count);
    for (int32_t t = 0; t < input->topic_count; t++) {
        end[t] = mixed->topic_first[t];
        mixed->topic_first[t + 1] = mixed->topic_first[t] + work->subscribers[t];
    }
    int32_t link = 0;
    for (int32_t m = 0; m < input->member_count; m++) {
        mixed->member_links[m] = link;
        for (int32_t i = 0; i < input->members[m].topic_count; i++) {
            mixed->link_members[link] = m;
            mixed->topic_links[end[input->members[m].topics[i]]++] = link++;
        }
    }
    mixed->member_links[input->member_count] = link;
}

static void count_kept(struct mixed *mixed)
{
    const struct assign_work *work = mixed->work;
    for (int32_t t = 0; t < work->input->topic_count; t++)
        for (int32_t p = work->first[t]; p < work->first[t + 1]; p++) {
            int32_t owner = work->owners[p];
            if (owner == ASSIGN_NOBODY) {
                mixed->unowned[t]++;
                continue;
            }
            int32_t link = find_link(mixed, owner, t);
            mixed->kept[link]++;
            mixed->held[link]++;
        }
}

/* The greatest level up to which `amount` fills all vessels whose floors these are. */
static int32_t find_level(const int32_t *floors, int32_t count, int32_t amount)
{
    int32_t low = floors[0];
    for (int32_t i = 1; i < count; i++)
        low = floors[i] < low ? floors[i] : low;
    int32_t high = low + amount;
    while (low < high) {
        int32_t middle = low + (high - low + 1) / 2;
        int64_t needed = 0;
        for (int32_t i = 0; i < count; i++)
            needed += floors[i] < middle ? middle - floors[i] : 0;
        if (needed <= amount)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Gives `amount` partitions of the topic to its least loaded subscribers, up to one level for all.
 * With `anew` they are all that the topic has, and its subscribers hold none of them before. What
 * the level leaves over goes to some of those that stand at it, one each: first to those that had
 * as much. */
static void even_out(struct mixed *mixed, int32_t topic, int32_t amount, bool anew)
{
    const int32_t *links = &mixed->topic_links[mixed->topic_first[topic]];
    int32_t count = mixed->work->subscribers[topic];
    int32_t *loads = mixed->work->loads, *floors = mixed->floors;
    if (amount == 0)
        return;
    for (int32_t i = 0; i < count; i++)
        floors[i] = loads[mixed->link_members[links[i]]] - (anew ? mixed->held[links[i]] : 0);
    int32_t level = find_level(floors, count, amount);
    int32_t over = amount, had_more = 0;
    for (int32_t i = 0; i < count; i++) {
        over -= floors[i] < level ? level - floors[i] : 0;
        had_more += anew && floors[i] <= level && loads[mixed->link_members[links[i]]] > level;
    }
    int32_t over_for_them = over < had_more ? over : had_more;
    int32_t over_for_others = over - over_for_them;
    for (int32_t i = 0; i < count; i++) {
        int32_t *load = &loads[mixed->link_members[links[i]]];
        int32_t *rest = anew && *load > level ? &over_for_them : &over_for_others;
        int32_t before = anew ? mixed->held[links[i]] : 0;
        int32_t given = floors[i] < level ? level - floors[i] : 0;
        if (floors[i] <= level && *rest > 0) {
            (*rest)--;
            given++;
        }
        mixed->held[links[i]] += given - before;
        *load += given - before;
    }
    assert(over_for_them == 0 && over_for_others == 0);
}

/* Many partitions for few subscribers first: those leave the least choice. */
static int compare_topics(const void *a, const void *b, void *context)
{
    const struct assign_work *work = context;
    int32_t first = *(const int32_t *)a, second = *(const int32_t *)b;
    int64_t first_subscribers = work->subscribers[first];
    int64_t second_subscribers = work->subscribers[second];
    int64_t first_share = work->input->partition_counts[first] * second_subscribers;
    int64_t second_share = work->input->partition_counts[second] * first_subscribers;
    if (first_share != second_share)
        return first_share > second_share ? -1 : 1;
    if (first_subscribers != second_subscribers)
        return first_subscribers < second_subscribers ? -1 : 1;
    return (first > second) - (first < second);
}

static void even_out_topics(struct mixed *mixed)
{
    struct assign_work *work = mixed->work;
    int32_t topic_count = work->input->topic_count, count = 0;
    int32_t *order = take_numbers(work, (size_t)topic_count);
    for (int32_t t = 0; t < topic_count; t++)
        if (work->first[t] < work->first[t + 1])
            order[count++] = t;
    qsort_r(order, (size_t)count, sizeof(*order), compare_topics, work);
    for (int32_t i = 0; i < count; i++)
        even_out(mixed, order[i], mixed->unowned[order[i]], false);
    for (int32_t i = 0; i < count; i++)
        even_out(mixed, order[i], work->input->partition_counts[order[i]], true);
}

/* Takes note of all subscribers of the topic that were not reached before, over a link whose member
 * has some of it to give. The least loaded of them; -1: there is none. */
static int32_t reach(struct mixed *mixed, int32_t link, int32_t topic, int32_t *queued)
{
    const int32_t *loads = mixed->work->loads;
    int32_t least = -1;
    mixed->steps_left -= mixed->topic_first[topic + 1] - mixed->topic_first[topic];
    for (int32_t i = mixed->topic_first[topic]; i < mixed->topic_first[topic + 1]; i++) {
        int32_t member = mixed->link_members[mixed->topic_links[i]];
        if (mixed->seen_members[member] >= mixed->search)
            continue;
        mixed->seen_members[member] = mixed->search;
        mixed->from[member] = link;
        mixed->to[member] = mixed->topic_links[i];
        mixed->queue[(*queued)++] = member;
        if (least < 0 || loads[member] < loads[least])
            least = member;
    }
    return least;
}

/* Somebody who has two less than the giver at least, and can be reached from him over members that
 * pass on as much as they get; -1: there is none. Then all that were reached are even, none of them
 * can give to anybody else, and nobody else has more: no search needs to see them again. */
static int32_t find_taker(struct mixed *mixed, int32_t giver)
{
    int32_t queued = 0;
    mixed->search++;
    mixed->seen_members[giver] = mixed->search;
    mixed->queue[queued++] = giver;
    for (int32_t at = 0; at < queued; at++) {
        int32_t member = mixed->queue[at];
        mixed->steps_left -= mixed->member_links[member + 1] - mixed->member_links[member];
        for (int32_t l = mixed->member_links[member]; l < mixed->member_links[member + 1]; l++) {
            int32_t topic = link_topic(mixed, l);
            if (mixed->held[l] == 0 || mixed->seen_topics[topic] >= mixed->search)
                continue;
            mixed->seen_topics[topic] = mixed->search;
            int32_t least = reach(mixed, l, topic, &queued);
            if (least >= 0 && mixed->work->loads[least] + 2 <= mixed->work->loads[giver])
                return least;
        }
    }
    for (int32_t at = 0; at < queued; at++)
        mixed->seen_members[mixed->queue[at]] = SEEN_FOR_GOOD;
    return -1;
}

static void pass_on(struct mixed *mixed, int32_t giver, int32_t taker)
{
    int32_t *loads = mixed->work->loads;
    int32_t amount = (loads[giver] - loads[taker]) / 2;
    for (int32_t m = taker; m != giver; m = mixed->link_members[mixed->from[m]])
        if (mixed->held[mixed->from[m]] < amount)
            amount = mixed->held[mixed->from[m]];
    for (int32_t m = taker; m != giver; m = mixed->link_members[mixed->from[m]]) {
        mixed->held[mixed->from[m]] -= amount;
        mixed->held[mixed->to[m]] += amount;
    }
    loads[giver] -= amount;
    loads[taker] += amount;
}

static int32_t greater(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* From the greatest load down, since nobody's load rises to that of a giver. When it takes too long
 * what is left stays as it is. */
static void even_out_along_paths(struct mixed *mixed)
{
    const int32_t *loads = mixed->work->loads;
    int32_t member_count = mixed->work->input->member_count, level = 0, next;
    for (int32_t m = 0; m < member_count; m++)
        level = greater(level, loads[m]);
    for (; level >= 2 && mixed->steps_left > 0; level = next) {
        next = 0;
        mixed->steps_left -= member_count;
        for (int32_t m = 0; m < member_count; m++) {
            if (mixed->seen_members[m] == SEEN_FOR_GOOD)
                continue;
            int32_t taker = loads[m] == level ? find_taker(mixed, m) : -1;
            if (taker >= 0) {
                pass_on(mixed, m, taker);
                next = greater(next, loads[taker]);
            }
            if (mixed->seen_members[m] != SEEN_FOR_GOOD)
                next = greater(next, loads[m]);
        }
    }
}

/* A member that gives partitions up gives its last ones; the free ones go to the first that lacks
 * some. */
static void name_owners(struct mixed *mixed)
{
    struct assign_work *work = mixed->work;
    for (int32_t t = 0; t < work->input->topic_count; t++) {
        for (int32_t p = work->first[t + 1] - 1; p >= work->first[t]; p--) {
            if (work->owners[p] == ASSIGN_NOBODY)
                continue;
            int32_t link = find_link(mixed, work->owners[p], t);
            if (mixed->kept[link] > mixed->held[link]) {
                mixed->kept[link]--;
                work->owners[p] = ASSIGN_NOBODY;
            }
        }
        const int32_t *link = &mixed->topic_links[mixed->topic_first[t]];
        for (int32_t p = work->first[t]; p < work->first[t + 1]; p++) {
            if (work->owners[p] != ASSIGN_NOBODY)
                continue;
            while (mixed->kept[*link] == mixed->held[*link])
                link++;
            mixed->kept[*link]++;
            work->owners[p] = mixed->link_members[*link];
        }
    }
}

void assign_mixed(struct assign_work *work)
{
    struct mixed mixed;
    take_scratch(&mixed, work);
    make_links(&mixed);
    count_kept(&mixed);
    even_out_topics(&mixed);
    even_out_along_paths(&mixed);
    name_owners(&mixed);
}
