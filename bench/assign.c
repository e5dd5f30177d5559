/* SPDX-License-Identifier: Apache-2.0 */
/* usage: assign PORT [MEMBERS [TOPICS [PARTITIONS [SECONDS]]]]     (2000 10 1000 10) What a large
 * group of the consumer protocol costs the others of its shard: MEMBERS of one group read TOPICS of
 * so many PARTITIONS each, and one more joins and leaves five times a second, so that it is
 * assigned again and again; meanwhile the only member of another group heartbeats all the time.
 * Tells how long its heartbeats took, at rest and beside those assignments, and how often the large
 * group got a new target. The node needs offsets.topic.num.partitions=1, or they may not meet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "client.h"
#include "error.h"
#include "histogram.h"
#include "wire/gen/apis.h"
#include "wire/gen/consumer_group_heartbeat.h"
#include "wire/gen/find_coordinator.h"

enum { HEARTBEAT_VERSION = 1, JOINING = 0, LEAVING = -1 };
enum { CHURN_US = 200000 };

struct load {
    struct arena arena;
    struct str *topics;
    int topic_count;
    int many, one; /* the connections of the large group and of the small one */
};

static struct consumer_group_heartbeat_response beat(
    struct load *load, int connection, const char *group, const char *member, int32_t epoch)
{
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    message_defaults(&consumer_group_heartbeat_request_schema, &request);
    request.group_id = str_from(group);
    request.member_id = str_from(member);
    request.member_epoch = epoch;
    if (epoch == JOINING) {
        request.rebalance_timeout_ms = 300000;
        request.subscribed_topic_names = load->topics;
        request.subscribed_topic_names_count = load->topic_count;
        request.topic_partitions_count = 0;
    }
    call(connection, API_CONSUMER_GROUP_HEARTBEAT, HEARTBEAT_VERSION, &request, &load->arena,
        &response);
    if (response.error_code != ERROR_NONE)
        bench_fail("heartbeat of %s: error %d, %.*s", member, response.error_code,
            STR_PRINT(response.error_message));
    arena_reset(&load->arena);
    return response;
}

static void await_coordinator(struct load *load, const char *group)
{
    struct str key = str_from(group);
    struct find_coordinator_request request = { .coordinator_keys = &key,
        .coordinator_keys_count = 1 };
    struct find_coordinator_response response;
    int64_t deadline = now_ns() + 30000000000ll;
    do {
        if (now_ns() > deadline)
            bench_fail("there is no coordinator");
        call(load->one, API_FIND_COORDINATOR, FIND_COORDINATOR_VERSION, &request, &load->arena,
            &response);
    } while (response.coordinators[0].error_code != ERROR_NONE);
    arena_reset(&load->arena);
}

static void prepare(struct load *load, int port, int topics, int partitions)
{
    arena_init(&load->arena);
    load->topics = memory_take((size_t)topics * sizeof(*load->topics));
    load->topic_count = topics;
    for (int i = 0; i < topics; i++) {
        char name[32];
        snprintf(name, sizeof(name), "assign-%d", i);
        load->topics[i] = str_from(memory_copy_text(name));
        struct options options = { .host = "127.0.0.1",
            .port = port,
            .topic = load->topics[i].data,
            .create = true,
            .partitions = partitions };
        topic_prepare(&options);
    }
    load->many = socket_connect("127.0.0.1", port, true);
    load->one = socket_connect("127.0.0.1", port, true);
    await_coordinator(load, "large");
    await_coordinator(load, "small");
}

/* Heartbeats of the small group, one after the other. */
static void measure(struct load *load, const char *name, double seconds)
{
    struct histogram *times = memory_take(sizeof(*times));
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);
    int32_t epoch = beat(load, load->one, "small", "only", JOINING).member_epoch;
    for (int64_t began = now_ns(), now; began < end; began = now) {
        epoch = beat(load, load->one, "small", "only", epoch).member_epoch;
        now = now_ns();
        histogram_add(times, (uint64_t)(now - began));
    }
    printf("%-8s heartbeats=%llu p50_us=%.0f p99_us=%.0f p99.9_us=%.0f largest_us=%.0f\n", name,
        (unsigned long long)times->total, (double)histogram_at(times, 0.5) / 1e3,
        (double)histogram_at(times, 0.99) / 1e3, (double)histogram_at(times, 0.999) / 1e3,
        (double)times->largest / 1e3);
    memory_give(times);
}

/* One more member joins or leaves; the first one joins again each time, and so is at the epoch of
 * the newest target. */
static void churn(struct load *load, int members, double seconds)
{
    char extra[32];
    int32_t targets = 0, last = 0;
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);
    snprintf(extra, sizeof(extra), "member-%d", members);
    for (bool leaves = false; now_ns() < end; leaves = !leaves) {
        beat(load, load->many, "large", extra, leaves ? LEAVING : JOINING);
        usleep(CHURN_US);
        int32_t epoch = beat(load, load->many, "large", "member-0", JOINING).member_epoch;
        targets += epoch != last;
        last = epoch;
    }
    printf("beside   targets=%d\n", targets);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int numbers[] = { 0, 2000, 10, 1000, 10 };
    if (argc < 2 || argc > 6)
        bench_fail("usage: assign PORT [MEMBERS [TOPICS [PARTITIONS [SECONDS]]]]");
    for (int i = 1; i < argc; i++)
        if ((numbers[i - 1] = atoi(argv[i])) <= 0)
            bench_fail("%s is no number", argv[i]);
    struct load load = { 0 };
    prepare(&load, numbers[0], numbers[2], numbers[3]);
    int64_t began = now_ns();
    for (int i = 0; i < numbers[1]; i++) {
        char name[32];
        snprintf(name, sizeof(name), "member-%d", i);
        beat(&load, load.many, "large", name, JOINING);
    }
    printf("%d members joined in %.2f s\n", numbers[1], (double)(now_ns() - began) / 1e9);
    measure(&load, "at rest", numbers[4]);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        churn(&load, numbers[1], numbers[4]);
        _exit(0);
    }
    measure(&load, "beside", numbers[4]);
    waitpid(child, NULL, 0);
    return 0;
}
