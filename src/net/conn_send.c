/* SPDX-License-Identifier: Apache-2.0 */
/* The sending side of a connection: one sendmsg for what is ready, in order, and sendfile for ranges of files. */
#include <assert.h>
#include <errno.h>

#include "base/broken.h"
#include "base/container.h"
#include "base/odd.h"
#include "net/conn_parts.h"

enum {
    SEND_PER_PASS = 4 * 1024 * 1024,
    VECTORS_MAX = 64,
    REPLY_COST = 8 * 1024, /* what an answer takes beside its bytes: the request, its arena's first block */
};

void conn_ask_send(struct conn *conn)
{
    if (conn->send_asked)
        return;
    conn->send_asked = true;
    loop_finish(conn->net->loop, FINISH_SEND, &conn->send);
}

static void block(struct conn *conn)
{
    conn->blocked = true;
    conn->is_proven = false;
    socket_want_write(conn->socket, true);
    conn_update_pause(conn);
}

void reply_release(struct reply *reply, struct conn *conn)
{
    conn->unsent -= reply->charged;
    if (!broken(budget_kept))
        budget_release(conn->net->budget, reply->charged);
    reply->charged = 0;
    reply->conn = NULL;
    reply->done(reply);
}

static void pop_reply(struct conn *conn)
{
    struct reply *reply = conn->first;

    conn->first = reply->next;
    if (conn->first == NULL)
        conn->last = NULL;
    conn->reply_count--;
    bool closes = reply->closes;
    reply_release(reply, conn);
    conn->is_proven = !conn->blocked;
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
            if (span->data == NULL || count == VECTORS_MAX || (count > 0 && odd(short_gather)))
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
    note_sent(conn, broken(short_send) && count > 0 ? size : (size_t)sent);
    return 1;
}

void conn_send(struct task *task)
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
        conn_touch(conn, total);
    conn_update_pause(conn);
}

/* The answer is there and cannot be refused any more, so it is charged; what it may do is to keep others from starting. */
static void charge(struct reply *reply)
{
    struct conn *conn = reply->conn;

    reply->charged = REPLY_COST;
    for (int32_t i = 0; i < reply->span_count; i++)
        if (reply->spans[i].data != NULL)
            reply->charged += (int64_t)reply->spans[i].size;
    conn_begin_to_hold(conn);
    conn->answered += reply->charged - REPLY_COST;
    conn->unsent += reply->charged;
    budget_charge(conn->net->budget, reply->charged);
    net_look_for_slow(conn->net);
}

void reply_ready(struct reply *reply, const struct span *spans, int32_t span_count)
{
    assert(!reply->ready);
    reply->spans = spans;
    reply->span_count = span_count;
    reply->ready = true;
    if (reply->conn == NULL) {
        reply->done(reply);
        return;
    }
    charge(reply);
    if (reply->conn->first == reply)
        conn_ask_send(reply->conn);
}
