/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated network. A connection is two streams; bytes written to one travel in chunks, cut anywhere, that arrive
 * in order after a drawn delay. What one end's process leaves behind when it dies, the other notices later. */
#include "io/socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "sim/world.h"

enum { FIRST_FREE_PORT = 20000, LEAST_ROOM = 4096, MOST_ROOM = 256 * 1024, MOST_VECTORS = 1024 };

/* Bytes on their way to one end. */
struct stream {
    uint8_t *arrived; /* not read yet, from start to end */
    size_t start, end, capacity;
    size_t unread;  /* arrived or on the way; bounded by the connection's room */
    int64_t last_us; /* when the last chunk on the way arrives */
    bool ended;      /* nothing comes after what has arrived */
};

struct connection {
    int references;             /* its sockets, chunks on the way, and a reset or attempt that is set */
    struct sim *sim;
    struct socket *ends[2];     /* NULL: closed, or not accepted by anyone yet */
    struct stream streams[2];   /* [side]: towards ends[side] */
    size_t room;
    bool broken;
    struct event attempt, reset;
    struct machine *target;     /* of the attempt */
    int port;
};

struct chunk {
    struct event event;
    struct connection *connection;
    int side;
    bool end;
    size_t size;
    uint8_t data[];
};

struct socket {
    struct socket *prev, *next;             /* of the io */
    struct socket *ready_prev, *ready_next; /* in loop->ready */
    struct io *io;
    struct loop *loop; /* NULL: not watched */
    struct socket_watch *watch;
    uint64_t queued_in;
    bool queued;
    int port;                      /* local */
    struct connection *connection; /* NULL: a listener */
    int side;
    struct socket *waiting;        /* of a listener: connections to accept; of those: the next one */
    bool connecting, failed, end_read, paused, wants_write, again;
    int failure; /* -errno for reads and writes once broken */
};

static unsigned due_events(const struct socket *socket)
{
    const struct connection *connection = socket->connection;
    if (connection == NULL)
        return socket->waiting != NULL && !socket->paused ? SOCKET_READABLE : 0;
    const struct stream *in = &connection->streams[socket->side];
    const struct stream *out = &connection->streams[!socket->side];
    bool readable = !socket->end_read && (in->end > in->start || in->ended || socket->failure != 0);
    bool writable = !socket->connecting && (out->unread < connection->room || socket->failure != 0);
    return ((readable || socket->again) && !socket->paused ? SOCKET_READABLE : 0u) |
           (writable && socket->wants_write ? SOCKET_WRITABLE : 0u) | (socket->failed ? SOCKET_FAILED : 0u);
}

static void queue_when_due(struct socket *socket)
{
    struct loop *loop = socket->loop;
    if (loop == NULL || socket->queued || due_events(socket) == 0)
        return;
    socket->queued = true;
    socket->queued_in = loop->socket_run;
    DL_APPEND2(loop->ready, socket, ready_prev, ready_next);
    loop_has_work(loop);
}

void sockets_run(struct loop *loop)
{
    loop->socket_run++;
    while (loop->ready != NULL && loop->ready->queued_in < loop->socket_run) {
        struct socket *socket = loop->ready;
        DL_DELETE2(loop->ready, socket, ready_prev, ready_next);
        socket->queued = false;
        unsigned events = due_events(socket);
        if (events == 0)
            continue;
        socket->failed = socket->again = false;
        loop->running = socket;
        socket->watch->ready(socket->watch, events);
        if (loop->running == socket)
            queue_when_due(socket);
    }
    loop->running = NULL;
}

static struct socket *create_socket(struct io *io, struct connection *connection, int side)
{
    struct socket *socket = memory_take(sizeof(*socket));
    *socket = (struct socket){ .io = io, .connection = connection, .side = side };
    if (connection != NULL) {
        connection->references++;
        connection->ends[side] = socket;
    }
    DL_APPEND(io->sockets, socket);
    return socket;
}

static void connection_unref(struct connection *connection)
{
    assert(connection->references > 0);
    if (--connection->references > 0)
        return;
    memory_give(connection->streams[0].arrived);
    memory_give(connection->streams[1].arrived);
    memory_give(connection);
}

void socket_watch_start(struct socket *socket, struct loop *loop, struct socket_watch *watch)
{
    assert(socket->loop == NULL && watch->ready != NULL && loop->io == socket->io);
    socket->loop = loop;
    socket->watch = watch;
    queue_when_due(socket);
}

void socket_watch_stop(struct socket *socket)
{
    struct loop *loop = socket->loop;
    if (loop == NULL)
        return;
    if (socket->queued)
        DL_DELETE2(loop->ready, socket, ready_prev, ready_next);
    socket->queued = false;
    if (loop->running == socket)
        loop->running = NULL;
    socket->loop = NULL;
}

static void fail(struct socket *socket, int failure)
{
    if (socket == NULL || socket->failure != 0)
        return;
    socket->failure = failure;
    socket->failed = true;
    queue_when_due(socket);
}

static void break_now(struct event *event)
{
    struct connection *connection = container_of(event, struct connection, reset);
    connection->broken = true; /* chunks still on the way are dropped when they arrive */
    for (int side = 0; side < 2; side++) {
        struct stream *stream = &connection->streams[side];
        stream->start = stream->end = 0;
        fail(connection->ends[side], -ECONNRESET);
    }
    connection_unref(connection);
}

static void break_later(struct connection *connection, int64_t most_us)
{
    if (connection->broken || heap_has(&connection->reset.entry))
        return;
    connection->references++;
    struct sim *sim = connection->sim;
    sim_set(sim, &connection->reset, EVENT_RESET, sim->now_us + draw_between(&sim->network, 50, most_us));
}

static void arrive(struct event *event)
{
    struct chunk *chunk = container_of(event, struct chunk, event);
    struct connection *connection = chunk->connection;
    struct stream *stream = &connection->streams[chunk->side];
    struct socket *reader = connection->ends[chunk->side];
    if (!connection->broken && reader != NULL) {
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
        queue_when_due(reader);
    } else if (!connection->broken && !chunk->end && connection->ends[!chunk->side] != NULL) {
        break_later(connection, 500); /* nobody is there: the writer will hear of it */
    }
    memory_give(chunk);
    connection_unref(connection);
}

static void send_chunk(struct connection *connection, int side, const uint8_t *data, size_t size, bool end)
{
    struct sim *sim = connection->sim;
    struct stream *stream = &connection->streams[side];
    struct chunk *chunk = memory_take_raw(sizeof(*chunk) + size);
    *chunk = (struct chunk){ .event.run = arrive, .connection = connection, .side = side, .end = end, .size = size };
    if (size > 0)
        memcpy(chunk->data, data, size);
    bool is_slow = prng_below(&sim->network, 100) == 0;
    int64_t at_us = sim->now_us + draw_between(&sim->network, 20, is_slow ? 10000 : 400);
    stream->last_us = at_us > stream->last_us ? at_us : stream->last_us;
    stream->unread += size;
    connection->references++;
    sim_set(sim, &chunk->event, EVENT_ARRIVAL, stream->last_us);
}

static void socket_free(struct socket *socket)
{
    socket_watch_stop(socket);
    DL_DELETE(socket->io->sockets, socket);
    if (socket->connection != NULL) {
        socket->connection->ends[socket->side] = NULL;
        connection_unref(socket->connection);
    }
    memory_give(socket);
}

void socket_close(struct socket *socket)
{
    if (socket == NULL)
        return;
    struct connection *connection = socket->connection;
    while (connection == NULL && socket->waiting != NULL) {
        struct socket *waiting = socket->waiting;
        socket->waiting = waiting->waiting;
        socket_close(waiting);
    }
    if (connection != NULL && !connection->broken && connection->ends[!socket->side] != NULL) {
        if (connection->streams[socket->side].unread > 0)
            break_later(connection, 500);
        else
            send_chunk(connection, !socket->side, NULL, 0, true);
    }
    socket_free(socket);
}

/* A process that is killed has its sockets closed by its kernel; one without power goes silent, and its peers hear
 * of it when they next reach the machine, or its successor. */
void sockets_drop(struct io *io, bool power_cut)
{
    for (struct socket *socket = io->sockets; socket != NULL; socket = socket->next)
        if (socket->connection == NULL)
            socket->waiting = NULL; /* they are on the io's list too */
    while (io->sockets != NULL) {
        struct socket *socket = io->sockets;
        struct connection *connection = socket->connection;
        if (power_cut && connection != NULL && !connection->broken)
            break_later(connection, 1000000);
        if (power_cut)
            socket_free(socket);
        else
            socket_close(socket);
    }
}

static struct socket *find_listener(const struct machine *machine, int port)
{
    struct socket *socket = machine->process == NULL ? NULL : machine->process->sockets;
    while (socket != NULL && (socket->connection != NULL || socket->port != port))
        socket = socket->next;
    return socket;
}

int socket_listen(struct loop *loop, const char *host, int port, struct socket_watch *watch, struct socket **out_socket)
{
    (void)host; /* a machine has one interface */
    struct machine *machine = loop->io->machine;
    if (port == 0)
        for (port = FIRST_FREE_PORT; find_listener(machine, port) != NULL;)
            port++;
    if (find_listener(machine, port) != NULL)
        return -EADDRINUSE;
    *out_socket = create_socket(loop->io, NULL, 0);
    (*out_socket)->port = port;
    socket_watch_start(*out_socket, loop, watch);
    return 0;
}

int socket_accept(struct socket *listener, struct socket **out_socket, char *peer, size_t peer_size)
{
    struct socket *socket = listener->waiting;
    if (socket == NULL)
        return -EAGAIN;
    listener->waiting = socket->waiting;
    socket->waiting = NULL;
    snprintf(peer, peer_size, "10.0.0.%d", socket->connection->ends[0] == NULL ? 0 : 1);
    *out_socket = socket;
    return 0;
}

static void reach_listener(struct event *event)
{
    struct connection *connection = container_of(event, struct connection, attempt);
    struct socket *client = connection->ends[0];
    struct socket *listener = connection->target == NULL ? NULL : find_listener(connection->target, connection->port);
    if (client != NULL) {
        client->connecting = false;
        if (listener == NULL) {
            connection->broken = true;
            fail(client, -ECONNREFUSED);
        } else {
            struct socket **last = &listener->waiting;
            while (*last != NULL)
                last = &(*last)->waiting;
            *last = create_socket(listener->io, connection, 1);
            (*last)->port = connection->port;
            queue_when_due(listener);
        }
        queue_when_due(client);
    }
    connection_unref(connection);
}

static struct machine *find_machine(struct io *from, const char *host)
{
    struct machine *machine = from->sim->machines;
    while (machine != NULL && strcmp(machine->name, host) != 0)
        machine = machine->next;
    if (machine == NULL && (strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0))
        machine = from->machine;
    return machine;
}

int socket_connect(struct loop *loop, const char *host, int port, struct socket_watch *watch, struct socket **out_socket)
{
    struct sim *sim = loop->io->sim;
    struct machine *machine = find_machine(loop->io, host);
    if (machine == NULL)
        return -EADDRNOTAVAIL;
    struct connection *connection = memory_take(sizeof(*connection));
    *connection = (struct connection){ .sim = sim, .attempt.run = reach_listener, .reset.run = break_now,
                                       .target = machine, .port = port, .references = 1 };
    connection->room = (size_t)draw_between(&sim->network, LEAST_ROOM, MOST_ROOM);
    *out_socket = create_socket(loop->io, connection, 0);
    (*out_socket)->connecting = true;
    sim_set(sim, &connection->attempt, EVENT_CONNECT, sim->now_us + draw_between(&sim->network, 50, 1000));
    socket_watch_start(*out_socket, loop, watch);
    return 0;
}

int socket_resolve(const char *host, char *address, size_t size)
{
    snprintf(address, size, "%s", host);
    return 0;
}

int socket_port(struct socket *socket) { return socket->port; }

int64_t socket_read(struct socket *socket, void *data, size_t size)
{
    struct stream *stream = &socket->connection->streams[socket->side];
    size_t got = stream->end - stream->start;
    if (socket->failure != 0) {
        socket->end_read = true;
        return socket->failure;
    }
    if (got == 0 && !stream->ended)
        return -EAGAIN;
    if (got == 0)
        socket->end_read = true;
    if (got > size)
        got = size;
    if (got > 0)
        memcpy(data, stream->arrived + stream->start, got);
    stream->start += got;
    stream->unread -= got;
    if (got > 0 && socket->connection->ends[!socket->side] != NULL)
        queue_when_due(socket->connection->ends[!socket->side]); /* there is room again */
    return (int64_t)got;
}

static int64_t send_bytes(struct socket *socket, const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t piece = size;
        if (prng_below(&socket->io->sim->network, 4) == 0)
            piece = 1 + (size_t)prng_below(&socket->io->sim->network, size < 100 ? size : 100);
        send_chunk(socket->connection, !socket->side, data, piece, false);
        data += piece;
        size -= piece;
    }
    return 0;
}

/* How many bytes a write of size takes now, or -errno. */
static int64_t take_room(struct socket *socket, size_t size)
{
    struct sim *sim = socket->io->sim;
    struct connection *connection = socket->connection;
    if (socket->failure != 0)
        return socket->failure == -ECONNRESET ? -EPIPE : socket->failure;
    if (socket->connecting || connection->streams[!socket->side].unread >= connection->room)
        return -EAGAIN;
    size_t room = connection->room - connection->streams[!socket->side].unread;
    if (prng_chance(&sim->network, sim->faults.connection_reset))
        break_later(connection, 500);
    if (size > room)
        size = room;
    if (size > 1 && prng_chance(&sim->network, sim->faults.short_socket_write))
        size = 1 + (size_t)prng_below(&sim->network, size - 1);
    return (int64_t)size;
}

int64_t socket_writev(struct socket *socket, const struct iovec *vectors, int count, bool more_follows)
{
    (void)more_follows;
    size_t size = 0;
    count = count < MOST_VECTORS ? count : MOST_VECTORS;
    for (int i = 0; i < count; i++)
        size += vectors[i].iov_len;
    int64_t taken = take_room(socket, size);
    int64_t left = taken;
    for (int i = 0; i < count && left > 0; i++) {
        size_t piece = vectors[i].iov_len < (size_t)left ? vectors[i].iov_len : (size_t)left;
        send_bytes(socket, vectors[i].iov_base, piece);
        left -= (int64_t)piece;
    }
    return taken;
}

int64_t socket_sendfile(struct socket *socket, struct file *file, int64_t position, size_t size)
{
    int64_t taken = take_room(socket, size);
    if (taken <= 0)
        return taken;
    uint8_t *data = memory_take_raw((size_t)taken);
    int64_t got = file_pread(file, data, (size_t)taken, position);
    if (got > 0)
        send_bytes(socket, data, (size_t)got);
    memory_give(data);
    return got;
}

int64_t socket_untaken(const struct socket *socket)
{
    return (int64_t)socket->connection->streams[!socket->side].unread;
}

void socket_pause_reading(struct socket *socket, bool paused)
{
    socket->paused = paused;
    queue_when_due(socket);
}

void socket_want_write(struct socket *socket, bool wanted)
{
    socket->wants_write = wanted;
    queue_when_due(socket);
}

void socket_again(struct socket *socket)
{
    socket->again = true;
    queue_when_due(socket);
}
