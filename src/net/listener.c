/* SPDX-License-Identifier: Apache-2.0 */
#include "net/listener.h"

#include <errno.h>
#include <stdlib.h>

#include "base/container.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/report.h"

enum { ACCEPT_PER_PASS = 128, ADDRESSES_KEPT = 1024, REPORT_EVERY_US = 10 * 1000 * 1000, RETRY_US = 100 * 1000 };

/* How many connections one address has; kept while it has any, and a while longer. */
struct listener_address {
    struct budget connections;
    UT_hash_handle hh;
    char address[CONN_PEER_SIZE];
};

struct listener {
    struct loop *loop;
    struct socket *socket;
    struct socket_watch watch;
    struct timer retry;
    struct listener_options options;
    struct budget connections;
    struct listener_address *addresses;
    const struct listener_target *targets;
    int target_count, next_target;
    int64_t reported_us;
    int port;
    bool accepting;
};

struct arrival {
    struct mail mail;
    const struct listener_target *target;
    struct conn_start start;
};

static void deliver_arrival(struct mail *mail)
{
    struct arrival *arrival = container_of(mail, struct arrival, mail);

    conn_create(arrival->target->net, &arrival->start, arrival->target->owner);
    memory_give(arrival);
}

/* The peer's address without its port, which stands behind the last colon. */
static void cut_port(const char *peer, char address[CONN_PEER_SIZE])
{
    const char *colon = strrchr(peer, ':');
    size_t size = colon == NULL ? strlen(peer) : (size_t)(colon - peer);

    size = size < CONN_PEER_SIZE ? size : CONN_PEER_SIZE - 1;
    memcpy(address, peer, size);
    address[size] = 0;
}

static void forget_quiet_addresses(struct listener *listener)
{
    struct listener_address *address, *next;

    if (HASH_COUNT(listener->addresses) < ADDRESSES_KEPT)
        return;
    HASH_ITER(hh, listener->addresses, address, next) {
        if (budget_used(&address->connections) > 0)
            continue;
        HASH_DEL(listener->addresses, address);
        memory_give(address);
    }
}

static struct budget *address_places(struct listener *listener, const char *peer)
{
    struct listener_address *address;
    char text[CONN_PEER_SIZE];

    if (listener->options.connections_per_ip_max == INT32_MAX)
        return NULL;
    cut_port(peer, text);
    HASH_FIND_STR(listener->addresses, text, address);
    if (address != NULL)
        return &address->connections;
    forget_quiet_addresses(listener);
    address = memory_take(sizeof(*address));
    budget_init(&address->connections, listener->options.connections_per_ip_max);
    memcpy(address->address, text, sizeof(text));
    HASH_ADD_STR(listener->addresses, address, address);
    return &address->connections;
}

static void refuse(struct listener *listener, struct conn_start *start, const char *reason)
{
    int64_t now_us = loop_now_us(listener->loop);

    socket_close(start->socket);
    if (listener->reported_us != 0 && now_us - listener->reported_us < REPORT_EVERY_US)
        return;
    listener->reported_us = now_us;
    report_warn("connection_refused", "peer=%s reason=%s", start->peer, reason);
}

static void place(struct listener *listener, struct conn_start *start)
{
    struct budget *address = address_places(listener, start->peer);

    if (address != NULL && !budget_reserve(address, 1)) {
        refuse(listener, start, "max.connections.per.ip");
        return;
    }
    if (!budget_reserve(&listener->connections, 1)) {
        if (address != NULL)
            budget_release(address, 1);
        refuse(listener, start, "max.connections");
        return;
    }
    start->places[0] = &listener->connections;
    start->places[1] = address;

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

static void accept_some(struct listener *listener)
{
    for (int i = 0; i < ACCEPT_PER_PASS; i++) {
        struct conn_start start = { 0 };
        int status = socket_accept(listener->socket, &start.socket, start.peer, sizeof(start.peer));
        if (status == -EAGAIN)
            return;
        if (status == -ECONNABORTED)
            continue;
        if (status < 0) {
            /* out of descriptors or memory: some will be given back */
            report_error("accept_failed", "port=%d reason=%s", listener_port(listener), strerror(-status));
            timer_set(listener->loop, &listener->retry, loop_now_us(listener->loop) + RETRY_US);
            return;
        }
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
    accept_some(container_of(timer, struct listener, retry));
}

int listener_open(struct loop *loop, const struct listener_options *options, const struct listener_target *targets,
    int target_count, struct listener **out_listener)
{
    struct listener *listener = memory_take(sizeof(*listener));

    listener->loop = loop;
    listener->options = *options;
    listener->targets = targets;
    listener->target_count = target_count;
    listener->watch.ready = listener_ready;
    listener->retry.run = listener_retry;
    budget_init(&listener->connections, options->connections_max);
    int status = socket_listen(loop, options->host, options->port, &listener->watch, &listener->socket);
    if (status < 0) {
        memory_give(listener);
        return status;
    }
    listener->port = socket_port(listener->socket);
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

void listener_stop(struct listener *listener)
{
    if (listener == NULL)
        return;
    listener->accepting = false;
    timer_cancel(listener->loop, &listener->retry);
    socket_close(listener->socket);
    listener->socket = NULL;
}

void listener_close(struct listener *listener)
{
    struct listener_address *address, *next;

    if (listener == NULL)
        return;
    listener_stop(listener);
    HASH_ITER(hh, listener->addresses, address, next) {
        HASH_DEL(listener->addresses, address);
        memory_give(address);
    }
    memory_give(listener);
}

int listener_port(const struct listener *listener)
{
    return listener->port;
}
