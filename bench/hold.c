/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs a broker to hold groups of the consumer protocol that do not change: processor time
 * of the measured seconds, and how much its memory grew with the members. One line of JSON. */
#include <stdio.h>

#include "crowd.h"
#include "workload.h"

enum { PATIENCE_MS = 300000, JOINS_A_TURN = 100 };

static void join_all(struct crowd *crowd)
{
    int64_t deadline = now_ns() + PATIENCE_MS * 1000000ll;
    for (int i = 0; i < crowd->count; i++) {
        crowd_join(crowd, &crowd->members[i]);
        if (i % JOINS_A_TURN == 0)
            crowd_turn(crowd);
    }
    while (!crowd_is_settled(crowd)) {
        if (now_ns() > deadline)
            bench_fail("the groups do not settle: %d partitions have one owner, %d members their "
                       "share",
                crowd->owned_once, crowd->balanced);
        crowd_turn(crowd);
    }
}

void run_hold(const struct options *options)
{
    struct measurement measurement = { .options = options };
    struct crowd crowd;
    struct usage empty, full;
    crowd_init(&crowd, options);
    usage_take(options->pid, &empty);
    int64_t began = now_ns();
    join_all(&crowd);
    double settled_seconds = (double)(now_ns() - began) / 1e9;
    measurement_init(&measurement, options);
    while (!measurement.over) {
        bool counted = measurement.counting;
        crowd_turn(&crowd);
        measurement_turn(&measurement, now_ns());
        if (!counted)
            crowd.answers = 0;
    }
    usage_take(options->pid, &full);
    double seconds = (double)(measurement.ended_at - measurement.began_at) / 1e9;
    printf("{\"workload\": \"hold\", \"groups\": %d, \"members\": %d, \"settled_seconds\": %.2f, "
           "\"seconds\": %.3f, \"heartbeats\": %llu, \"cpu_seconds\": %.6f, \"resident_empty\": "
           "%llu, \"resident_full\": %llu}\n",
        options->groups, crowd.count, settled_seconds, seconds, (unsigned long long)crowd.answers,
        measurement.after.cpu_seconds - measurement.before.cpu_seconds,
        (unsigned long long)empty.resident_bytes, (unsigned long long)full.resident_bytes);
}
