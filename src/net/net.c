/* SPDX-License-Identifier: Apache-2.0 */
/* What the connections of a loop wait for together: the memory budget, and the end of their idle time. */
#include <utlist.h>

#include "base/container.h"
#include "base/memory.h"
#include "net/conn_parts.h"

enum {
    BUDGET_RETRY_US = 5 * 1000,
    STALLED_MS = 10 * 1000, /* a half frame that holds memory others wait for */
    IDLE_CHECK_US = 1000 * 1000,
};

void conn_wait_for_budget(struct conn *conn)
{
    struct net *net = conn->net;

    if (conn->waiting)
        return;
    conn->waiting = true;
    DL_APPEND2(net->waiting, conn, wait_prev, wait_next);
    if (!timer_is_set(&net->budget_timer))
        timer_set(net->loop, &net->budget_timer, loop_now_us(net->loop) + BUDGET_RETRY_US);
    conn_update_pause(conn);
}

void conn_stop_waiting(struct conn *conn)
{
    if (!conn->waiting)
        return;
    conn->waiting = false;
    DL_DELETE2(conn->net->waiting, conn, wait_prev, wait_next);
}

/* The one that was quiet for longest while it holds half a frame loses it to the others. */
static void close_stalled(struct net *net)
{
    int64_t now_ms = loop_now_ms(net->loop);
    struct conn *conn;

    DL_FOREACH(net->conns, conn) {
        if (now_ms - conn->active_ms < STALLED_MS)
            return;
        if (conn->frame == NULL)
            continue;
        conn_close(conn);
        return;
    }
}

/* Who waited for the budget tries again, when there is some. */
static void retry_budget(struct timer *timer)
{
    struct net *net = container_of(timer, struct net, budget_timer);
    struct conn *conn, *next;

    if (budget_used(net->budget) < net->budget->limit - net->budget->limit / 16) {
        DL_FOREACH_SAFE2(net->waiting, conn, next, wait_next) {
            conn_stop_waiting(conn);
            conn_update_pause(conn);
        }
    } else {
        close_stalled(net);
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
