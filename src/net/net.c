/* SPDX-License-Identifier: Apache-2.0 */
/* What the connections of a loop wait for together: the memory budget, and the end of their idle time. */
#include <utlist.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "net/conn_parts.h"

enum {
    BUDGET_RETRY_US = 5 * 1000,
    /* When memory is short: one that holds some and in this time moved less than that, or than it holds. */
    SLOW_MS = 2 * 1000,
    SLOW_USED_UP_MS = 500, /* when there is none left */
    SLOW_BYTES = 64 * 1024,
    DROP_PER_RETRY = 16,
    REPORT_EVERY_MS = 10 * 1000,
    IDLE_CHECK_MS = 1000,
};

/* Three quarters of the budget are for all to hold. The next eighth lets those begin that hold nothing, the last one those
 * that are known to take their answers. One that is nearly alone may use all: a frame may be as large. */
bool conn_may_use(const struct conn *conn, int64_t size)
{
    int64_t limit = conn->net->budget->limit, used = budget_used(conn->net->budget), mine = conn_memory(conn);

    if (used + size < limit - limit / 4)
        return true;
    if (used + size > limit)
        return false;
    if (used - mine < limit / 4 || (mine == 0 && used + size < limit - limit / 8))
        return true;
    return conn->is_proven && socket_untaken(conn->socket) == 0;
}

/* A request takes more than its frame, nobody knows how much before. Three quarters of the budget may be frames, so those
 * that wait here can always begin, one after the other. */
bool conn_may_start(const struct conn *conn)
{
    int64_t limit = conn->net->budget->limit, used = budget_used(conn->net->budget), mine = conn_memory(conn);

    if (conn->is_next || used < limit - limit / 4 || used - mine < limit / 4)
        return true;
    if (used >= limit)
        return false;
    if (mine == (int64_t)conn->frame->charged && used < limit - limit / 8)
        return true;
    return conn->is_proven && socket_untaken(conn->socket) == 0;
}

static bool is_short(const struct net *net)
{
    int64_t limit = net->budget->limit;

    return budget_used(net->budget) >= limit - limit / 4;
}

static void watch_budget(struct net *net)
{
    if (!timer_is_set(&net->budget_timer))
        timer_set(net->loop, &net->budget_timer, loop_now_us(net->loop) + BUDGET_RETRY_US);
}

void net_look_for_slow(struct net *net)
{
    if (is_short(net))
        watch_budget(net);
}

void conn_wait_for_budget(struct conn *conn)
{
    struct net *net = conn->net;

    if (conn->waiting)
        return;
    conn->waiting = true;
    DL_APPEND2(net->waiting, conn, wait_prev, wait_next);
    watch_budget(net);
    conn_update_pause(conn);
}

void conn_stop_waiting(struct conn *conn)
{
    if (!conn->waiting)
        return;
    conn->waiting = false;
    DL_DELETE2(conn->net->waiting, conn, wait_prev, wait_next);
}

static int64_t patience_ms(const struct net *net)
{
    return budget_used(net->budget) >= net->budget->limit - net->budget->limit / 16 ? SLOW_USED_UP_MS : SLOW_MS;
}

static bool is_slow(struct conn *conn, int64_t now_ms, int64_t patience)
{
    int64_t memory = conn_memory(conn);

    if (memory == 0 || now_ms - conn->moved_since_ms < patience)
        return false;
    if (conn->moved < SLOW_BYTES && conn->moved < memory)
        return true;
    conn->moved = 0;
    conn->moved_since_ms = now_ms;
    return false;
}

/* Those that hold most, of those that do not move: they take no answers, or do not go on with a frame. That of those that
 * wait for us is not their fault, so we have twice the patience with them. One walk finds them, since there may be many. */
static int find_slow(const struct net *net, struct conn *worst[DROP_PER_RETRY])
{
    int64_t now_ms = loop_now_ms(net->loop), patience = patience_ms(net);
    struct conn *conn;
    int count = 0;

    DL_FOREACH(net->conns, conn) {
        int64_t memory = conn_memory(conn);
        if (count == DROP_PER_RETRY && memory <= conn_memory(worst[count - 1]))
            continue;
        if (!is_slow(conn, now_ms, conn->waiting && !conn->blocked ? 2 * patience : patience))
            continue;
        int at = count < DROP_PER_RETRY ? count++ : count - 1;
        for (; at > 0 && conn_memory(worst[at - 1]) < memory; at--)
            worst[at] = worst[at - 1];
        worst[at] = conn;
    }
    return count;
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

static void drop_slow(struct net *net)
{
    int64_t limit = net->budget->limit, until = limit - limit / 4 - limit / 16;
    struct conn *worst[DROP_PER_RETRY];

    if (budget_used(net->budget) < until)
        return;
    int count = find_slow(net, worst);
    for (int i = 0; i < count && budget_used(net->budget) >= until; i++) {
        report_dropped(net, worst[i]);
        conn_close(worst[i]);
    }
}

static void wake_waiting(struct net *net)
{
    struct conn *conn, *next;

    DL_FOREACH2(net->waiting, conn, wait_next)
        if (conn_has_whole_frame(conn)) {
            conn->is_next = !budget_is_used_up(net->budget); /* however short memory is, one begins */
            break;
        }
    DL_FOREACH_SAFE2(net->waiting, conn, next, wait_next) {
        bool may = conn_has_whole_frame(conn) ? conn_may_start(conn)
                                              : conn_may_use(conn, net->budget->limit / 16); /* not to be used up at once again */
        if (!may)
            continue;
        conn_stop_waiting(conn);
        conn_update_pause(conn);
    }
}

/* Who waited for the budget tries again, when there is some. */
static void retry_budget(struct timer *timer)
{
    struct net *net = container_of(timer, struct net, budget_timer);

    drop_slow(net);
    wake_waiting(net);
    if (net->waiting != NULL || is_short(net))
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
    int64_t left_ms = net->settings.idle_ms - (now_ms - net->conns->active_ms);
    timer_set_in(net->loop, timer, left_ms > IDLE_CHECK_MS ? left_ms : IDLE_CHECK_MS);
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
        timer_set_in(net->loop, &net->idle_timer, IDLE_CHECK_MS);
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
