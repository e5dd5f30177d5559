/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn_parts.h"

#include <assert.h>
#include <errno.h>
#include <utlist.h>

#include "base/bytes.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/odd.h"

enum {
    FRAME_AT_ONCE = 2 * 1024 * 1024, /* what a peer gets for announcing a large frame while there is plenty of memory, */
    FRAME_SHARE = 64,                /* if that is not more than this part of all; else it gets memory for what it sends */
    READ_PER_PASS = 1024 * 1024,
    ANSWERED_PER_PASS = 32 * 1024, /* who asks for much gets it, but in turn with the others */
    UNSENT_MAX = 1024 * 1024, /* with so many bytes of answers that wait, a connection gets no further request, */
    UNSENT_SHARE = 256,       /* or with more than this part of what is left of the budget, */
    UNSENT_MIN = 16 * 1024,   /* but not with less than these */
};

void conn_free(struct conn *conn)
{
    memory_give(conn);
}

void conn_touch(struct conn *conn, int64_t moved)
{
    struct net *net = conn->net;

    conn->active_ms = loop_now_ms(net->loop);
    conn->moved += moved;
    if (conn->next == NULL)
        return;
    DL_DELETE(net->conns, conn);
    DL_APPEND(net->conns, conn);
}

int64_t conn_memory(const struct conn *conn)
{
    const struct buffer *frame = conn->frame, *rest = conn->rest;

    return conn->unsent + (frame == NULL ? 0 : (int64_t)frame->charged) + (rest == NULL ? 0 : (int64_t)rest->charged);
}

void conn_begin_to_hold(struct conn *conn)
{
    if (conn_memory(conn) > 0)
        return;
    conn->moved = 0;
    conn->moved_since_ms = loop_now_ms(conn->net->loop);
}

static bool has_plenty(const struct net *net)
{
    return budget_used(net->budget) < net->budget->limit / 2;
}

static int64_t unsent_max(const struct net *net)
{
    int64_t share = (net->budget->limit - budget_used(net->budget)) / UNSENT_SHARE;

    share = share > UNSENT_MIN ? share : UNSENT_MIN;
    return share < UNSENT_MAX ? share : UNSENT_MAX;
}

void conn_update_pause(struct conn *conn)
{
    bool paused = conn->blocked || conn->waiting || conn->on_hold || conn->unsent >= unsent_max(conn->net) ||
        conn->reply_count >= CONN_REQUESTS_MAX || (conn->reply_count > 0 && odd(full_queue));

    if (paused == conn->paused)
        return;
    conn->paused = paused;
    socket_pause_reading(conn->socket, paused);
    if (!paused)
        socket_again(conn->socket);
}

/* How much to take for a frame of which have bytes are there. */
static size_t next_capacity(const struct net *net, size_t have, size_t frame_size)
{
    size_t share = (size_t)net->budget->limit / FRAME_SHARE;
    size_t step = share < FRAME_AT_ONCE ? share : FRAME_AT_ONCE;
    size_t wish = 2 * have;

    if (has_plenty(net))
        wish = 2 * wish > step ? 2 * wish : step;

    return wish < frame_size ? wish : frame_size;
}

static bool reserve(struct conn *conn, size_t size)
{
    return conn_may_use(conn, (int64_t)size) && budget_reserve(conn->net->budget, (int64_t)size);
}

/* Makes room for more of the frame. False: the budget is used up, try later. */
static bool grow_frame(struct conn *conn, size_t arrived)
{
    struct net *net = conn->net;
    size_t capacity = next_capacity(net, conn->frame->size + arrived, conn->frame_size);

    if (!reserve(conn, capacity - conn->frame->capacity))
        return false;
    conn->frame = buffer_grow(conn->frame, capacity);
    return true;
}

/* Bytes that have already arrived get memory in any case; they are at most SCRATCH_SIZE. */
static struct buffer *create_for_arrived(struct conn *conn, size_t size)
{
    conn_begin_to_hold(conn);
    budget_charge(conn->net->budget, (int64_t)size);
    return buffer_create_charged(size, conn->net->budget);
}

/* What is still to come has to wait for the budget. */
static void begin_frame(struct conn *conn, size_t arrived)
{
    struct net *net = conn->net;
    size_t capacity = next_capacity(net, arrived, conn->frame_size);

    conn_begin_to_hold(conn);
    if (reserve(conn, capacity)) {
        conn->frame = buffer_create_charged(capacity, net->budget);
        return;
    }
    conn->frame = create_for_arrived(conn, arrived < conn->frame_size ? arrived : conn->frame_size);
    conn_wait_for_budget(conn);
}

bool conn_has_whole_frame(const struct conn *conn)
{
    return conn->frame != NULL && conn->frame->size == conn->frame_size;
}

/* Or lets it wait for the budget. */
static void deliver_frame(struct conn *conn)
{
    struct buffer *frame = conn->frame;

    assert(conn_has_whole_frame(conn));
    if (!conn_may_start(conn)) {
        conn_wait_for_budget(conn);
        return;
    }
    conn->is_next = false;
    conn->frame = NULL;
    conn->length_have = 0;
    conn->owner->frame(conn->owner, conn, frame);
    if (conn->socket == NULL)
        return;
    if (!conn_may_use(conn, 1))
        conn_wait_for_budget(conn);
    conn_update_pause(conn);
}

static void keep_rest(struct conn *conn, const uint8_t *data, size_t size)
{
    assert(conn->rest == NULL && (conn->frame == NULL || conn_has_whole_frame(conn)) && size <= SCRATCH_SIZE);
    conn->rest = create_for_arrived(conn, size);
    memcpy(conn->rest->data, data, size);
    conn->rest->size = size;
}

static bool may_go_on(const struct conn *conn)
{
    return !conn->paused && conn->answered < ANSWERED_PER_PASS;
}

/* Cuts what was read into frames, until one pauses the connection. False: a frame that is not allowed. */
static bool feed(struct conn *conn, const uint8_t *data, size_t size)
{
    while (size > 0) {
        if (conn->length_have < sizeof(conn->length)) {
            conn->length[conn->length_have++] = *data++;
            size--;
            if (conn->length_have < sizeof(conn->length))
                continue;
            int32_t length = load_i32(conn->length);
            if (length < 0 || length > conn->net->settings.frame_size_max)
                return false;
            conn->frame_size = (size_t)length;
            begin_frame(conn, size);
        }
        size_t missing = conn->frame_size - conn->frame->size;
        size_t room = conn->frame->capacity - conn->frame->size;
        size_t part = size < missing ? size : missing;
        if (part > room) {
            if (!grow_frame(conn, part)) {
                budget_charge(conn->net->budget, (int64_t)(part - room));
                conn->frame = buffer_grow(conn->frame, conn->frame->size + part);
                conn_wait_for_budget(conn);
            }
            room = conn->frame->capacity - conn->frame->size;
            part = part < room ? part : room;
        }
        memcpy(conn->frame->data + conn->frame->size, data, part);
        conn->frame->size += part;
        data += part;
        size -= part;
        if (conn->frame->size == conn->frame_size) {
            deliver_frame(conn);
            if (conn->socket == NULL)
                return true;
            if (!may_go_on(conn) && size > 0) {
                keep_rest(conn, data, size);
                return true;
            }
        }
    }
    if (conn_has_whole_frame(conn) && !conn->waiting)
        deliver_frame(conn); /* a frame of no bytes: its owner refuses it */
    return true;
}

static int64_t read_rest(struct conn *conn)
{
    struct buffer *rest = conn->rest;

    conn->rest = NULL;
    int64_t status = feed(conn, rest->data, rest->size) ? (int64_t)rest->size : -EPROTO;
    buffer_unref(rest);
    return status;
}

/* One read. Bytes, 0 when there is no more now, or -errno (-ECONNRESET also for the end of the stream). */
static int64_t read_once(struct conn *conn)
{
    struct buffer *frame = conn->frame;
    uint8_t *into = conn->net->scratch;
    size_t room = SCRATCH_SIZE;

    if (conn->rest != NULL)
        return read_rest(conn);
    if (frame != NULL && frame->size == frame->capacity && has_plenty(conn->net) && grow_frame(conn, 1))
        frame = conn->frame;
    if (frame != NULL && frame->size == frame->capacity)
        frame = NULL; /* it gets more memory when more has come */
    if (frame != NULL) {
        into = frame->data + frame->size;
        room = frame->capacity - frame->size;
    }
    int64_t count = socket_read(conn->socket, into, odd(small_read) ? 1 : room);
    if (count == -EAGAIN)
        return 0;
    if (count == 0)
        return -ECONNRESET;
    if (count < 0)
        return count;
    if (frame == NULL)
        return feed(conn, into, (size_t)count) ? count : -EPROTO;
    frame->size += (size_t)count;
    if (frame->size == conn->frame_size)
        deliver_frame(conn);
    return count;
}

static void conn_read(struct conn *conn)
{
    int64_t total = 0;

    conn->answered = 0;
    if (conn->frame == NULL && !conn_may_use(conn, 1))
        conn_wait_for_budget(conn);
    if (!conn->paused && conn_has_whole_frame(conn))
        deliver_frame(conn);
    while (conn->socket != NULL && may_go_on(conn) && total < READ_PER_PASS) {
        int64_t count = read_once(conn);
        if (conn->socket == NULL)
            return;
        if (count < 0) {
            conn_close(conn);
            return;
        }
        if (count == 0)
            break;
        total += count;
    }
    if (conn->socket == NULL)
        return;
    if (total >= READ_PER_PASS || conn->answered >= ANSWERED_PER_PASS)
        socket_again(conn->socket);
    if (total > 0)
        conn_touch(conn, total);
}

static void conn_ready(struct socket_watch *watch, unsigned events)
{
    struct conn *conn = container_of(watch, struct conn, watch);

    if (conn->socket == NULL)
        return;
    if (events & SOCKET_WRITABLE) {
        conn->blocked = false;
        socket_want_write(conn->socket, false);
        conn_ask_send(conn);
    }
    if (events & (SOCKET_READABLE | SOCKET_FAILED)) {
        if ((events & SOCKET_FAILED) && conn->paused)
            conn_close(conn);
        else
            conn_read(conn);
    }
}

struct conn *conn_create(struct net *net, const struct conn_start *start, struct conn_owner *owner)
{
    struct conn *conn = memory_take(sizeof(*conn));

    conn->net = net;
    conn->socket = start->socket;
    conn->owner = owner;
    conn->watch.ready = conn_ready;
    conn->send.run = conn_send;
    conn->active_ms = loop_now_ms(net->loop);
    memcpy(conn->places, start->places, sizeof(conn->places));
    memcpy(conn->peer, start->peer, sizeof(conn->peer));
    DL_APPEND(net->conns, conn);
    net->conn_count++;
    net_look_for_idle(net);
    socket_watch_start(conn->socket, net->loop, &conn->watch);
    return conn;
}

void conn_close(struct conn *conn)
{
    struct net *net = conn->net;

    if (conn->socket == NULL)
        return;
    conn_stop_waiting(conn);
    socket_close(conn->socket);
    conn->socket = NULL;
    DL_DELETE(net->conns, conn);
    net->conn_count--;
    for (int i = 0; i < CONN_PLACES; i++)
        if (conn->places[i] != NULL)
            budget_release(conn->places[i], 1);
    buffer_unref(conn->frame);
    buffer_unref(conn->rest);
    conn->frame = conn->rest = NULL;
    if (conn->owner->closed != NULL)
        conn->owner->closed(conn->owner, conn);
    for (struct reply *reply = conn->first, *next; reply != NULL; reply = next) {
        next = reply->next;
        if (reply->ready)
            reply_release(reply, conn);
        else
            reply->conn = NULL;
    }
    conn->first = conn->last = NULL;
    if (!conn->send_asked)
        conn_ask_send(conn); /* frees it in a moment, from a clean stack */
}

const char *conn_peer(const struct conn *conn)
{
    return conn->peer;
}

struct conn_owner *conn_owner(const struct conn *conn)
{
    return conn->owner;
}

uint64_t conn_mark(const struct conn *conn)
{
    return conn->mark;
}

void conn_set_mark(struct conn *conn, uint64_t mark)
{
    conn->mark = mark;
}

void conn_hold(struct conn *conn, bool hold)
{
    conn->on_hold = hold;
    if (conn->socket != NULL)
        conn_update_pause(conn);
}

void conn_expect(struct conn *conn, struct reply *reply)
{
    assert(conn->socket != NULL);
    reply->next = NULL;
    reply->conn = conn;
    reply->ready = false;
    reply->span_index = 0;
    reply->span_sent = 0;
    reply->charged = 0;
    if (conn->last == NULL)
        conn->first = reply;
    else
        conn->last->next = reply;
    conn->last = reply;
    conn->reply_count++;
}

