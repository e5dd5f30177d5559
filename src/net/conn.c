/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <utlist.h>

#include "base/bytes.h"
#include "base/container.h"
#include "base/memory.h"

enum {
    SCRATCH_SIZE = 16 * 1024,       /* first read of a frame; larger frames get the rest without a copy */
    FRAME_STEP = 64 * 1024,         /* what a peer gets for announcing a large frame while memory is short */
    FRAME_AT_ONCE = 2 * 1024 * 1024, /* and while there is plenty */
    READ_PER_PASS = 1024 * 1024,
    SEND_PER_PASS = 4 * 1024 * 1024,
    VECTORS_MAX = 64,
    BUDGET_RETRY_US = 5 * 1000,
    STALLED_MS = 10 * 1000, /* a half frame that holds memory others wait for */
    IDLE_CHECK_US = 1000 * 1000,
};

struct conn {
    struct net *net;
    struct socket *socket; /* NULL: the connection ended */
    struct socket_watch watch;
    struct conn_owner *owner;
    struct conn *prev, *next; /* of net->conns */
    struct conn *wait_prev, *wait_next;
    struct task send;
    struct buffer *frame; /* being read; NULL between frames */
    size_t frame_size;
    struct reply *first, *last;
    struct budget *places[2];
    int64_t active_ms;
    uint64_t mark;
    int32_t reply_count;
    uint8_t length[4];
    uint8_t length_have;
    bool send_asked, blocked, paused, waiting;
    char peer[CONN_PEER_SIZE];
};

static void conn_free(struct conn *conn)
{
    memory_give(conn);
}

static void ask_send(struct conn *conn)
{
    if (conn->send_asked)
        return;
    conn->send_asked = true;
    loop_finish(conn->net->loop, FINISH_SEND, &conn->send);
}

static void touch(struct conn *conn)
{
    struct net *net = conn->net;

    conn->active_ms = loop_now_ms(net->loop);
    if (conn->next == NULL)
        return;
    DL_DELETE(net->conns, conn);
    DL_APPEND(net->conns, conn);
}

static void update_pause(struct conn *conn)
{
    bool paused = conn->blocked || conn->waiting || conn->reply_count >= CONN_REQUESTS_MAX;

    if (paused == conn->paused)
        return;
    conn->paused = paused;
    socket_pause_reading(conn->socket, paused);
    if (!paused)
        socket_again(conn->socket);
}

static void wait_for_budget(struct conn *conn)
{
    struct net *net = conn->net;

    if (conn->waiting)
        return;
    conn->waiting = true;
    DL_APPEND2(net->waiting, conn, wait_prev, wait_next);
    if (!timer_is_set(&net->budget_timer))
        timer_set(net->loop, &net->budget_timer, loop_now_us(net->loop) + BUDGET_RETRY_US);
    update_pause(conn);
}

static void stop_waiting(struct conn *conn)
{
    if (!conn->waiting)
        return;
    conn->waiting = false;
    DL_DELETE2(conn->net->waiting, conn, wait_prev, wait_next);
}

/* How much to take for a frame of which have bytes are there. */
static size_t next_capacity(const struct net *net, size_t have, size_t frame_size)
{
    bool plenty = budget_used(net->budget) < net->budget->limit / 2;
    size_t step = plenty ? FRAME_AT_ONCE : FRAME_STEP;
    size_t wish = have * 4 > step ? have * 4 : step;

    return wish < frame_size ? wish : frame_size;
}

/* Makes room for more of the frame. False: the budget is used up, try later. */
static bool grow_frame(struct conn *conn)
{
    struct net *net = conn->net;
    struct buffer *old = conn->frame;
    size_t capacity = next_capacity(net, old->size, conn->frame_size);

    if (!budget_reserve(net->budget, (int64_t)capacity))
        return false;
    struct buffer *buffer = buffer_create_charged(capacity, net->budget);
    memcpy(buffer->data, old->data, old->size);
    buffer->size = old->size;
    conn->frame = buffer;
    buffer_unref(old);
    return true;
}

/* Bytes that have already arrived get memory in any case (they are at most SCRATCH_SIZE); it is what is still to come
 * that has to wait for the budget. */
static void begin_frame(struct conn *conn, size_t arrived)
{
    struct net *net = conn->net;
    size_t capacity = next_capacity(net, 0, conn->frame_size);

    if (budget_reserve(net->budget, (int64_t)capacity)) {
        conn->frame = buffer_create_charged(capacity, net->budget);
        return;
    }
    conn->frame = buffer_create(arrived < conn->frame_size ? arrived : conn->frame_size);
    wait_for_budget(conn);
}

static void deliver_frame(struct conn *conn)
{
    struct buffer *frame = conn->frame;

    assert(frame->size == conn->frame_size);
    conn->frame = NULL;
    conn->length_have = 0;
    conn->owner->frame(conn->owner, conn, frame);
    if (conn->socket != NULL)
        update_pause(conn);
}

/* Cuts what was read into frames. False: a frame that is not allowed. */
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
            if (!grow_frame(conn)) {
                /* arrived already: it must be kept somewhere, and it is small */
                struct buffer *kept = buffer_create(conn->frame->size + part);
                memcpy(kept->data, conn->frame->data, conn->frame->size);
                kept->size = conn->frame->size;
                buffer_unref(conn->frame);
                conn->frame = kept;
                wait_for_budget(conn);
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
        }
    }
    if (conn->length_have == sizeof(conn->length) && conn->frame->size == conn->frame_size)
        deliver_frame(conn); /* a frame of no bytes: its owner refuses it */
    return true;
}

/* One read. Bytes, 0 when there is no more now, or -errno (-ECONNRESET also for the end of the stream). */
static int64_t read_once(struct conn *conn)
{
    struct buffer *frame = conn->frame;
    uint8_t *into = conn->net->scratch;
    size_t room = SCRATCH_SIZE;

    if (frame != NULL) {
        if (frame->size == frame->capacity) {
            if (!grow_frame(conn)) {
                wait_for_budget(conn);
                return 0;
            }
            frame = conn->frame;
        }
        into = frame->data + frame->size;
        room = frame->capacity - frame->size;
    }
    int64_t count = socket_read(conn->socket, into, room);
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

    while (!conn->paused) {
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
        if (total >= READ_PER_PASS) {
            socket_again(conn->socket);
            break;
        }
    }
    if (total > 0)
        touch(conn);
}

static void conn_ready(struct socket_watch *watch, unsigned events)
{
    struct conn *conn = container_of(watch, struct conn, watch);

    if (conn->socket == NULL)
        return;
    if (events & SOCKET_WRITABLE) {
        conn->blocked = false;
        socket_want_write(conn->socket, false);
        ask_send(conn);
    }
    if (events & (SOCKET_READABLE | SOCKET_FAILED)) {
        if ((events & SOCKET_FAILED) && conn->paused)
            conn_close(conn);
        else
            conn_read(conn);
    }
}

static void block(struct conn *conn)
{
    conn->blocked = true;
    socket_want_write(conn->socket, true);
    update_pause(conn);
}

static void pop_reply(struct conn *conn)
{
    struct reply *reply = conn->first;

    conn->first = reply->next;
    if (conn->first == NULL)
        conn->last = NULL;
    conn->reply_count--;
    bool closes = reply->closes;
    reply->conn = NULL;
    reply->done(reply);
    if (closes)
        conn_close(conn);
}

static bool reply_is_sent(const struct reply *reply)
{
    return reply->span_index == reply->span_count;
}

/* Advances over spans by count bytes, and drops the replies that are gone. */
static void note_sent(struct conn *conn, size_t count)
{
    while (conn->socket != NULL && conn->first != NULL && conn->first->ready) {
        struct reply *reply = conn->first;
        while (reply->span_index < reply->span_count) {
            size_t left = reply->spans[reply->span_index].size - reply->span_sent;
            if (count < left) {
                reply->span_sent += count;
                return;
            }
            count -= left;
            reply->span_sent = 0;
            reply->span_index++;
        }
        pop_reply(conn);
    }
    assert(count == 0 || conn->socket == NULL);
}

/* Collects memory up to the first range of a file. */
static int gather(const struct conn *conn, struct iovec *vectors, size_t *out_size, bool *out_more)
{
    int count = 0;

    *out_size = 0;
    *out_more = false;
    for (const struct reply *reply = conn->first; reply != NULL && reply->ready; reply = reply->next) {
        size_t skip = reply->span_sent;
        for (int32_t i = reply->span_index; i < reply->span_count; i++, skip = 0) {
            const struct span *span = &reply->spans[i];
            if (span->size == skip)
                continue;
            *out_more = true;
            if (span->data == NULL || count == VECTORS_MAX)
                return count;
            *out_more = false;
            vectors[count++] = (struct iovec){ (uint8_t *)(uintptr_t)(span->data + skip), span->size - skip };
            *out_size += span->size - skip;
        }
        if (reply->closes)
            break;
    }
    return count;
}

static int64_t send_file(struct conn *conn)
{
    struct reply *reply = conn->first;
    const struct span *span = &reply->spans[reply->span_index];
    int64_t count = socket_sendfile(conn->socket, span->file, span->position + (int64_t)reply->span_sent,
        span->size - reply->span_sent);

    return count == 0 ? -EIO : count; /* shorter than promised: the stream cannot be continued */
}

/* Sends the next run of bytes. 1: go on, 0: nothing more can be done now, or -errno. */
static int64_t send_once(struct conn *conn, int64_t *total)
{
    struct iovec vectors[VECTORS_MAX];
    size_t size;
    bool more;
    int64_t sent;

    while (conn->socket != NULL && conn->first != NULL && conn->first->ready && reply_is_sent(conn->first))
        pop_reply(conn);
    if (conn->socket == NULL || conn->first == NULL || !conn->first->ready)
        return 0;
    int count = gather(conn, vectors, &size, &more);
    if (count > 0) {
        sent = socket_writev(conn->socket, vectors, count, more);
    } else if (more) {
        note_sent(conn, 0); /* past spans that are empty */
        sent = send_file(conn);
        size = SIZE_MAX;
    } else {
        note_sent(conn, 0);
        return 1;
    }
    if (sent == -EAGAIN) {
        block(conn);
        return 0;
    }
    if (sent < 0)
        return sent;
    *total += sent;
    note_sent(conn, (size_t)sent);
    return 1;
}

static void conn_send(struct task *task)
{
    struct conn *conn = container_of(task, struct conn, send);
    int64_t total = 0, status = 1;

    conn->send_asked = false;
    if (conn->socket == NULL) {
        conn_free(conn);
        return;
    }
    conn->send_asked = true; /* keeps the struct alive while done() and closed() run */
    while (status > 0 && conn->socket != NULL && !conn->blocked && total < SEND_PER_PASS)
        status = send_once(conn, &total);
    if (status < 0 && conn->socket != NULL)
        conn_close(conn);
    conn->send_asked = false;
    if (conn->socket == NULL) {
        conn_free(conn);
        return;
    }
    if (total >= SEND_PER_PASS && conn->first != NULL && conn->first->ready)
        block(conn); /* the others' turn; the socket says at once when it takes more */
    if (total > 0)
        touch(conn);
    update_pause(conn);
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
    if (net->settings.idle_ms >= 0 && !timer_is_set(&net->idle_timer))
        timer_set(net->loop, &net->idle_timer, loop_now_us(net->loop) + IDLE_CHECK_US);
    socket_watch_start(conn->socket, net->loop, &conn->watch);
    return conn;
}

void conn_close(struct conn *conn)
{
    struct net *net = conn->net;

    if (conn->socket == NULL)
        return;
    stop_waiting(conn);
    socket_close(conn->socket);
    conn->socket = NULL;
    DL_DELETE(net->conns, conn);
    net->conn_count--;
    for (int i = 0; i < 2; i++)
        if (conn->places[i] != NULL)
            budget_release(conn->places[i], 1);
    buffer_unref(conn->frame);
    conn->frame = NULL;
    if (conn->owner->closed != NULL)
        conn->owner->closed(conn->owner, conn);
    for (struct reply *reply = conn->first, *next; reply != NULL; reply = next) {
        next = reply->next;
        reply->conn = NULL;
        if (reply->ready)
            reply->done(reply);
    }
    conn->first = conn->last = NULL;
    if (!conn->send_asked)
        ask_send(conn); /* frees it in a moment, from a clean stack */
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

void conn_expect(struct conn *conn, struct reply *reply)
{
    assert(conn->socket != NULL);
    reply->next = NULL;
    reply->conn = conn;
    reply->ready = false;
    reply->span_index = 0;
    reply->span_sent = 0;
    if (conn->last == NULL)
        conn->first = reply;
    else
        conn->last->next = reply;
    conn->last = reply;
    conn->reply_count++;
}

void reply_ready(struct reply *reply, const struct span *spans, int32_t span_count)
{
    assert(!reply->ready);
    reply->spans = spans;
    reply->span_count = span_count;
    reply->ready = true;
    if (reply->conn == NULL)
        reply->done(reply);
    else if (reply->conn->first == reply)
        ask_send(reply->conn);
}

/* Who waited for the budget tries again; who holds half a frame and sends nothing loses it to the others. */
static void retry_budget(struct timer *timer)
{
    struct net *net = container_of(timer, struct net, budget_timer);
    int64_t now_ms = loop_now_ms(net->loop);

    if (budget_used(net->budget) < net->budget->limit - net->budget->limit / 16) {
        struct conn *conn, *next;
        DL_FOREACH_SAFE2(net->waiting, conn, next, wait_next) {
            stop_waiting(conn);
            update_pause(conn);
        }
    } else {
        struct conn *conn, *next;
        DL_FOREACH_SAFE(net->conns, conn, next) {
            if (now_ms - conn->active_ms < STALLED_MS)
                break;
            if (conn->frame != NULL && !conn->waiting && !conn->paused)
                conn_close(conn);
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
