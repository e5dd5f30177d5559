/* SPDX-License-Identifier: Apache-2.0 */
/* What the connections of a loop wait for together: the memory budget, and the end of their idle time. */
#include <utlist.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "net/conn_parts.h"

enum {
    BUDGET_RETRY_US = 5 * 1000,
    /* While others wait for memory: one that holds some and in this time moved less than that, or than it holds. */
    SLOW_MS = 2 * 1000,
    SLOW_BYTES = 64 * 1024,
    DROP_PER_RETRY = 16,
    REPORT_EVERY_MS = 10 * 1000,
    IDLE_CHECK_US = 1000 * 1000,
};

void conn_wait_for_budget(struct conn *conn)
{
    struct net *net = conn->net;

    if (conn->waiting)
        return;
    conn->waiting = true;
    DL_APPEND2(net->waiting, conn, wait_prev, wait_next);
    if (!timer_is_set(&net->budget_timer)) {
        net->short_since_ms = loop_now_ms(net->loop);
        timer_set(net->loop, &net->budget_timer, loop_now_us(net->loop) + BUDGET_RETRY_US);
    }
    conn_update_pause(conn);
}

void conn_stop_waiting(struct conn *conn)
{
    if (!conn->waiting)
        return;
    conn->waiting = false;
    DL_DELETE2(conn->net->waiting, conn, wait_prev, wait_next);
}

static bool is_slow(struct conn *conn, int64_t now_ms)
{
    int64_t memory = conn_memory(conn);

    if (memory == 0 || now_ms - conn->moved_since_ms < SLOW_MS)
        return false;
    if (conn->moved < SLOW_BYTES && conn->moved < memory)
        return true;
    conn->moved = 0;
    conn->moved_since_ms = now_ms;
    return false;
}

/* The one that holds most, of those that do not move: they take no answers, or do not go on with a frame. That of those
 * that wait for us is not their fault, so they come last: when nobody has got anywhere for a while. */
static struct conn *find_slow(const struct net *net)
{
    int64_t now_ms = loop_now_ms(net->loop);
    bool nobody_moves = now_ms - net->short_since_ms >= 2 * SLOW_MS;
    struct conn *conn, *worst = NULL;

    DL_FOREACH(net->conns, conn) {
        if (worst != NULL && conn_memory(conn) <= conn_memory(worst))
            continue;
        if (is_slow(conn, now_ms) && (!conn->waiting || conn->blocked || nobody_moves))
            worst = conn;
    }
    return worst;
}

static void report_dropped(struct net *net, const struct conn *conn)
{
    int64_t now_ms = loop_now_ms(net->loop);

    if (net->reported_ms != 0 && now_ms - net->reported_ms < REPORT_EVERY_MS) {
        net->left_out++;
        return;
    }
    report_warn("connection_dropped", "peer=%s held=%lld left_out=%lld reason=\"%s\" setting=queued.max.request.bytes",
        conn->peer, (long long)conn_memory(conn), (long long)net->left_out,
        conn->unsent > 0 ? "memory is short, and it does not take its answers"
                         : "memory is short, and it does not go on with its request");
    net->reported_ms = now_ms;
    net->left_out = 0;
}

static bool has_room(const struct net *net)
{
    return budget_used(net->budget) < net->budget->limit - net->budget->limit / 16;
}

static void drop_slow(struct net *net)
{
    for (int i = 0; i < DROP_PER_RETRY && !has_room(net); i++) {
        struct conn *conn = find_slow(net);
        if (conn == NULL)
            return;
        report_dropped(net, conn);
        conn_close(conn);
    }
}

/* Who waited for the budget tries again, when there is some. */
static void retry_budget(struct timer *timer)
{
    struct net *net = container_of(timer, struct net, budget_timer);
    struct conn *conn, *next;

    if (!has_room(net))
        drop_slow(net);
    if (has_room(net)) {
        net->short_since_ms = loop_now_ms(net->loop);
        DL_FOREACH_SAFE2(net->waiting, conn, next, wait_next) {
            conn_stop_waiting(conn);
            conn_update_pause(conn);
        }
    }
    if (net->waiting != NULL)
        timer_set(net->loop, &net->budget_timer, loop_now_us(net->loop) + BUDGET_RETRY_US);
}

static void close_idle(struct timer *timer)
{
    struct net *net = container_of(timer, struct net, idle_timer);
    int64_t now_ms = loop_now_ms(net->loop);
    struct conn *conn, *next;

    DL_FOREACH_SAFE(net->conns, conn, next) {
        if (now_ms - conn->active_ms < net->settings.idle_ms)
            break;
        if (conn->first != NULL && !conn->blocked)
            continue; /* we owe an answer */
        conn_close(conn);
    }
    if (net->conns == NULL)
        return;
    /* The oldest decides when to look again; a quiet connection costs no wake-up before. */
    int64_t due_us = (net->conns->active_ms + net->settings.idle_ms) * 1000;
    int64_t soonest_us = loop_now_us(net->loop) + IDLE_CHECK_US;
    timer_set(net->loop, timer, due_us > soonest_us ? due_us : soonest_us);
}

void net_close_oldest(struct net *net, const struct conn_owner *owner, int64_t count)
{
    struct conn *conn, *next;

    DL_FOREACH_SAFE(net->conns, conn, next) {
        if (count == 0)
            return;
        if (conn->owner != owner)
            continue;
        conn_close(conn);
        count--;
    }
}

void net_look_for_idle(struct net *net)
{
    if (net->settings.idle_ms >= 0 && !timer_is_set(&net->idle_timer))
        timer_set(net->loop, &net->idle_timer, loop_now_us(net->loop) + IDLE_CHECK_US);
}

void net_init(struct net *net, struct loop *loop, struct budget *budget, const struct net_settings *settings)
{
    *net = (struct net){ .loop = loop, .budget = budget, .settings = *settings };
    net->budget_timer.run = retry_budget;
    net->idle_timer.run = close_idle;
    net->scratch = memory_take_raw(SCRATCH_SIZE);
}

/* The loop does not turn any more, so what conn_close() left to it is done here. */
void net_deinit(struct net *net)
{
    struct conn *conn, *next;

    timer_cancel(net->loop, &net->budget_timer);
    timer_cancel(net->loop, &net->idle_timer);
    DL_FOREACH_SAFE(net->conns, conn, next) {
        conn->send_asked = true;
        conn_close(conn);
        conn_free(conn);
    }
    memory_give(net->scratch);
}
