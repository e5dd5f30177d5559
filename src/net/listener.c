/* SPDX-License-Identifier: Apache-2.0 */
#include "net/listener.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"

enum { ACCEPT_PER_PASS = 128, REPORT_EVERY_US = 10 * 1000 * 1000, RETRY_US = 100 * 1000 };

struct listener {
    struct listener *prev, *next; /* of limits->listeners */
    struct loop *loop;
    struct socket *socket;
    struct socket_watch watch;
    struct timer retry;  /* while it accepts none */
    struct timer excess; /* while there are more than there may be */
    struct limits *limits;
    struct budget connections;
    struct limits_rate rate;
    const struct listener_target *targets;
    int target_count, next_target;
    int64_t reported_us;
    int port;
    bool accepting, is_protected;
};

struct arrival {
    struct mail mail;
    const struct listener_target *target;
    struct conn_start start;
};

struct excess {
    struct mail mail;
    const struct listener_target *target;
    int64_t count;
};

static void deliver_arrival(struct mail *mail)
{
    struct arrival *arrival = container_of(mail, struct arrival, mail);

    conn_create(arrival->target->net, &arrival->start, arrival->target->owner);
    memory_give(arrival);
}

static void report_limit(struct listener *listener, const char *peer, const char *setting, const char *consequence)
{
    int64_t now_us = loop_now_us(listener->loop);

    if (listener->reported_us != 0 && now_us - listener->reported_us < REPORT_EVERY_US)
        return;
    listener->reported_us = now_us;
    report_warn("connections_limited", "port=%d peer=%s setting=%s consequence=\"%s\"", listener->port, peer, setting,
        consequence);
}

static void deliver_excess(struct mail *mail)
{
    struct excess *excess = container_of(mail, struct excess, mail);

    net_close_oldest(excess->target->net, excess->target->owner, excess->count);
    memory_give(excess);
}

/* Of those that are not protected; NULL: none has a connection. */
static struct listener *find_fullest(const struct limits *limits)
{
    struct listener *listener, *fullest = NULL;
    int64_t most = 0;

    DL_FOREACH(limits->listeners, listener) {
        if (listener->is_protected || budget_used(&listener->connections) <= most)
            continue;
        fullest = listener;
        most = budget_used(&listener->connections);
    }
    return fullest;
}

void listeners_close_excess(struct limits *limits)
{
    struct listener *listener = find_fullest(limits);
    int64_t count = limits_excess(limits);

    if (count == 0 || listener == NULL || timer_is_set(&listener->excess))
        return;
    int64_t share = count / listener->target_count;
    report_limit(listener, "any", "max.connections", "the least recently active are closed");
    for (int i = 0; i < listener->target_count; i++) {
        struct excess *excess = memory_take(sizeof(*excess));
        excess->mail.deliver = deliver_excess;
        excess->target = &listener->targets[i];
        excess->count = share + (i < count % listener->target_count);
        mail_send(listener->loop, excess->target->net->loop, &excess->mail);
    }
    timer_set(listener->loop, &listener->excess, loop_now_us(listener->loop) + RETRY_US);
}

static void look_for_excess(struct timer *timer)
{
    listeners_close_excess(container_of(timer, struct listener, excess)->limits);
}

static void place(struct listener *listener, struct conn_start *start)
{
    struct budget *address = limits_take_address(listener->limits, start->peer);

    if (address == NULL) {
        socket_close(start->socket);
        report_limit(listener, start->peer, "max.connections.per.ip", "closed");
        return;
    }
    budget_charge(&listener->limits->connections, 1);
    budget_charge(&listener->connections, 1);
    start->places[0] = &listener->limits->connections;
    start->places[1] = &listener->connections;
    start->places[2] = address;
    if (listener->is_protected)
        listeners_close_excess(listener->limits);

    const struct listener_target *target = &listener->targets[listener->next_target];
    listener->next_target = (listener->next_target + 1) % listener->target_count;
    if (target->net->loop == listener->loop) {
        conn_create(target->net, start, target->owner);
        return;
    }
    struct arrival *arrival = memory_take(sizeof(*arrival));
    arrival->mail.deliver = deliver_arrival;
    arrival->target = target;
    arrival->start = *start;
    mail_send(listener->loop, target->net->loop, &arrival->mail);
}

/* How long no connection may be accepted; 0: one may. */
static int64_t wait_us(struct listener *listener)
{
    int64_t now_us = loop_now_us(listener->loop);
    int64_t own_us = limits_rate_wait_us(&listener->rate, now_us);
    int64_t all_us = limits_rate_wait_us(&listener->limits->rate, now_us);

    if (budget_is_used_up(&listener->connections) ||
        (!listener->is_protected && budget_is_used_up(&listener->limits->connections))) {
        report_limit(listener, "any", "max.connections", "they wait until others leave");
        return RETRY_US;
    }
    if (listener->is_protected || own_us > all_us)
        return own_us;
    return all_us;
}

static void accept_later(struct listener *listener, int64_t in_us)
{
    socket_pause_reading(listener->socket, true);
    timer_set(listener->loop, &listener->retry, loop_now_us(listener->loop) + in_us);
}

static void accept_some(struct listener *listener)
{
    for (int i = 0; i < ACCEPT_PER_PASS; i++) {
        struct conn_start start = { 0 };
        int64_t in_us = wait_us(listener);
        if (in_us > 0) {
            accept_later(listener, in_us);
            return;
        }
        int status = socket_accept(listener->socket, &start.socket, start.peer, sizeof(start.peer));
        if (status == -EAGAIN)
            return;
        if (status < 0) {
            /* out of descriptors or memory: some will be given back */
            report_limit(listener, "any", strerror(-status), "they wait until others leave");
            accept_later(listener, RETRY_US);
            return;
        }
        limits_rate_take(&listener->rate);
        limits_rate_take(&listener->limits->rate);
        place(listener, &start);
    }
    socket_again(listener->socket);
}

static void listener_ready(struct socket_watch *watch, unsigned events)
{
    struct listener *listener = container_of(watch, struct listener, watch);

    (void)events;
    if (listener->accepting)
        accept_some(listener);
}

static void listener_retry(struct timer *timer)
{
    struct listener *listener = container_of(timer, struct listener, retry);

    socket_pause_reading(listener->socket, false);
    socket_again(listener->socket);
}

int listener_open(struct loop *loop, const struct listener_options *options, const struct listener_target *targets,
    int target_count, struct listener **out_listener)
{
    struct listener *listener = memory_take(sizeof(*listener));

    listener->loop = loop;
    listener->limits = options->limits;
    listener->is_protected = options->is_protected;
    listener->targets = targets;
    listener->target_count = target_count;
    listener->watch.ready = listener_ready;
    listener->retry.run = listener_retry;
    listener->excess.run = look_for_excess;
    budget_init(&listener->connections, options->connections_max);
    listener->rate.per_second = -1;
    limits_rate_set(&listener->rate, options->creation_rate);
    int status = socket_listen(loop, options->host, options->port, &listener->watch, &listener->socket);
    if (status < 0) {
        memory_give(listener);
        return status;
    }
    listener->port = socket_port(listener->socket);
    DL_APPEND(listener->limits->listeners, listener);
    *out_listener = listener;
    return 0;
}

void listener_accept(struct listener *listener)
{
    if (listener->socket == NULL)
        return;
    listener->accepting = true;
    accept_some(listener);
}

void listener_set_limits(struct listener *listener, int32_t connections_max, int32_t creation_rate)
{
    listener->connections.limit = connections_max;
    limits_rate_set(&listener->rate, creation_rate);
}

void listener_stop(struct listener *listener)
{
    if (listener == NULL)
        return;
    listener->accepting = false;
    timer_cancel(listener->loop, &listener->retry);
    timer_cancel(listener->loop, &listener->excess);
    if (listener->socket != NULL)
        DL_DELETE(listener->limits->listeners, listener);
    socket_close(listener->socket);
    listener->socket = NULL;
}

void listener_close(struct listener *listener)
{
    listener_stop(listener);
    memory_give(listener);
}

int listener_port(const struct listener *listener)
{
    return listener->port;
}
