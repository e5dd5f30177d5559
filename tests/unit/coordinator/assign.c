/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/assign.h"

#include "crowd.h"

enum { ROUNDS = 400 };

static void remove_member(struct crowd *crowd, int32_t index)
{
    size_t behind = (size_t)(--crowd->member_count - index);
    memmove(&crowd->members[index], &crowd->members[index + 1], behind * sizeof(crowd->members[0]));
    memmove(&crowd->numbers[index], &crowd->numbers[index + 1], behind * sizeof(crowd->numbers[0]));
}

static int32_t share_size(struct assign_share share)
{
    int32_t size = 0;
    for (int32_t i = 0; i < share.part_count; i++)
        size += share.parts[i].partition_count;
    return size;
}

static int32_t load_of(const struct crowd *crowd, int32_t index)
{
    return share_size(crowd->members[index].owned);
}

static unsigned some_topics(struct crowd *crowd)
{
    return (unsigned)prng_next(&crowd->prng) & ((1u << crowd->topic_count) - 1);
}

/* Members that all subscribe to all topics, or each to some. */
static void draw_crowd(struct crowd *crowd, uint64_t seed, bool alike, int32_t members_most)
{
    crowd_init(crowd, seed);
    crowd->topic_count = crowd_draw(crowd, 1, 8);
    for (int32_t topic = 0; topic < crowd->topic_count; topic++)
        crowd->partition_counts[topic] = crowd_draw(crowd, 0, 30);
    int32_t count = crowd_draw(crowd, 1, members_most);
    for (int32_t m = 0; m < count; m++)
        crowd_add(crowd, NULL, alike ? (1u << crowd->topic_count) - 1 : some_topics(crowd));
}

static void check_within_one(const struct crowd *crowd)
{
    int32_t least = load_of(crowd, 0), most = least;
    for (int32_t m = 1; m < crowd->member_count; m++) {
        int32_t load = load_of(crowd, m);
        least = load < least ? load : least;
        most = load > most ? load : most;
    }
    assert_in_range(most - least, 0, 1);
}

/* Who has it now and had it not before, for partitions that were there and whose owner is still
 * there (`gone`: the number of a member that is not; -1: none). */
static int32_t count_moved(const struct owners *before, const struct owners *after, int32_t gone)
{
    int32_t moved = 0;
    for (int32_t topic = 0; topic < CROWD_TOPICS; topic++)
        for (int32_t p = 0; p < CROWD_PARTITIONS; p++)
            moved += before->of[topic][p] >= 0 && before->of[topic][p] != gone &&
                     before->of[topic][p] != after->of[topic][p];
    return moved;
}

/* All members that can get, directly or over others, a partition of whom this one has. */
static void reach_from(const struct crowd *crowd, int32_t index, bool *reached)
{
    const struct assign_share *owned = &crowd->members[index].owned;
    for (int32_t i = 0; i < owned->part_count; i++)
        for (int32_t m = 0; m < crowd->member_count; m++)
            if (!reached[m] && crowd_subscribes(&crowd->members[m], owned->parts[i].topic)) {
                reached[m] = true;
                reach_from(crowd, m, reached);
            }
}

/* Where load can go from one member to another, be it over others that pass on as much as they get,
 * they differ by one at most. Then no assignment is more even. */
static void check_as_even_as_can_be(const struct crowd *crowd)
{
    for (int32_t from = 0; from < crowd->member_count; from++) {
        bool reached[CROWD_MEMBERS] = { false };
        reach_from(crowd, from, reached);
        for (int32_t m = 0; m < crowd->member_count; m++)
            assert_true(!reached[m] || load_of(crowd, from) - load_of(crowd, m) <= 1);
    }
}

void test_assign__knows_the_assignors_by_name(void)
{
    struct assignor_list all;
    assignor_list_read((struct str){ 0 }, &all);
    assert_string_equal(all.at[0]->name, "uniform");
    assert_ptr_equal(assignor_find(&all, STR("uniform")), &assignors[0]);
    assert_ptr_equal(assignor_find(&all, STR("range")), &assignors[1]);
    assert_null(assignor_find(&all, STR("Range")));
    assert_null(assignor_find(&all, (struct str){ NULL, 0 }));
}

void test_assign__reads_lists_of_assignors(void)
{
    static const struct {
        const char *names, *first;
        int count;
    } lists[] = {
        { "uniform,range", "uniform", 2 },
        { " range , uniform", "range", 2 },
        { "range", "range", 1 },
        { "org.apache.kafka.coordinator.group.assignor.RangeAssignor,uniform", "range", 2 },
        { "range,org.apache.kafka.coordinator.group.assignor.RangeAssignor,range", "range", 1 },
        { "sticky,,range", "range", 1 },
        { "", "uniform", 2 },
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        struct assignor_list list;
        assignor_list_read(str_from(lists[i].names), &list);
        assert_int_equal(list.count, lists[i].count);
        assert_string_equal(list.at[0]->name, lists[i].first);
    }
}

/* Nothing is owned: members get runs of partitions in their order, the first ones one more. */
void test_assign__deals_out_runs_when_nothing_is_owned(void)
{
    struct crowd crowd;
    crowd_init(&crowd, 1);
    crowd.topic_count = 2;
    crowd.partition_counts[0] = 3;
    crowd.partition_counts[1] = 4;
    for (int m = 0; m < 3; m++)
        crowd_add(&crowd, NULL, 3);
    crowd_assign(&crowd, "uniform");
    assert_string_equal(share_print(&crowd, crowd.members[0].owned), "0:0,1,2");
    assert_string_equal(share_print(&crowd, crowd.members[1].owned), "1:0,1");
    assert_string_equal(share_print(&crowd, crowd.members[2].owned), "1:2,3");
    crowd_deinit(&crowd);
}

/* All subscribe alike. Nobody has two more than another; what moves when one joins goes to him,
 * when one leaves nothing of the others moves, nor when a topic grows, nor when nothing happens. */
void test_assign__moves_no_more_than_it_must_when_all_subscribe_alike(void)
{
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct crowd crowd;
        draw_crowd(&crowd, seed, true, 20);
        struct owners before = crowd_assign(&crowd, "uniform"), after;
        check_within_one(&crowd);
        for (int step = 0; step < 20; step++) {
            int32_t what = crowd_draw(&crowd, 0, 3), gone = -1, expected = 0;
            if (what == 0 && crowd.member_count < CROWD_MEMBERS) {
                crowd_add(&crowd, NULL, (1u << crowd.topic_count) - 1);
                expected = -1; /* as many as he gets */
            } else if (what == 1 && crowd.member_count > 1) {
                int32_t index = crowd_draw(&crowd, 0, crowd.member_count - 1);
                gone = crowd.numbers[index];
                remove_member(&crowd, index);
            } else if (what == 2) {
                int32_t topic = crowd_draw(&crowd, 0, crowd.topic_count - 1);
                crowd.partition_counts[topic] =
                    crowd_draw(&crowd, crowd.partition_counts[topic], CROWD_PARTITIONS);
            }
            after = crowd_assign(&crowd, "uniform");
            check_within_one(&crowd);
            if (expected < 0)
                expected = load_of(&crowd, crowd.member_count - 1);
            assert_int_equal(count_moved(&before, &after, gone), expected);
            before = after;
        }
        crowd_deinit(&crowd);
    }
}

/* The one more that some have stays with them, whatever their place. */
void test_assign__leaves_the_one_more_where_it_is(void)
{
    struct crowd crowd;
    static const int32_t partitions[5] = { 0, 1, 2, 3, 4 };
    static const struct assign_part first = { 0, 1, partitions }, second = { 0, 2, partitions + 1 },
                                    third = { 0, 2, partitions + 3 };
    crowd_init(&crowd, 1);
    crowd.topic_count = 1;
    crowd.partition_counts[0] = 5;
    crowd_add(&crowd, NULL, 1)->owned = (struct assign_share){ &first, 1 };
    crowd_add(&crowd, NULL, 1)->owned = (struct assign_share){ &second, 1 };
    crowd_add(&crowd, NULL, 1)->owned = (struct assign_share){ &third, 1 };
    crowd_assign(&crowd, "uniform");
    assert_string_equal(share_print(&crowd, crowd.members[0].owned), "0:0");
    assert_string_equal(share_print(&crowd, crowd.members[1].owned), "0:1,2");
    assert_string_equal(share_print(&crowd, crowd.members[2].owned), "0:3,4");
    crowd_deinit(&crowd);
}

/* Members subscribe to different topics, join, leave and change what they subscribe to; topics
 * grow. No assignment is more even, and one that is even already stays as it is. */
void test_assign__is_as_even_as_can_be_when_subscriptions_differ(void)
{
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct crowd crowd;
        draw_crowd(&crowd, seed, false, 20);
        for (int step = 0; step < 20; step++) {
            struct owners owners = crowd_assign(&crowd, "uniform");
            check_as_even_as_can_be(&crowd);
            struct owners again = crowd_assign(&crowd, "uniform");
            assert_memory_equal(&owners, &again, sizeof(owners));
            int32_t what = crowd_draw(&crowd, 0, 3);
            int32_t index = crowd_draw(&crowd, 0, crowd.member_count - 1);
            int32_t topic = crowd_draw(&crowd, 0, crowd.topic_count - 1);
            struct assign_share owned = crowd.members[index].owned;
            if (what <= 1 && crowd.member_count > 1)
                remove_member(&crowd, index);
            if (what >= 1 && crowd.member_count < CROWD_MEMBERS)
                crowd_add(&crowd, NULL, some_topics(&crowd));
            if (what == 1) /* he subscribes to something else, and owns what he owned */
                crowd.members[crowd.member_count - 1].owned = owned;
            if (what == 3)
                crowd.partition_counts[topic] =
                    crowd_draw(&crowd, crowd.partition_counts[topic], CROWD_PARTITIONS);
        }
        crowd_deinit(&crowd);
    }
}

/* The sum of squares of the loads that is least over all assignments there are. */
static int32_t least_squares(
    const struct crowd *crowd, int32_t topic, int32_t partition, int32_t *loads)
{
    while (topic < crowd->topic_count && partition >= crowd->partition_counts[topic]) {
        topic++;
        partition = 0;
    }
    int32_t least = INT32_MAX, sum = 0;
    for (int32_t m = 0; m < crowd->member_count; m++)
        sum += loads[m] * loads[m];
    if (topic == crowd->topic_count)
        return sum;
    for (int32_t m = 0; m < crowd->member_count; m++) {
        if (!crowd_subscribes(&crowd->members[m], topic))
            continue;
        loads[m]++;
        int32_t squares = least_squares(crowd, topic, partition + 1, loads);
        least = squares < least ? squares : least;
        loads[m]--;
    }
    return least < INT32_MAX ? least : least_squares(crowd, topic + 1, 0, loads);
}

/* Against all assignments that there are, where these are few. */
void test_assign__finds_the_most_even_of_all_assignments(void)
{
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct crowd crowd;
        crowd_init(&crowd, seed);
        crowd.topic_count = 4;
        for (int32_t topic = 0; topic < crowd.topic_count; topic++)
            crowd.partition_counts[topic] = crowd_draw(&crowd, 0, 2);
        int32_t count = crowd_draw(&crowd, 1, 4), squares = 0, loads[4] = { 0 };
        for (int32_t m = 0; m < count; m++)
            crowd_add(&crowd, NULL, some_topics(&crowd));
        crowd_assign(&crowd, "uniform");
        for (int32_t m = 0; m < count; m++)
            squares += load_of(&crowd, m) * load_of(&crowd, m);
        assert_int_equal(squares, least_squares(&crowd, 0, 0, loads));
        crowd_deinit(&crowd);
    }
}

/* A chain: each topic has two subscribers, and the last one has nothing. Each of the others passes
 * on to the next, and only so many move as lie between the last and an even share. */
void test_assign__passes_load_on_along_a_chain(void)
{
    enum { LINKS = 9, EACH = 10 };
    struct crowd crowd;
    crowd_init(&crowd, 1);
    crowd.topic_count = LINKS;
    for (int32_t m = 0; m < LINKS; m++) {
        crowd.partition_counts[m] = EACH;
        crowd_add(&crowd, NULL, 3u << m >> 1 & ((1u << LINKS) - 1));
    }
    struct owners before = crowd_assign(&crowd, "uniform");
    for (int32_t m = 0; m < LINKS; m++)
        assert_int_equal(load_of(&crowd, m), EACH);
    crowd_add(&crowd, NULL, 1u << (LINKS - 1));
    struct owners after = crowd_assign(&crowd, "uniform");
    for (int32_t m = 0; m <= LINKS; m++)
        assert_int_equal(load_of(&crowd, m), LINKS * EACH / (LINKS + 1));
    assert_int_equal(count_moved(&before, &after, -1), LINKS * (LINKS + 1) / 2);
    crowd_deinit(&crowd);
}

/* The same with no time to look along the chain: all is assigned, but the last one stays without. */
void test_assign__is_as_even_as_its_time_allows(void)
{
    enum { LINKS = 9, EACH = 10 };
    struct crowd crowd;
    crowd_init(&crowd, 1);
    crowd.topic_count = LINKS;
    crowd.steps_most = 1;
    for (int32_t m = 0; m < LINKS; m++) {
        crowd.partition_counts[m] = EACH;
        crowd_add(&crowd, NULL, 3u << m >> 1 & ((1u << LINKS) - 1));
    }
    crowd_assign(&crowd, "uniform");
    crowd_add(&crowd, NULL, 1u << (LINKS - 1));
    crowd_assign(&crowd, "uniform");
    int32_t total = 0, least = EACH, greatest = 0;
    for (int32_t m = 0; m <= LINKS; m++) {
        total += load_of(&crowd, m);
        least = load_of(&crowd, m) < least ? load_of(&crowd, m) : least;
        greatest = load_of(&crowd, m) > greatest ? load_of(&crowd, m) : greatest;
    }
    assert_int_equal(total, LINKS * EACH);
    assert_true(greatest > least + 1);
    crowd_deinit(&crowd);
}

/* Subscriptions differ: one joins, one leaves, a topic grows. What must find an owner may push
 * others on, but seldom does; over many crowds fewer move than the one who joins gets. */
void test_assign__moves_little_when_subscriptions_differ(void)
{
    enum { MORE = 10 };
    int32_t gets = 0, leaves = 0, joined = 0, left = 0, grown = 0;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct crowd crowd;
        draw_crowd(&crowd, seed, false, 20);
        struct owners first = crowd_assign(&crowd, "uniform");
        crowd_add(&crowd, NULL, some_topics(&crowd));
        struct owners second = crowd_assign(&crowd, "uniform");
        int32_t share = load_of(&crowd, crowd.member_count - 1);
        int32_t moved = count_moved(&first, &second, -1);
        assert_true(moved <= 3 * share);
        gets += share;
        joined += moved;

        int32_t index = crowd_draw(&crowd, 0, crowd.member_count - 1);
        int32_t gone = crowd.numbers[index];
        share = load_of(&crowd, index);
        remove_member(&crowd, index);
        first = crowd_assign(&crowd, "uniform");
        moved = count_moved(&second, &first, gone);
        assert_true(moved <= 2 * share);
        leaves += share;
        left += moved;

        crowd.partition_counts[0] += MORE;
        second = crowd_assign(&crowd, "uniform");
        moved = count_moved(&first, &second, -1);
        assert_true(moved <= MORE);
        grown += moved;
        crowd_deinit(&crowd);
    }
    assert_true(joined <= gets);
    assert_true(left <= leaves / 8);
    assert_true(grown <= ROUNDS * MORE / 4);
}

/* The owned partitions are what is stored: they may be anything. Who claims first keeps. */
void test_assign__takes_any_owned_partitions(void)
{
    static const int32_t partitions[6] = { 5, 1, 1, -1, 3, INT32_MAX };
    static const struct assign_part first[3] = { { 1, 6, partitions }, { -1, 2, partitions },
        { 0, 6, partitions } };
    static const struct assign_part second[3] = { { 0, 6, partitions }, { 0, 6, partitions },
        { INT32_MAX, 1, partitions } };
    for (int32_t alike = 0; alike < 2; alike++) {
        struct crowd crowd;
        crowd_init(&crowd, 1);
        crowd.topic_count = 3;
        crowd.partition_counts[0] = crowd.partition_counts[1] = 4;
        crowd_add(&crowd, NULL, 1)->owned = (struct assign_share){ first, 3 };
        crowd_add(&crowd, NULL, alike ? 1 : 5)->owned = (struct assign_share){ second, 3 };
        crowd_assign(&crowd, "uniform");
        assert_string_equal(share_print(&crowd, crowd.members[0].owned), "0:1,3");
        assert_string_equal(share_print(&crowd, crowd.members[1].owned), "0:0,2");
        crowd_deinit(&crowd);
    }
}

static void assign_many(const struct assignor *assignor, int32_t member_count, bool alike)
{
    struct arena arena;
    arena_init(&arena);
    static const int32_t topics[3] = { 0, 1, 2 }, counts[3] = { 3, 0, 0 };
    struct assign_member *members =
        arena_take_array(&arena, (size_t)member_count, sizeof(*members));
    for (int32_t m = 0; m < member_count; m++) {
        members[m].id = str_from(arena_format(&arena, "%d", m));
        members[m].topics = topics;
        members[m].topic_count = alike ? 3 : 1 + m % 3;
    }
    struct assign_input input = { members, member_count, counts, 3 };
    struct assign_share *shares = assignor->assign(&input, &arena);
    int32_t got = 0;
    for (int32_t m = 0; m < member_count; m++) {
        assert_in_range(share_size(shares[m]), 0, 1);
        got += share_size(shares[m]);
    }
    assert_int_equal(got, member_count < 3 ? 0 : 3);
    arena_deinit(&arena);
}

void test_assign__takes_no_members_and_very_many(void)
{
    for (int i = 0; i < ASSIGNOR_COUNT; i++)
        for (int alike = 0; alike < 2; alike++) {
            assign_many(&assignors[i], 0, alike);
            assign_many(&assignors[i], 10000, alike);
        }
}

/* Nobody subscribes to anything, or to topics without partitions only. */
void test_assign__gives_nothing_where_there_is_nothing(void)
{
    for (int i = 0; i < ASSIGNOR_COUNT; i++)
        for (unsigned topics = 0; topics < 4; topics++) {
            struct crowd crowd;
            crowd_init(&crowd, 1);
            crowd.topic_count = 3;
            crowd.partition_counts[2] = 7;
            crowd_add(&crowd, NULL, topics);
            crowd_add(&crowd, NULL, 0);
            crowd_assign(&crowd, assignors[i].name);
            assert_int_equal(load_of(&crowd, 0) + load_of(&crowd, 1), 0);
            crowd_deinit(&crowd);
        }
}
