/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that hold memory and do not move, in simulated time. */
#include "net/conn.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/container.h"
#include "base/memory.h"
#include "io/io.h"
#include "net/listener.h"
#include "sim/sim.h"
#include "test.h"

enum {
    MEBIBYTE = 1 << 20,
    ANSWER_SIZE = 512 * 1024,
    FRAME_MAX = 2 * MEBIBYTE,
    WAIT_US = 20 * 1000 * 1000,
    WORK_US = 10 * 1000
};

/* Every frame is answered by the first bytes of the same memory; what it costs is charged all the
 * same. */
struct answer {
    struct reply reply;
    struct span span;
    struct buffer *frame;
    struct world *world;
    struct timer working;
};

struct world {
    struct sim *sim;
    struct loop *loop, *outside;
    struct budget budget;
    struct net net;
    struct conn_owner owner;
    struct limits limits;
    struct listener *listener;
    struct listener_target target;
    uint8_t *bytes;
    size_t answer_size;
    int64_t work_size; /* what a request takes until it is answered, a moment later; 0: it is at once */
    int64_t most_used;
    int answer_count;
};

struct peer {
    struct world *world;
    struct socket *socket;
    struct socket_watch watch;
    const uint8_t *out;
    size_t out_size;
    size_t in_size;
    bool reads, ended;
};

static void answer_done(struct reply *reply)
{
    struct answer *answer = container_of(reply, struct answer, reply);

    buffer_unref(answer->frame);
    memory_give(answer);
}

static void note_used(struct world *world)
{
    int64_t used = budget_used(&world->budget);

    world->most_used = used > world->most_used ? used : world->most_used;
}

static void finish_work(struct timer *timer)
{
    struct answer *answer = container_of(timer, struct answer, working);

    budget_release(&answer->world->budget, answer->world->work_size);
    reply_ready(&answer->reply, &answer->span, 1);
}

static void take_frame(struct conn_owner *owner, struct conn *conn, struct buffer *buffer)
{
    struct world *world = container_of(owner, struct world, owner);
    struct answer *answer = memory_take(sizeof(*answer));

    answer->frame = buffer;
    answer->reply.done = answer_done;
    answer->span = (struct span){ .data = world->bytes, .size = world->answer_size };
    world->answer_count++;
    conn_expect(conn, &answer->reply);
    if (world->work_size > 0) {
        answer->world = world;
        answer->working.run = finish_work;
        timer_set(world->loop, &answer->working, loop_now_us(world->loop) + WORK_US);
        budget_charge(&world->budget, world->work_size);
    } else {
        reply_ready(&answer->reply, &answer->span, 1);
    }
    note_used(world);
}

static struct world *world_create(int64_t budget, size_t answer_size)
{
    struct world *world = memory_take(sizeof(*world));
    struct net_settings settings = { .frame_size_max = FRAME_MAX, .idle_ms = 600000 };
    struct listener_options options = {
        .port = 9092, .limits = &world->limits, .connections_max = 1000, .creation_rate = INT32_MAX
    };
    struct limits_settings limits = {
        .connections_max = 1000, .connections_per_ip_max = INT32_MAX, .creation_rate = INT32_MAX
    };

    limits_init(&world->limits, &limits);
    world->sim = sim_create(7);
    world->loop = loop_create(machine_boot(machine_create(world->sim, "node"), 1), "node");
    world->outside = loop_create(machine_boot(machine_create(world->sim, "outside"), 1), "outside");
    world->bytes = memory_take(FRAME_MAX);
    world->answer_size = answer_size;
    budget_init(&world->budget, budget);
    net_init(&world->net, world->loop, &world->budget, &settings);
    world->owner.frame = take_frame;
    world->target = (struct listener_target){ &world->net, &world->owner };
    assert_int_equal(listener_open(world->loop, &options, &world->target, 1, &world->listener), 0);
    listener_accept(world->listener);
    sim_start_loop(world->loop);
    sim_start_loop(world->outside);
    return world;
}

static void world_destroy(struct world *world)
{
    listener_stop(world->listener);
    net_deinit(&world->net);
    listener_close(world->listener);
    limits_deinit(&world->limits);
    assert_int_equal(budget_used(&world->budget), 0);
    memory_give(world->bytes);
    sim_destroy(world->sim);
    memory_give(world);
}

static void peer_ready(struct socket_watch *watch, unsigned events)
{
    struct peer *peer = container_of(watch, struct peer, watch);
    uint8_t bytes[16384];
    int64_t count;

    (void)events;
    while (peer->out_size > 0) {
        struct iovec vector = { (uint8_t *)(uintptr_t)peer->out, peer->out_size };
        count = socket_writev(peer->socket, &vector, 1, false);
        if (count < 0)
            break;
        peer->out += count;
        peer->out_size -= (size_t)count;
    }
    socket_want_write(peer->socket, peer->out_size > 0);
    socket_pause_reading(peer->socket, !peer->reads);
    while (peer->reads) {
        count = socket_read(peer->socket, bytes, sizeof(bytes));
        if (count <= 0) {
            peer->ended |= count != -EAGAIN;
            return;
        }
        peer->in_size += (size_t)count;
    }
}

static void peer_start(
    struct world *world, struct peer *peer, const uint8_t *out, size_t size, bool reads)
{
    *peer = (struct peer){
        .world = world, .watch.ready = peer_ready, .out = out, .out_size = size, .reads = reads
    };
    assert_int_equal(socket_connect(world->outside, "node", 9092, &peer->watch, &peer->socket), 0);
    socket_want_write(peer->socket, true);
}

static bool has_answer(void *context)
{
    const struct peer *peer = context;

    return peer->in_size >= peer->world->answer_size;
}

/* Nobody new is let in any more. */
static bool is_short(void *context)
{
    const struct world *world = context;

    return budget_used(&world->budget) >= world->budget.limit - world->budget.limit / 4;
}

/* What is charged for answers stays within the budget and one answer; then those who take none are
 * let go, and one who does is served. */
void test_pressure__lets_go_of_those_who_take_no_answers(void)
{
    enum { PEERS = 40 };
    struct world *world = world_create(8 * MEBIBYTE, ANSWER_SIZE);
    struct peer peers[PEERS], honest;
    uint8_t frames[20][5] = { 0 };

    for (int i = 0; i < 20; i++)
        store_u32(frames[i], 1);
    for (int i = 0; i < PEERS; i++)
        peer_start(world, &peers[i], frames[0], sizeof(frames), false);
    assert_true(sim_run(world->sim, WAIT_US, is_short, world));
    peer_start(world, &honest, frames[0], 5, true);
    assert_true(sim_run(world->sim, WAIT_US, has_answer, &honest));
    assert_false(honest.ended);
    assert_true(world->most_used <= 8 * MEBIBYTE + ANSWER_SIZE + 64 * 1024);
    assert_true(world->net.conn_count < PEERS);
    world_destroy(world);
}

/* While memory suffices nobody is let go, however slow. */
void test_pressure__keeps_slow_peers_while_memory_suffices(void)
{
    enum { PEERS = 8 };
    struct world *world = world_create(16 * MEBIBYTE, ANSWER_SIZE);
    struct peer peers[PEERS], honest;
    uint8_t frames[20][5] = { 0 };

    for (int i = 0; i < 20; i++)
        store_u32(frames[i], 1);
    for (int i = 0; i < PEERS; i++)
        peer_start(world, &peers[i], frames[0], sizeof(frames), false);
    sim_run(world->sim, WAIT_US, is_short, world);
    peer_start(world, &honest, frames[0], 5, true);
    assert_true(sim_run(world->sim, WAIT_US, has_answer, &honest));
    assert_int_equal(world->net.conn_count, PEERS + 1);
    world_destroy(world);
}

/* Frames that were begun and do not go on give their memory to one that does. */
void test_pressure__lets_go_of_half_frames(void)
{
    enum { PEERS = 200 };
    struct world *world = world_create(4 * MEBIBYTE, 100);
    struct peer *peers = memory_take(PEERS * sizeof(*peers)), honest;
    uint8_t *frame = memory_take(FRAME_MAX + 4);

    store_u32(frame, FRAME_MAX);
    for (int i = 0; i < PEERS; i++)
        peer_start(world, &peers[i], frame, 1000, true);
    sim_run(world->sim, 1000 * 1000, is_short, world);
    peer_start(world, &honest, frame, FRAME_MAX + 4, true);
    assert_true(sim_run(world->sim, WAIT_US, has_answer, &honest));
    assert_true(world->most_used <= 4 * MEBIBYTE + PEERS * 20 * 1024);
    memory_give(frame);
    world_destroy(world);
    memory_give(peers);
}

static bool all_have_answers(void *context)
{
    struct peer *peers = context;

    for (struct peer *peer = peers; peer->world != NULL; peer++)
        if (!has_answer(peer))
            return false;
    return true;
}

/* A request takes more than its frame, so while memory is short a whole frame waits, too; each has its turn, and nobody is
 * let go. */
void test_pressure__starts_requests_as_memory_allows(void)
{
    enum { PEERS = 60, FRAME_SIZE = 64 * 1024 };
    struct world *world = world_create(8 * MEBIBYTE, 100);
    struct peer *peers = memory_take((PEERS + 1) * sizeof(*peers));
    uint8_t *frame = memory_take(FRAME_SIZE + 4);

    world->work_size = MEBIBYTE;
    store_u32(frame, FRAME_SIZE);
    for (int i = 0; i < PEERS; i++)
        peer_start(world, &peers[i], frame, FRAME_SIZE + 4, true);
    assert_true(sim_run(world->sim, WAIT_US, all_have_answers, peers));
    assert_true(world->most_used <= 9 * MEBIBYTE);
    memory_give(frame);
    world_destroy(world);
    memory_give(peers);
}

/* One frame as large as the whole budget is read: growing takes no second copy of it. */
void test_pressure__reads_a_frame_as_large_as_the_budget(void)
{
    struct world *world = world_create(FRAME_MAX, 100);
    struct peer honest;
    uint8_t *frame = memory_take(FRAME_MAX + 4);

    store_u32(frame, FRAME_MAX);
    peer_start(world, &honest, frame, FRAME_MAX + 4, true);
    assert_true(sim_run(world->sim, WAIT_US, has_answer, &honest));
    memory_give(frame);
    world_destroy(world);
}
