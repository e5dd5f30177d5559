/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/connection.h"

#include <errno.h>
#include <string.h>

#include "sim/link.h"

enum { LEAST_ROOM = 4096, MOST_ROOM = 256 * 1024, RETRY_US = 1000000 };

struct chunk {
    struct chunk *next;
    int64_t at_us;
    bool end;
    size_t size;
    uint8_t data[];
};

void connection_ref(struct connection *connection)
{
    connection->references++;
}

void connection_unref(struct connection *connection)
{
    assert(connection->references > 0);
    if (--connection->references > 0)
        return;
    memory_give(connection->streams[0].arrived);
    memory_give(connection->streams[1].arrived);
    memory_give(connection);
}

/* An event of the connection, which lives until that has run. */
static void set(struct connection *connection, struct event *event, enum event_kind kind, int64_t at_us)
{
    if (!heap_has(&event->entry))
        connection_ref(connection);
    sim_set(connection->sim, event, kind, at_us);
}

static int side_of(const struct stream *stream)
{
    return stream == &stream->connection->streams[1];
}

/* ---- Failures ---- */

static void fail_now(struct event *event)
{
    struct stream *stream = container_of(event, struct stream, failing);
    struct connection *connection = stream->connection;
    struct socket *socket = connection->ends[side_of(stream)];
    bool is_lost = stream->failure == -ECONNRESET && link_is_silent(stream->link);
    if (socket != NULL && !is_lost) {
        stream->start = stream->end = 0;
        socket_fail(socket, stream->failure);
    }
    connection_unref(connection);
}

static void fail_later(struct connection *connection, int side, int failure, int64_t delay_us)
{
    struct stream *stream = &connection->streams[side];
    int64_t at_us = connection->sim->now_us + delay_us;
    bool is_sooner = heap_has(&stream->failing.entry) && stream->failing.entry.key <= at_us;
    if (connection->ends[side] == NULL || is_sooner)
        return;
    stream->failure = failure;
    set(connection, &stream->failing, EVENT_RESET, at_us);
}

static void reset_later(struct connection *connection, int side)
{
    fail_later(connection, side, -ECONNRESET, draw_between(&connection->sim->network, 50, 500));
}

void connection_break(struct connection *connection)
{
    uint64_t ends = 1 + prng_below(&connection->sim->network, 4);
    for (int side = 0; side < 2; side++)
        if (ends > 2 || ends == (uint64_t)side + 1)
            reset_later(connection, side);
}

/* The end that sends to this side has no answer for as long as the link is silent. */
static void doubt(struct connection *connection, int side, const struct link *silent)
{
    if (silent->silent_until_us - connection->sim->now_us > connection->patience_us)
        fail_later(connection, !side, -ETIMEDOUT, connection->patience_us);
}

/* ---- Chunks ---- */

static void append(struct stream *stream, const struct chunk *chunk)
{
    if (stream->end + chunk->size > stream->capacity) {
        if (stream->end > stream->start)
            memmove(stream->arrived, stream->arrived + stream->start, stream->end - stream->start);
        stream->end -= stream->start;
        stream->start = 0;
        if (stream->end + chunk->size > stream->capacity) {
            stream->capacity = stream->end + chunk->size;
            stream->arrived = memory_resize(stream->arrived, stream->capacity);
        }
    }
    if (chunk->size > 0)
        memcpy(stream->arrived + stream->end, chunk->data, chunk->size);
    stream->end += chunk->size;
    stream->ended |= chunk->end;
}

static void take_chunk(struct stream *stream)
{
    struct chunk *chunk = stream->first;
    struct connection *connection = stream->connection;
    int side = side_of(stream);
    struct socket *reader = connection->ends[side];
    stream->first = chunk->next;
    if (reader != NULL && !socket_has_failed(reader)) {
        const struct link *back = connection->streams[!side].link;
        append(stream, chunk);
        socket_notice(reader);
        if (link_is_silent(back))
            doubt(connection, side, back);
    } else if (!chunk->end) {
        reset_later(connection, !side); /* nobody is there: the writer will hear of it */
    }
    memory_give(chunk);
    connection_unref(connection);
}

static void arrive(struct event *event)
{
    struct stream *stream = container_of(event, struct stream, arrival);
    struct connection *connection = stream->connection;
    struct sim *sim = connection->sim;
    int side = side_of(stream);
    connection_ref(connection);
    if (connection->ends[!side] == NULL && connection->machines[!side]->is_dark && link_is_silent(stream->link)) {
        while (stream->first != NULL) { /* nobody is there to send it again */
            struct chunk *chunk = stream->first;
            stream->first = chunk->next;
            memory_give(chunk);
            connection_unref(connection);
        }
    } else if (link_is_silent(stream->link)) {
        doubt(connection, side, stream->link);
        sim_set(sim, event, EVENT_ARRIVAL, stream->link->silent_until_us + link_delay_us(stream->link));
    } else if (connection->machines[side]->is_dark) {
        fail_later(connection, !side, -ETIMEDOUT, connection->patience_us); /* unless there is power sooner, and a reset */
        sim_set(sim, event, EVENT_ARRIVAL, sim->now_us + RETRY_US);
    } else {
        take_chunk(stream);
        if (stream->first != NULL)
            sim_set(sim, event, EVENT_ARRIVAL, stream->first->at_us);
    }
    connection_unref(connection);
}

static void send_chunk(struct connection *connection, int side, const uint8_t *data, size_t size, bool end)
{
    struct sim *sim = connection->sim;
    struct stream *stream = &connection->streams[side];
    struct chunk *chunk = memory_take_raw(sizeof(*chunk) + size);
    int64_t at_us = sim->now_us + link_delay_us(stream->link);
    if (stream->first != NULL && stream->last->at_us > at_us)
        at_us = stream->last->at_us;
    *chunk = (struct chunk){ .at_us = at_us, .end = end, .size = size };
    if (size > 0)
        memcpy(chunk->data, data, size);
    if (stream->first == NULL)
        stream->first = chunk;
    else
        stream->last->next = chunk;
    stream->last = chunk;
    stream->unread += size;
    connection_ref(connection);
    if (stream->first == chunk)
        sim_set(sim, &stream->arrival, EVENT_ARRIVAL, at_us);
}

void connection_send(struct connection *connection, int side, const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t piece = link_cut(connection->streams[side].link, size);
        send_chunk(connection, side, data, piece, false);
        data += piece;
        size -= piece;
    }
}

/* ---- Acknowledgements ---- */

static void hear(struct stream *stream)
{
    struct socket *writer = stream->connection->ends[!side_of(stream)];
    stream->unread -= stream->unheard;
    stream->unheard = 0;
    if (writer != NULL)
        socket_notice(writer); /* there is room again */
}

static void hear_late(struct event *event)
{
    struct stream *stream = container_of(event, struct stream, heard);
    struct connection *connection = stream->connection;
    const struct link *back = connection->streams[!side_of(stream)].link;
    if (link_is_silent(back)) {
        sim_set(connection->sim, event, EVENT_HEARD, back->silent_until_us);
        return;
    }
    hear(stream);
    connection_unref(connection);
}

size_t connection_read(struct connection *connection, int side, void *data, size_t size)
{
    struct stream *stream = &connection->streams[side];
    const struct link *back = connection->streams[!side].link;
    size_t got = stream->end - stream->start;
    if (got > size)
        got = size;
    if (got == 0)
        return 0;
    memcpy(data, stream->arrived + stream->start, got);
    stream->start += got;
    stream->unheard += got;
    if (!link_is_silent(back))
        hear(stream);
    else if (!heap_has(&stream->heard.entry))
        set(connection, &stream->heard, EVENT_HEARD, back->silent_until_us);
    return got;
}

/* ---- Beginning and end ---- */

void connection_close(struct connection *connection, int side, bool power_cut)
{
    bool is_told = prng_below(&connection->sim->network, 2) == 0;
    if (power_cut && is_told) /* by what stands in between */
        fail_later(connection, !side, -ECONNRESET, draw_between(&connection->sim->network, 50, 1000000));
    if (power_cut)
        return;
    if (connection->streams[side].end > connection->streams[side].start)
        reset_later(connection, !side);
    else
        send_chunk(connection, !side, NULL, 0, true);
}

/* While no way leads there and back, it is tried again, less and less often. */
static void reach(struct event *event)
{
    struct connection *connection = container_of(event, struct connection, attempt);
    struct sim *sim = connection->sim;
    struct socket *client = connection->ends[0];
    bool is_lost = link_is_silent(connection->streams[1].link) || link_is_silent(connection->streams[0].link) ||
                   connection->machines[1]->is_dark;
    if (client == NULL) {
        /* it gave up */
    } else if (is_lost && connection->retry_us > connection->patience_us) {
        socket_fail(client, -ETIMEDOUT);
    } else if (is_lost) {
        sim_set(sim, event, EVENT_CONNECT, sim->now_us + connection->retry_us);
        connection->retry_us *= 2;
        return;
    } else if (socket_reach(connection)) {
        socket_connected(client);
    } else {
        socket_fail(client, -ECONNREFUSED);
    }
    connection_unref(connection);
}

struct connection *connection_create(struct machine *from, struct machine *to, int port)
{
    struct sim *sim = from->sim;
    struct connection *connection = memory_take(sizeof(*connection));
    *connection = (struct connection){ .sim = sim,
        .machines = { from, to },
        .room = (size_t)draw_between(&sim->network, LEAST_ROOM, MOST_ROOM),
        .patience_us = draw_between(&sim->network, 2000000, 30000000),
        .retry_us = RETRY_US,
        .attempt.run = reach,
        .port = port };
    for (int side = 0; side < 2; side++)
        connection->streams[side] = (struct stream){ .connection = connection,
            .link = link_between(connection->machines[!side], connection->machines[side]),
            .arrival.run = arrive,
            .heard.run = hear_late,
            .failing.run = fail_now };
    set(connection, &connection->attempt, EVENT_CONNECT, sim->now_us + draw_between(&sim->network, 50, 1000));
    return connection;
}
