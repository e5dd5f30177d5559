/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of one group: members that join, leave, hang, lose answers and come back, topics
 * that grow, go and come, a log that refuses, and coordinators that are loaded anew. In every other
 * one the targets are computed by a worker, which is done with each at some later step. What must
 * hold after every step is checked after every step, and in the end everybody settles. */
#include "coordinator/group_consumer.h"

#include <stdio.h>

#include "consumer_client.h"
#include "wire/gen/remove_topic_record.h"

enum { CLIENTS = 5, STEPS = 300, SEEDS = 200 };

static struct office office;
static struct prng prng;
static struct client clients[CLIENTS];
static int32_t last_epoch;
static bool is_writing; /* the assignment, of which some is written */

static int below(int bound)
{
    return (int)prng_below(&prng, (uint64_t)bound);
}

static const struct group *group(void)
{
    const struct group *found = office_group(&office, "g");
    return consumer_group_is(found) ? found : NULL;
}

/* What is counted is what there is to count, and no partition is two members'. */
static void check_counts(const struct consumer_group *kept)
{
    int32_t settled = 0, away = 0, names = 0, sources = 0;
    int64_t total = 0, held_total = 0;
    for (const struct consumer_member *at = kept->members; at != NULL; at = at->hh.next) {
        settled +=
            at->has_current && consumer_member_is_settled(&at->current, kept->assignment_epoch);
        away += at->current.epoch == LEFT_STATICALLY;
        names += at->topic_count;
        const struct partition_set *sets[] = { &at->current.assigned, &at->current.revoking };
        for (int i = 0; i < 2; i++)
            for (int32_t k = 0; k < sets[i]->topic_count; k++)
                total += sets[i]->topics[k].count;
    }
    for (const struct subscribed_regex *at = kept->regexes; at != NULL; at = at->hh.next) {
        assert_true(at->is_resolved && at->subscribers > 0);
        names += at->topic_count;
    }
    for (const struct subscribed_topic *at = kept->topics; at != NULL; at = at->hh.next)
        sources += at->sources;
    assert_int_equal(HASH_COUNT(kept->members), office.coordinator.consumer_members);
    for (const struct held_topic *at = kept->held; at != NULL; at = at->hh.next) {
        held_total += at->total;
        for (int32_t i = 0; i < at->count; i++)
            assert_true(at->holders[i] <= 1);
    }
    assert_int_equal(settled, kept->settled_count);
    assert_int_equal(away, kept->away_count);
    assert_int_equal(names, sources);
    assert_int_equal(total, held_total);
}

static bool is_within(const struct partition_set *set, const struct partition_set *other)
{
    for (int32_t i = 0; i < set->topic_count; i++)
        for (int32_t k = 0; k < set->topics[i].count; k++)
            if (!partition_set_has(other, set->topics[i].id, set->topics[i].partitions[k]))
                return false;
    return true;
}

static void check_member(const struct consumer_group *kept, const struct consumer_member *member)
{
    const struct consumer_current *current = &member->current;
    assert_true(current->epoch <= kept->assignment_epoch);
    assert_true(
        (current->state == MEMBER_UNREVOKED) == !partition_set_is_empty(&current->revoking) ||
        current->epoch == LEFT_STATICALLY);
    /* Some of the next target may be written already. */
    if (current->epoch == kept->assignment_epoch && current->state != MEMBER_UNREVOKED &&
        kept->epoch == kept->assignment_epoch)
        assert_true(is_within(&current->assigned, &member->target));
    /* A target that lags may have topics that the member has given up since. */
    if (consumer_member_is_settled(current, kept->assignment_epoch) &&
        kept->epoch == kept->assignment_epoch)
        assert_true(partition_set_equal(&current->assigned, &member->target, false));
    assert_true(heap_has(&member->session.entry));
}

/* What a client has that is still a member, is its own for the coordinator, too. */
static void check_client(const struct group *group, const struct client *client)
{
    const struct consumer_member *member = consumer_member_find(group, str_from(client->id));
    if (member == NULL || member->current.epoch == LEFT_STATICALLY)
        return;
    for (int i = 0; i < CLIENT_TOPICS; i++)
        for (int k = 0; k < CLIENT_PARTITIONS; k++)
            assert_true(!client->has[i][k] ||
                        partition_set_has(&member->current.assigned, topic_id(i), k) ||
                        partition_set_has(&member->current.revoking, topic_id(i), k));
}

static void check(void)
{
    if (group() == NULL)
        return;
    const struct consumer_group *kept = group()->consumer;
    assert_true(kept->epoch >= last_epoch && kept->epoch >= kept->assignment_epoch);
    last_epoch = kept->epoch;
    check_counts(kept);
    for (const struct consumer_member *at = kept->members; at != NULL; at = at->hh.next)
        check_member(kept, at);
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].is_member)
            check_client(group(), &clients[i]);
    if (strcmp(state_of(&office, "g"), "Stable") == 0)
        for (const struct consumer_member *at = kept->members; at != NULL; at = at->hh.next)
            assert_true(at->current.epoch == kept->epoch && at->current.state == MEMBER_STABLE);
}

static struct client new_client(int place)
{
    static const char *const subscriptions[] = { "a", "ab", "abc", "bc", "" };
    static const char *const choices[] = { NULL, "uniform", "range" };
    static const char *const regexes[] = { "", "a.*", "b.*", "" };
    static const char *const instances[CLIENTS] = { "i", "k", NULL, NULL, NULL };
    return (struct client){ .group = "g",
        .id = arena_format(&office.arena, "m%d-%d", place, below(1000000)),
        .instance = instances[place],
        .subscription = subscriptions[below(5)],
        .regex = regexes[below(4)],
        .assignor = choices[below(3)] };
}

static void join(int place)
{
    clients[place] = new_client(place);
    client_try(&office, &clients[place], full_request(&office, &clients[place]));
}

static void beat(int place, bool is_full)
{
    struct client *client = &clients[place];
    struct consumer_group_heartbeat_request *request =
        is_full ? full_request(&office, client) : short_request(&office, client);
    if (!client->is_told)
        set_owned(&office, client, request);
    client_try(&office, &clients[place], request);
}

/* The request is heard, its answer is not; the client says all once more. */
static void beat_unheard(int place)
{
    struct consumer_group_heartbeat_response lost;
    ask_heartbeat(&office, 1, full_request(&office, &clients[place]), &lost);
    clients[place].is_told = false;
}

static void leave(int place)
{
    bool is_static = clients[place].instance != NULL && below(3) > 0;
    client_leave(&office, &clients[place], is_static ? LEFT_STATICALLY : LEFT);
    client_forget(&clients[place]);
}

static void change_topics(void)
{
    int topic = below(3);
    const struct image_topic *there =
        image_topic_by_id(cluster_image(&office.cluster), topic_id(topic));
    struct remove_topic_record record = { .topic_id = topic_id(topic) };
    if (there != NULL && below(4) == 0)
        cluster_apply(&office.cluster, &remove_topic_record_schema, 0, &record);
    else if (there == NULL || there->partition_count < CLIENT_PARTITIONS)
        office_add_topic(&office, topic_names[topic], 1);
}

static void be_refused(int place)
{
    struct consumer_group_heartbeat_response lost;
    office.refuses = true;
    message_defaults(&consumer_group_heartbeat_response_schema, &lost);
    office_submit(&office, COORDINATOR_CONSUMER_GROUP_HEARTBEAT, 1,
        full_request(&office, &clients[place]), &lost);
    office_pass_time(&office, below(2000));
    office.refuses = false;
}

static void change_mind(struct client *client)
{
    struct client other = new_client(0);
    client->subscription = other.subscription;
    client->regex = other.regex;
}

static bool reads(const struct client *client, int topic)
{
    return strchr(client->subscription, topic_names[topic][0]) != NULL ||
           client->regex[0] == topic_names[topic][0];
}

/* What a worker is done with is written in pieces, between which other things happen. */
static void assign_some(void)
{
    if (!is_writing)
        assignment_run(office.assignment);
    office.refuses = below(20) == 0;
    is_writing = office_assign_some(&office);
    office.refuses = false;
    if (is_writing)
        return;
    assignment_destroy(office.assignment);
    office.assignment = NULL;
}

static void step(void)
{
    int place = below(CLIENTS), what = below(100);
    if (office.assignment != NULL && below(is_writing ? 3 : 6) == 0)
        assign_some();
    else if (what < 4)
        change_topics();
    else if (what < 6)
        office_load_again(&office);
    else if (what < 12)
        office_pass_time(&office, below(20000));
    else if (!clients[place].is_member)
        join(place);
    else if (what < 14)
        leave(place);
    else if (what < 15)
        client_forget(&clients[place]); /* it hangs, or dies */
    else if (what < 20)
        beat_unheard(place);
    else if (what < 23)
        be_refused(place);
    else if (what < 26)
        change_mind(&clients[place]);
    else
        beat(place, what < 40);
}

/* All that hang are fenced in time; the others come to own everything. */
static void check_end(void)
{
    for (int i = 0; i < CLIENTS; i++)
        if (!clients[i].is_member)
            join(i);
    office.assigns_late = false;
    for (int round = 0; round < 60; round++) {
        office_pass_time(&office, 1500);
        for (int i = 0; i < CLIENTS; i++) {
            if (clients[i].is_member)
                beat(i, round == 0);
            else
                join(i);
            check();
        }
    }
    assert_string_equal(state_of(&office, "g"), "Stable");
    for (int topic = 0; topic < 3; topic++) {
        const struct image_topic *there =
            image_topic_by_id(cluster_image(&office.cluster), topic_id(topic));
        for (int32_t k = 0; there != NULL && k < there->partition_count; k++) {
            int owners = 0, readers = 0;
            for (int i = 0; i < CLIENTS; i++) {
                readers += reads(&clients[i], topic);
                owners += clients[i].has[topic][k];
                assert_true(reads(&clients[i], topic) || !clients[i].has[topic][k]);
            }
            assert_int_equal(owners, readers > 0);
        }
    }
}

void test_consumer_random__every_history_keeps_the_rules_and_settles(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        prng_init(&prng, seed);
        office_init(&office);
        memset(clients, 0, sizeof(clients));
        last_epoch = 0;
        is_writing = false;
        office_add_topic(&office, "apples", 4);
        if (seed % 2 == 0) {
            office.coordinator.settings.consumer_assign_at_once = below(20);
            office.coordinator.settings.consumer_assignment_interval_ms = below(3) * 500;
            office.coordinator.settings.consumer_write_at_once = below(10);
            office.assigns_late = true;
        }
        for (int i = 0; i < STEPS; i++) {
            step();
            check();
            if (i % 20 == 0)
                office_check_replay(&office);
        }
        check_end();
        office_check_replay(&office);
        office_deinit(&office);
    }
}
