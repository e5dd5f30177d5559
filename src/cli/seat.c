/* SPDX-License-Identifier: Apache-2.0 */
/* A seat in a group of the consumer protocol (KIP-848). The coordinator assigns; a member says that
 * it lives at the interval it is told, and answers an assignment so:
 *
 *   assigned -> what is not in it any more: commit, let go -> what is new: take, go on at what the
 *   group has committed -> acknowledge: tell the coordinator what is held now
 *
 * Whoever was silent for too long is no member any more: then it holds nothing, and joins again. */
#include "cli/seat.h"

#include <signal.h>

#include "base/container.h"
#include "base/memory.h"
#include "cli/client.h"
#include "cli/verb.h"
#include "io/io.h"
#include "io/loop.h"
#include "io/process.h"
#include "wire/gen/consumer_group_heartbeat.h"
#include "wire/schema.h"

enum { IDLE_PAUSE_MS = 100, REBALANCE_TIMEOUT_MS = 60000 };
enum { PATIENCE_MS = 10000 }; /* without a partition, then --until-end gives up */
enum { EPOCH_LEAVE = -1 };

struct stopper {
    struct task task;
    struct seat *seat;
};

/* What was printed is still written, unless a second signal comes. */
static void stop(struct task *task)
{
    struct seat *seat = container_of(task, struct stopper, task)->seat;
    if (!seat->stopped && consumer_owes(seat->consumer))
        complain("group %s: nobody takes the output now; this ends when it is taken, or at a "
                 "second signal",
            seat->call.group);
    seat->consumer->given_up = seat->stopped;
    seat->stopped = true;
}

int64_t seat_now_ms(const struct seat *seat)
{
    return io_monotonic_us(client_io(seat->consumer->client)) / 1000;
}

bool seat_is_lost(enum error error)
{
    return error == ERROR_UNKNOWN_MEMBER_ID || error == ERROR_FENCED_MEMBER_EPOCH ||
           error == ERROR_STALE_MEMBER_EPOCH;
}

/* What it held belongs to others. */
void seat_lose(struct seat *seat, enum error error)
{
    complain("group %s: this is no member any more (%s). What was printed after the last commit "
             "may be printed again",
        seat->call.group, error_name(error));
    seat->consumer->source_count = 0;
    seat->epoch = EPOCH_JOIN;
    seat->beat_at_ms = 0;
}

int seat_complain(const struct seat *seat, enum error error, struct str text)
{
    bool joins = seat->epoch == EPOCH_JOIN;
    if (error == ERROR_INCONSISTENT_GROUP_PROTOCOL ||
        (joins && error == ERROR_GROUP_ID_NOT_FOUND)) {
        complain(
            "group %s: its members speak another protocol, or it is no group of consumers; stop "
            "them, or choose another group",
            seat->call.group);
        return EXIT_FAILED;
    }
    return group_complain(seat->call.group, error, text);
}

static const struct consumer_group_heartbeat_response_topic_partitions *own_topic(
    const struct seat *seat, const struct consumer_group_heartbeat_assignment *assignment)
{
    for (int32_t i = 0; i < assignment->topic_partitions_count; i++) {
        if (uuid_equal(assignment->topic_partitions[i].topic_id, seat->consumer->topic.topic_id))
            return &assignment->topic_partitions[i];
    }
    return NULL;
}

static bool is_assigned(
    const struct consumer_group_heartbeat_response_topic_partitions *assigned, int32_t partition)
{
    for (int32_t i = 0; assigned != NULL && i < assigned->partitions_count; i++) {
        if (assigned->partitions[i] == partition)
            return true;
    }
    return false;
}

static bool holds(const struct consumer *consumer, int32_t partition)
{
    for (int i = 0; i < consumer->source_count; i++) {
        if (consumer->sources[i].partition == partition)
            return true;
    }
    return false;
}

/* Commits, and lets go of what is not assigned any more. A reader that takes the output slowly gets
 * a while before that, or the next member would print again what is under way to it. */
static int let_go(
    struct seat *seat, const struct consumer_group_heartbeat_response_topic_partitions *assigned)
{
    struct consumer *consumer = seat->consumer;
    int kept = 0;
    for (int i = 0; i < consumer->source_count; i++)
        kept += is_assigned(assigned, consumer->sources[i].partition);
    if (kept == consumer->source_count)
        return EXIT_DONE;
    int code = consumer_write(consumer, seat->interval_ms);
    if (code == EXIT_DONE)
        code = seat_commit(seat);
    kept = 0;
    for (int i = 0; i < consumer->source_count; i++) {
        if (is_assigned(assigned, consumer->sources[i].partition))
            consumer->sources[kept++] = consumer->sources[i];
    }
    consumer->source_count = kept;
    return code;
}

static int32_t leader_of(const struct consumer *consumer, int32_t partition)
{
    for (int32_t i = 0; i < consumer->topic.partitions_count; i++) {
        if (consumer->topic.partitions[i].partition_index == partition)
            return consumer->topic.partitions[i].leader_id;
    }
    return -1;
}

/* Adds what is assigned and not held to the sources, without a position. */
static int add_sources(
    struct seat *seat, const struct consumer_group_heartbeat_response_topic_partitions *assigned)
{
    struct consumer *consumer = seat->consumer;
    consumer->sources = memory_resize(
        consumer->sources, ((size_t)assigned->partitions_count + (size_t)consumer->source_count) *
                               sizeof(*consumer->sources));
    for (int32_t i = 0; i < assigned->partitions_count; i++) {
        int32_t partition = assigned->partitions[i];
        int code = EXIT_DONE;
        if (holds(consumer, partition))
            continue;
        if (leader_of(consumer, partition) < 0)
            code = consumer_refresh(consumer); /* the topic has grown */
        if (code != EXIT_DONE)
            return code;
        consumer->sources[consumer->source_count++] = (struct source){ .partition = partition,
            .leader_id = leader_of(consumer, partition),
            .position = -1,
            .written = -1,
            .committed = -1 };
    }
    return EXIT_DONE;
}

static int take_assignment(
    struct seat *seat, const struct consumer_group_heartbeat_assignment *assignment)
{
    struct consumer *consumer = seat->consumer;
    const struct consumer_group_heartbeat_response_topic_partitions *assigned =
        own_topic(seat, assignment);
    int code = EXIT_DONE;
    if (assigned == NULL && assignment->topic_partitions_count > 0) {
        consumer->source_count = 0; /* of a topic that is gone; another has its name now */
        code = consumer_refresh(consumer);
        assigned = own_topic(seat, assignment);
    } else {
        code = let_go(seat, assigned);
    }
    int first = consumer->source_count;
    if (code == EXIT_DONE && assigned != NULL && seat->epoch > EPOCH_JOIN)
        code = add_sources(seat, assigned);
    if (code == EXIT_DONE)
        code = seat_place(seat, first);
    seat->acknowledges = true;
    seat->beat_at_ms = 0;
    return code;
}

/* What changed since the last heartbeat; all of it when joining. */
static void fill_heartbeat(
    const struct seat *seat, struct consumer_group_heartbeat_request *request, struct arena *arena)
{
    const struct consumer *consumer = seat->consumer;
    message_defaults(&consumer_group_heartbeat_request_schema, request);
    request->group_id = str_from(seat->call.group);
    request->member_id = str_from(seat->member_id);
    request->member_epoch = seat->epoch;
    request->subscribed_topic_names_count = -1;
    request->topic_partitions_count = -1;
    if (seat->epoch == EPOCH_JOIN) {
        request->rebalance_timeout_ms = REBALANCE_TIMEOUT_MS;
        request->subscribed_topic_names = arena_take(arena, sizeof(struct str));
        request->subscribed_topic_names[0] = consumer->topic.name;
        request->subscribed_topic_names_count = 1;
        request->topic_partitions_count = 0;
    } else if (seat->acknowledges) {
        struct consumer_group_heartbeat_request_topic_partitions *held =
            MESSAGE_TAKE(consumer_group_heartbeat_request_topic_partitions, arena, 1);
        request->topic_partitions = held;
        request->topic_partitions_count = consumer->source_count > 0;
        held->topic_id = consumer->topic.topic_id;
        held->partitions =
            arena_take_array(arena, (size_t)consumer->source_count, sizeof(*held->partitions));
        held->partitions_count = consumer->source_count;
        for (int i = 0; i < consumer->source_count; i++)
            held->partitions[i] = consumer->sources[i].partition;
    }
}

static int beat(struct seat *seat)
{
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    enum error error;
    struct arena arena;
    arena_init(&arena);
    fill_heartbeat(seat, &request, &arena);
    int code =
        group_call(&seat->call, API_CONSUMER_GROUP_HEARTBEAT, &request, &arena, &response, &error);
    if (code != EXIT_DONE)
        goto done;
    if (seat_is_lost(error) && seat->epoch > EPOCH_JOIN) {
        seat_lose(seat, error);
        goto done;
    }
    if (error != ERROR_NONE) {
        code = seat_complain(seat, error, response.error_message);
        goto done;
    }
    seat->epoch = response.member_epoch;
    seat->acknowledges = false;
    seat->interval_ms = response.heartbeat_interval_ms;
    seat->beat_at_ms = seat_now_ms(seat) + seat->interval_ms;
    if (response.assignment != NULL)
        code = take_assignment(seat, response.assignment);
done:
    arena_deinit(&arena);
    return code;
}

/* Commits unless it is unknown what arrived, and frees what is held for the others at once. */
static int leave(struct seat *seat)
{
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    enum error error;
    struct arena arena;
    int code = seat->consumer->output_failed ? EXIT_DONE : seat_commit(seat);
    if (code == EXIT_UNREACHABLE || seat->epoch == EPOCH_JOIN)
        return code;
    arena_init(&arena);
    seat->epoch = EPOCH_LEAVE;
    seat->acknowledges = false;
    fill_heartbeat(seat, &request, &arena);
    int left =
        group_call(&seat->call, API_CONSUMER_GROUP_HEARTBEAT, &request, &arena, &response, &error);
    arena_deinit(&arena);
    return code != EXIT_DONE ? code : left; /* if it was removed meanwhile, it has left as well */
}

/* --until-end: all that it holds is read; or others hold everything. */
static bool is_at_end(struct seat *seat, int leaders)
{
    const struct consumer *consumer = seat->consumer;
    if (consumer->source_count > 0)
        seat->held_at_ms = seat_now_ms(seat);
    if (!consumer->until_end || leaders > 0)
        return false;
    if (consumer->source_count > 0)
        return true;
    if (seat_now_ms(seat) < seat->held_at_ms + PATIENCE_MS)
        return false;
    complain("group %s: other members hold all partitions of %.*s", seat->call.group,
        STR_PRINT(consumer->topic.name));
    return true;
}

/* Read as far as was asked for; or a signal came, and what was printed is written or given up. */
static bool is_over(const struct seat *seat)
{
    const struct consumer *consumer = seat->consumer;
    if (consumer_owes(consumer))
        return consumer->given_up;
    return seat->stopped || consumer->left == 0;
}

static int serve(struct seat *seat)
{
    struct consumer *consumer = seat->consumer;
    int leaders = 1, code = EXIT_DONE;
    while (code == EXIT_DONE && !is_over(seat)) {
        if (seat_now_ms(seat) >= seat->beat_at_ms)
            code = beat(seat);
        if (code == EXIT_DONE && seat_now_ms(seat) >= seat->commit_at_ms)
            code = seat_commit(seat);
        if (code != EXIT_DONE || seat->beat_at_ms == 0)
            continue; /* to acknowledge, or to join again */
        int64_t wait_ms = seat->beat_at_ms - seat_now_ms(seat);
        wait_ms = wait_ms < 0 ? 0 : wait_ms;
        code = consumer_step(
            consumer, (int32_t)(wait_ms < FETCH_WAIT_MS ? wait_ms : FETCH_WAIT_MS), &leaders);
        if (code == EXIT_DONE && is_at_end(seat, leaders))
            break;
        if (leaders == 0)
            client_pause(consumer->client, wait_ms < IDLE_PAUSE_MS ? wait_ms : IDLE_PAUSE_MS);
    }
    if (consumer->given_up && consumer_owes(consumer)) {
        complain("group %s: the end of the output was not taken; it may be printed again",
            seat->call.group);
        return EXIT_FAILED;
    }
    int written = consumer_write(consumer, -1); /* of one that fails, or lost what it held */
    return code != EXIT_DONE ? code : written;
}

int consume_in_group(struct consumer *consumer, const char *group, const struct place *place)
{
    struct seat seat = {
        .consumer = consumer, .place = place, .call = group_call_to(consumer->client, group)
    };
    struct stopper stoppers[2] = { { { .run = stop }, &seat }, { { .run = stop }, &seat } };
    struct loop *loop = client_loop(consumer->client);
    uint8_t random[16];
    io_random(client_io(consumer->client), random, sizeof(random));
    uuid_print(uuid_from_random(random), seat.member_id);
    seat.held_at_ms = seat_now_ms(&seat);
    if (io_signal_watch(loop, SIGINT, &stoppers[0].task) < 0 ||
        io_signal_watch(loop, SIGTERM, &stoppers[1].task) < 0)
        complain("signals cannot be watched: when one ends this, the group hears of it late");
    int code = serve(&seat);
    int left = code == EXIT_UNREACHABLE ? code : leave(&seat);
    return code != EXIT_DONE ? code : left;
}
