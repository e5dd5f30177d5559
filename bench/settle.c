/* SPDX-License-Identifier: Apache-2.0 */
/* How long one group of the consumer protocol takes to settle: after the last of its members has
 * joined, after one left, after the topic grew, and after one fell silent. Settled: every partition
 * has one owner, and nobody has more than one more than another. Milliseconds in one line of JSON.
 */
#include <stdio.h>

#include "base/container.h"
#include "crowd.h"
#include "error.h"
#include "wire/gen/create_partitions.h"
#include "workload.h"

enum { CREATE_PARTITIONS_VERSION = 3, REST_MS = 1300, PATIENCE_MS = 120000, GROWTH = 10 };

static double since_ms(int64_t began)
{
    return (double)(now_ns() - began) / 1e6;
}

static double settle(struct crowd *crowd, int64_t began)
{
    while (!crowd_is_settled(crowd)) {
        if (since_ms(began) > PATIENCE_MS)
            bench_fail("the group does not settle");
        crowd_turn(crowd);
    }
    return since_ms(began);
}

/* So that what comes next falls anywhere between two heartbeats of a quiet group. */
static void rest(struct crowd *crowd)
{
    for (int64_t began = now_ns(); since_ms(began) < REST_MS;)
        crowd_turn(crowd);
}

static double join_all(struct crowd *crowd)
{
    int joined = 0;
    for (int i = 0; i < crowd->count; i++)
        crowd_join(crowd, &crowd->members[i]);
    while (joined < crowd->count) {
        crowd_turn(crowd);
        joined = 0;
        for (int i = 0; i < crowd->count; i++)
            joined += crowd->members[i].epoch > 0;
    }
    return settle(crowd, now_ns());
}

static double leave(struct crowd *crowd, struct crowd_member *member, int left)
{
    crowd_leave(crowd, member);
    crowd_expect(crowd, crowd->partitions, left);
    return settle(crowd, now_ns());
}

struct growth {
    struct asker asker; /* first */
    bool is_done;
};

static void note_growth(struct asker *asker, struct bytes answer)
{
    struct create_partitions_response response;
    struct arena arena;
    arena_init(&arena);
    answer_decode(API_CREATE_PARTITIONS, CREATE_PARTITIONS_VERSION, answer, &arena, &response);
    if (response.results_count != 1 || response.results[0].error_code != ERROR_NONE)
        bench_fail("CreatePartitions is refused");
    arena_deinit(&arena);
    container_of(asker, struct growth, asker)->is_done = true;
}

/* Asked for on the connection of a member that left, while the others go on. */
static double grow(struct crowd *crowd, struct link *link, int left)
{
    const struct options *options = crowd->options;
    struct growth growth = { .asker.answered = note_growth };
    int partitions = options->partitions + options->partitions / GROWTH;
    struct create_partitions_topic topic = {
        .name = str_from(options->topic), .count = partitions, .assignments_count = -1
    };
    struct create_partitions_request request = {
        .topics = &topic, .topics_count = 1, .timeout_ms = 30000
    };
    crowd_expect(crowd, partitions, left);
    link_ask(link, &growth.asker, API_CREATE_PARTITIONS, CREATE_PARTITIONS_VERSION, &request);
    while (!growth.is_done)
        crowd_turn(crowd);
    return settle(crowd, now_ns());
}

static double die(struct crowd *crowd, struct crowd_member *member, int left)
{
    int64_t began = now_ns();
    crowd_hang(crowd, member);
    crowd_expect(crowd, crowd->partitions, left);
    return settle(crowd, began);
}

void run_settle(const struct options *options)
{
    struct options one_group = *options;
    struct crowd crowd;
    int count = options->members;
    if (count < 4)
        bench_fail("--members is at least 4");
    one_group.groups = 1;
    one_group.connections = count;
    crowd_init(&crowd, &one_group);
    double joined = join_all(&crowd);
    rest(&crowd);
    double left = leave(&crowd, &crowd.members[0], count - 1);
    rest(&crowd);
    double grown = grow(&crowd, crowd.members[0].link, count - 1);
    rest(&crowd);
    double died = die(&crowd, &crowd.members[1], count - 2);
    for (int i = 2; i < count; i++)
        crowd_leave(&crowd, &crowd.members[i]);
    for (int64_t began = now_ns(); since_ms(began) < REST_MS;) /* until the last is answered */
        crowd_turn(&crowd);
    printf("{\"workload\": \"settle\", \"joined_ms\": %.0f, \"left_ms\": %.0f, \"grown_ms\": %.0f, "
           "\"died_ms\": %.0f}\n",
        joined, left, grown, died);
}
