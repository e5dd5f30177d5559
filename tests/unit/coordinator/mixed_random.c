/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of one group whose members speak both protocols: they join, leave, hang and come
 * back, also as members of the other protocol, topics grow, the policy changes, the log refuses,
 * and the coordinator is loaded anew. No partition is in use by two members, what lives is what a
 * replay gives, and in the end everybody settles. */
#include "coordinator/group.h"

#include <stdio.h>

#include "mixed.h"

enum { CLIENTS = 3, ELDERS = 4, TOPICS = 3, STEPS = 400, SEEDS = 150 };

static struct office office;
static struct prng prng;
static struct client clients[CLIENTS];
static struct elder elders[ELDERS];
static bool is_there[ELDERS]; /* it does something at all */
static bool shares_instances; /* with the clients: they take each other's place */
static int32_t upgrades, downgrades;
static const struct group_kind *last_kind;
static int32_t last_conversions;

static int below(int bound)
{
    return (int)prng_below(&prng, (uint64_t)bound);
}

static const struct consumer_group *consumers(void)
{
    const struct group *group = office_group(&office, "g");
    return consumer_group_is(group) ? group->consumer : NULL;
}

static const struct classic_group *classic(void)
{
    const struct group *group = office_group(&office, "g");
    return group != NULL && group->kind == &classic_kind ? group->classic : NULL;
}

static const char *const instances[] = { "i", "k" };

static void new_client(int place)
{
    static const char *const subscriptions[] = { "a", "ab", "abc" };
    clients[place] = (struct client){ .group = "g",
        .id = arena_format(&office.arena, "m%d-%d", place, below(1000000)),
        .instance = place < 2 ? instances[place] : NULL,
        .subscription = subscriptions[below(3)] };
}

static void new_elder(int place)
{
    static const char *const subscriptions[] = { "a", "ab", "abc", "bc" };
    elders[place] = make_elder(subscriptions[below(4)]);
    elders[place].is_cooperative = below(2) == 0;
    elders[place].instance =
        shares_instances && place < 2 && below(2) == 0 ? instances[place] : NULL;
    elders[place].rebalance_ms = 10000 + below(20000);
    elders[place].session_ms = 6000 + below(20000);
    is_there[place] = true;
}

static void beat(int place)
{
    struct consumer_group_heartbeat_request *request = short_request(&office, &clients[place]);
    if (!clients[place].is_told)
        set_owned(&office, &clients[place], request);
    client_try(&office, &clients[place], request);
}

static void turn_client(int place)
{
    if (clients[place].is_member) {
        beat(place);
        return;
    }
    new_client(place);
    client_try(&office, &clients[place], full_request(&office, &clients[place]));
}

static void leave_as_client(int place)
{
    bool is_static = clients[place].instance != NULL && below(3) > 0;
    if (clients[place].is_member)
        client_leave(&office, &clients[place], is_static ? LEFT_STATICALLY : LEFT);
    client_forget(&clients[place]);
}

/* Of a request that waits, nobody hears any more. */
static void leave_as_elder(int place)
{
    struct elder *elder = &elders[place];
    if (is_there[place] && elder->id.size > 0 && elder->instance == NULL && below(2) == 0)
        leave(&office, "g", elder->id, NULL);
    elder_lose(elder, true);
    is_there[place] = false;
}

/* The elder is a member by its id, of the newest of its instance, and knows the generation. */
static bool is_current_elder(const struct elder *elder)
{
    const struct consumer_member *member =
        consumers() == NULL ? NULL : consumer_member_find(office_group(&office, "g"), elder->id);
    if (member != NULL)
        return member->classic != NULL && member->current.epoch == elder->generation;
    return classic() != NULL && classic_group_find(classic(), elder->id) != NULL &&
           classic()->generation == elder->generation;
}

static bool is_current_client(const struct client *client)
{
    const struct consumer_member *member =
        consumers() == NULL
            ? NULL
            : consumer_member_find(office_group(&office, "g"), str_from(client->id));
    return member != NULL && member->classic == NULL && member->current.epoch == client->epoch;
}

/* Whoever has not been fenced. */
static void check_owners(void)
{
    for (int topic = 0; topic < TOPICS; topic++)
        for (int k = 0; k < CLIENT_PARTITIONS; k++) {
            int owners = 0;
            for (int i = 0; i < CLIENTS; i++)
                owners += clients[i].is_member && clients[i].has[topic][k] &&
                          is_current_client(&clients[i]);
            for (int i = 0; i < ELDERS; i++)
                owners += is_there[i] && elders[i].has[topic][k] && is_current_elder(&elders[i]);
            assert_true(owners <= 1);
        }
}

/* What is counted is what there is to count. */
static void check_counts(void)
{
    int32_t old = 0, settled = 0, away = 0;
    const struct consumer_group *kept = consumers();
    if (kept == NULL)
        return;
    for (const struct consumer_member *at = kept->members; at != NULL; at = at->hh.next) {
        old += at->classic != NULL;
        settled +=
            at->has_current && consumer_member_is_settled(&at->current, kept->assignment_epoch);
        away += at->current.epoch == LEFT_STATICALLY;
        assert_true(heap_has(&at->session.entry));
    }
    for (const struct held_topic *at = kept->held; at != NULL; at = at->hh.next)
        for (int32_t i = 0; i < at->count; i++)
            assert_true(at->holders[i] <= 1);
    assert_int_equal(old, kept->classic_count);
    assert_int_equal(settled, kept->settled_count);
    assert_int_equal(away, kept->away_count);
}

static void check(void)
{
    const struct group *group = office_group(&office, "g");
    const struct group_kind *kind = group == NULL ? NULL : group->kind;
    bool has_members = group != NULL && !kind->is_empty(group);
    upgrades += has_members && last_kind == &classic_kind && kind == &consumer_kind;
    downgrades += has_members && last_kind == &consumer_kind && kind == &classic_kind;
    if (last_kind != NULL && kind != NULL && kind != last_kind)
        assert_true(office.conversions > last_conversions);
    last_kind = kind;
    last_conversions = office.conversions;
    check_counts();
    check_owners();
}

/* None goes: by its name alone nobody could tell it from the next one. */
static void grow_topic(void)
{
    int topic = below(TOPICS);
    const struct image_topic *there =
        image_topic_by_id(cluster_image(&office.cluster), topic_id(topic));
    if (there == NULL || there->partition_count < CLIENT_PARTITIONS)
        office_add_topic(&office, topic_names[topic], 1);
}

static void be_refused(int place)
{
    struct consumer_group_heartbeat_response lost;
    office.refuses = true;
    message_defaults(&consumer_group_heartbeat_response_schema, &lost);
    new_client(place);
    office_submit(&office, COORDINATOR_CONSUMER_GROUP_HEARTBEAT, 1,
        full_request(&office, &clients[place]), &lost);
    client_forget(&clients[place]);
    for (int i = 0; i < 3; i++) {
        int elder = below(ELDERS);
        if (is_there[elder])
            elder_turn(&office, &elders[elder]);
    }
    office_pass_time(&office, below(2000));
    office.refuses = false;
}

static void change_policy(void)
{
    static const int policies[] = { MIGRATION_DISABLED, MIGRATION_UPGRADE, MIGRATION_DOWNGRADE,
        MIGRATION_BIDIRECTIONAL, MIGRATION_BIDIRECTIONAL, MIGRATION_BIDIRECTIONAL };
    office.coordinator.settings.migration_policy = policies[below(6)];
}

static void turn_elder(int place)
{
    if (!is_there[place])
        new_elder(place);
    elder_turn(&office, &elders[place]);
}

static void step(void)
{
    int what = below(200);
    if (what < 4)
        grow_topic();
    else if (what < 6)
        office_load_again(&office);
    else if (what < 20)
        office_pass_time(&office, below(5000));
    else if (what < 28)
        leave_as_client(below(CLIENTS));
    else if (what < 32)
        leave_as_elder(below(ELDERS));
    else if (what < 35)
        be_refused(below(CLIENTS));
    else if (what < 37)
        change_policy();
    else if (what < 70)
        turn_client(below(CLIENTS));
    else
        turn_elder(below(ELDERS));
}

/* Members of a kind that the group may not have stay away; the others come to own everything. */
static void check_end(void)
{
    office.coordinator.settings.migration_policy = MIGRATION_BIDIRECTIONAL;
    bool with_clients = below(3) > 0, with_elders = !with_clients || below(3) > 0;
    for (int i = 0; i < CLIENTS; i++)
        if (!with_clients)
            client_forget(&clients[i]);
    shares_instances = false;
    for (int i = 0; i < ELDERS; i++)
        if (!with_elders || elders[i].instance != NULL)
            leave_as_elder(i);
    for (int round = 0; round < 150; round++) {
        office_pass_time(&office, 1000);
        for (int i = 0; with_clients && i < CLIENTS; i++) {
            turn_client(i);
            check();
        }
        for (int i = 0; with_elders && i < ELDERS; i++)
            for (int k = 0; k < 3; k++) {
                turn_elder(i);
                check();
            }
    }
    assert_string_equal(state_of(&office, "g"), "Stable");
    for (int topic = 0; topic < TOPICS; topic++) {
        const struct image_topic *there =
            image_topic_by_id(cluster_image(&office.cluster), topic_id(topic));
        for (int32_t k = 0; there != NULL && k < there->partition_count; k++) {
            int owners = 0, readers = 0;
            for (int i = 0; with_clients && i < CLIENTS; i++) {
                readers += strchr(clients[i].subscription, topic_names[topic][0]) != NULL;
                owners += clients[i].has[topic][k];
            }
            for (int i = 0; with_elders && i < ELDERS; i++) {
                readers += strchr(elders[i].subscription, topic_names[topic][0]) != NULL;
                owners += elders[i].has[topic][k];
            }
            assert_int_equal(owners, readers > 0);
        }
    }
}

static void begin(uint64_t seed)
{
    prng_init(&prng, seed);
    office_init(&office);
    memset(is_there, 0, sizeof(is_there));
    memset(clients, 0, sizeof(clients));
    last_kind = NULL;
    last_conversions = 0;
    shares_instances = true;
    for (int i = 0; i < CLIENTS; i++)
        new_client(i);
    for (int i = 0; i < ELDERS; i++)
        elders[i] = make_elder("a");
    office_add_topic(&office, "apples", 4);
    office_add_topic(&office, "bananas", 2);
}

void test_mixed_random__every_history_keeps_the_rules_and_settles(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
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
    assert_true(upgrades > SEEDS && downgrades > SEEDS / 4); /* else it shows little */
}
