/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of connections, in simulated time: two listeners of one loop, the second protected. */
#include "net/limits.h"

#include <errno.h>
#include <stdio.h>

#include "base/container.h"
#include "base/memory.h"
#include "io/io.h"
#include "net/listener.h"
#include "sim/sim.h"
#include "test.h"

enum { PEERS = 40, SECOND_US = 1000 * 1000 };

struct peer {
    struct socket *socket;
    struct socket_watch watch;
    bool ended;
};

struct world {
    struct sim *sim;
    struct loop *loop, *outside;
    struct budget budget;
    struct net net;
    struct conn_owner owners[2];
    struct limits limits;
    struct limits_settings settings;
    struct listener *listeners[2];
    struct listener_target targets[2];
    struct peer peers[PEERS];
    int peer_count, wanted;
};

static void take_frame(struct conn_owner *owner, struct conn *conn, struct buffer *buffer)
{
    (void)owner;
    buffer_unref(buffer);
    conn_close(conn);
}

static struct world *world_create(int32_t connections_max, int32_t per_ip_max, int32_t rate)
{
    struct world *world = memory_take(sizeof(*world));
    struct net_settings settings = { .frame_size_max = 1000, .idle_ms = -1 };

    world->settings = (struct limits_settings){ .connections_max = connections_max,
        .connections_per_ip_max = per_ip_max,
        .creation_rate = rate };
    world->sim = sim_create(5);
    world->loop = loop_create(machine_boot(machine_create(world->sim, "node"), 1), "node");
    world->outside = loop_create(machine_boot(machine_create(world->sim, "outside"), 1), "outside");
    budget_init(&world->budget, 1 << 20);
    net_init(&world->net, world->loop, &world->budget, &settings);
    limits_init(&world->limits, &world->settings);
    for (int i = 0; i < 2; i++) {
        struct listener_options options = { .port = 9092 + i,
            .limits = &world->limits,
            .connections_max = INT32_MAX,
            .creation_rate = INT32_MAX,
            .is_protected = i == 1 };
        world->owners[i].frame = take_frame;
        world->targets[i] = (struct listener_target){ &world->net, &world->owners[i] };
        assert_int_equal(
            listener_open(world->loop, &options, &world->targets[i], 1, &world->listeners[i]), 0);
        listener_accept(world->listeners[i]);
    }
    sim_start_loop(world->loop);
    sim_start_loop(world->outside);
    return world;
}

static void world_destroy(struct world *world)
{
    for (int i = 0; i < 2; i++)
        listener_stop(world->listeners[i]);
    net_deinit(&world->net);
    assert_int_equal(budget_used(&world->limits.connections), 0);
    for (int i = 0; i < 2; i++)
        listener_close(world->listeners[i]);
    limits_deinit(&world->limits);
    sim_destroy(world->sim);
    memory_give(world);
}

static void peer_ready(struct socket_watch *watch, unsigned events)
{
    struct peer *peer = container_of(watch, struct peer, watch);
    uint8_t byte;

    (void)events;
    if (!peer->ended && socket_read(peer->socket, &byte, 1) != -EAGAIN)
        peer->ended = true;
    if (peer->ended)
        socket_pause_reading(peer->socket, true);
}

static struct peer *connect_peer(struct world *world, int port)
{
    struct peer *peer = &world->peers[world->peer_count++];

    peer->watch.ready = peer_ready;
    assert_int_equal(socket_connect(world->outside, "node", port, &peer->watch, &peer->socket), 0);
    return peer;
}

static bool has_wanted(void *context)
{
    const struct world *world = context;

    return world->net.conn_count == world->wanted;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static void run_until(struct world *world, int wanted, int64_t limit_us)
{
    world->wanted = wanted;
    assert_true(sim_run(world->sim, limit_us, has_wanted, world));
}

static void run_for(struct world *world, int64_t time_us)
{
    sim_run(world->sim, time_us, never, world);
}

static int count_ended(const struct world *world)
{
    int count = 0;

    for (int i = 0; i < world->peer_count; i++)
        count += world->peers[i].ended;
    return count;
}

/* Who is over the limit of its address is closed at once; it counts over all listeners, and a place
 * is given back. */
void test_limits__close_what_is_over_the_limit_of_an_address(void)
{
    struct world *world = world_create(INT32_MAX, 3, INT32_MAX);

    for (int i = 0; i < 5; i++)
        connect_peer(world, 9092 + i % 2);
    run_for(world, SECOND_US);
    assert_int_equal(world->net.conn_count, 3);
    assert_int_equal(count_ended(world), 2);
    conn_close(world->net.conns);
    connect_peer(world, 9092);
    run_until(world, 3, SECOND_US);
    world_destroy(world);
}

/* Simulated peers come from their machine, the second: 10.0.0.2. 0 for all, and overrides for some, let in only those. */
void test_limits__have_overrides_for_single_addresses(void)
{
    struct world *world = world_create(INT32_MAX, 0, INT32_MAX);
    struct limits_override overrides[] = { { "10.0.0.7", 9 }, { "10.0.0.2", 2 } };

    connect_peer(world, 9092);
    run_for(world, SECOND_US);
    assert_int_equal(world->net.conn_count, 0);
    limits_set_overrides(&world->limits, overrides, 2);
    for (int i = 0; i < 4; i++)
        connect_peer(world, 9092);
    run_for(world, SECOND_US);
    assert_int_equal(world->net.conn_count, 2);
    assert_int_equal(count_ended(world), 3);
    world_destroy(world);
}

/* Over the limit of all, peers wait in the backlog; when one leaves, the next comes in. */
void test_limits__let_peers_wait_for_a_place(void)
{
    struct world *world = world_create(2, INT32_MAX, INT32_MAX);

    for (int i = 0; i < 4; i++)
        connect_peer(world, 9092);
    run_for(world, SECOND_US);
    assert_int_equal(world->net.conn_count, 2);
    assert_int_equal(count_ended(world), 0);
    conn_close(world->net.conns);
    run_until(world, 2, SECOND_US);
    world->settings.connections_max = 4;
    limits_set(&world->limits, &world->settings);
    run_until(world, 3, SECOND_US);
    world_destroy(world);
}

/* A protected listener accepts beyond the limit of all, and the others lose their least recently
 * active. */
void test_limits__do_not_hold_up_a_protected_listener(void)
{
    struct world *world = world_create(3, INT32_MAX, INT32_MAX);

    for (int i = 0; i < 3; i++) {
        connect_peer(world, 9092);
        run_until(world, i + 1, SECOND_US);
    }
    connect_peer(world, 9093);
    run_for(world, SECOND_US);
    assert_int_equal(world->net.conn_count, 3);
    assert_true(world->peers[0].ended);
    assert_int_equal(count_ended(world), 1);
    for (int i = 0; i < 3; i++)
        connect_peer(world, 9093);
    run_for(world, SECOND_US);
    assert_int_equal(world->net.conn_count, 4); /* nobody is left who could go */
    world_destroy(world);
}

/* Lowered below what is there: the least recently active are closed. */
void test_limits__close_connections_when_they_are_lowered(void)
{
    struct world *world = world_create(10, INT32_MAX, INT32_MAX);

    for (int i = 0; i < 6; i++) {
        connect_peer(world, 9092);
        run_until(world, i + 1, SECOND_US);
    }
    world->settings.connections_max = 2;
    limits_set(&world->limits, &world->settings);
    listeners_close_excess(&world->limits);
    run_for(world, SECOND_US);
    assert_int_equal(world->net.conn_count, 2);
    assert_true(world->peers[0].ended && world->peers[3].ended && !world->peers[4].ended);
    world_destroy(world);
}

/* One listener's own limit holds up only that one. */
void test_limits__hold_for_single_listeners(void)
{
    struct world *world = world_create(INT32_MAX, INT32_MAX, INT32_MAX);

    listener_set_limits(world->listeners[0], 1, INT32_MAX);
    for (int i = 0; i < 6; i++)
        connect_peer(world, 9092 + i % 2);
    run_for(world, SECOND_US);
    assert_int_equal(world->net.conn_count, 4);
    listener_set_limits(world->listeners[0], 2, INT32_MAX);
    run_until(world, 5, SECOND_US);
    world_destroy(world);
}

/* Ten seconds' worth may come at once, and then as many a second as the rate says; they are late,
 * not refused. */
void test_limits__delay_connections_that_come_too_fast(void)
{
    struct world *world = world_create(INT32_MAX, INT32_MAX, 2);

    for (int i = 0; i < 30; i++)
        connect_peer(world, 9092);
    run_for(world, SECOND_US / 4);
    assert_int_equal(world->net.conn_count, 20);
    run_for(world, 2 * SECOND_US);
    assert_true(world->net.conn_count >= 23 && world->net.conn_count <= 25);
    assert_int_equal(count_ended(world), 0);
    connect_peer(world, 9093); /* the protected one is not delayed by the rate of all */
    run_for(world, SECOND_US / 4);
    run_until(world, 31, 6 * SECOND_US);
    world_destroy(world);
}

/* With very many addresses, those that have left are forgotten. */
void test_limits__forget_addresses_without_a_connection(void)
{
    struct limits limits;
    struct limits_settings settings = {
        .connections_max = 10, .connections_per_ip_max = 1, .creation_rate = 1
    };
    char address[CONN_PEER_SIZE];

    limits_init(&limits, &settings);
    struct budget *kept = limits_take_address(&limits, "::1");
    for (int i = 0; i < 100000; i++) {
        snprintf(address, sizeof(address), "2001:db8::%x", i);
        struct budget *place = limits_take_address(&limits, address);
        assert_non_null(place);
        budget_release(place, 1);
    }
    assert_null(limits_take_address(&limits, "::1"));
    budget_release(kept, 1);
    limits_deinit(&limits);
}

/* The longest time that may be set for an idle connection is one, and nothing looks for it before. */
void test_limits__leave_idle_peers_as_long_as_may_be_said(void)
{
    struct world *world = world_create(INT32_MAX, INT32_MAX, INT32_MAX);

    world->net.settings.idle_ms = INT64_MAX;
    connect_peer(world, 9092);
    run_for(world, 5 * SECOND_US);
    assert_int_equal(world->net.conn_count, 1);
    assert_true(world->net.idle_timer.entry.key > sim_now_us(world->sim) + 365 * 24 * 3600 * (int64_t)SECOND_US);
    world_destroy(world);
}
