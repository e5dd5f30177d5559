/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of the simulated network, and how a loop hears of them. What happens between two of them is in connection.c. */
#include "io/socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "sim/connection.h"

enum { FIRST_FREE_PORT = 20000, MOST_VECTORS = 1024 };

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
        connection_ref(connection);
        connection->ends[side] = socket;
    }
    DL_APPEND(io->sockets, socket);
    return socket;
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

void socket_notice(struct socket *socket)
{
    queue_when_due(socket);
}

bool socket_has_failed(const struct socket *socket)
{
    return socket->failure != 0;
}

void socket_fail(struct socket *socket, int failure)
{
    if (socket->failure != 0)
        return;
    socket->connecting = false;
    socket->failure = failure;
    socket->failed = true;
    queue_when_due(socket);
}

void socket_connected(struct socket *socket)
{
    socket->connecting = false;
    queue_when_due(socket);
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

static void close_end(struct socket *socket, bool power_cut)
{
    struct connection *connection = socket->connection;
    while (connection == NULL && socket->waiting != NULL) {
        struct socket *waiting = socket->waiting;
        socket->waiting = waiting->waiting;
        close_end(waiting, power_cut);
    }
    if (connection != NULL && !socket->connecting && socket->failure == 0)
        connection_close(connection, socket->side, power_cut);
    socket_free(socket);
}

void socket_close(struct socket *socket)
{
    if (socket != NULL)
        close_end(socket, false);
}

/* A process that is killed has its sockets closed by its kernel; one without power goes silent. */
int sockets_count(const struct io *io)
{
    int count = 0;
    for (const struct socket *socket = io->sockets; socket != NULL; socket = socket->next)
        count++;
    return count;
}

void sockets_drop(struct io *io, bool power_cut)
{
    for (struct socket *socket = io->sockets; socket != NULL; socket = socket->next)
        if (socket->connection == NULL)
            socket->waiting = NULL; /* they are on the io's list too */
    while (io->sockets != NULL)
        close_end(io->sockets, power_cut);
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
    int number = 1; /* of the machine that connected */
    for (const struct machine *machine = socket->connection->sim->machines; machine != socket->connection->machines[0];)
        machine = machine->next, number++;
    snprintf(peer, peer_size, "10.0.0.%d", number);
    *out_socket = socket;
    return 0;
}

bool socket_reach(struct connection *connection)
{
    struct socket *listener = find_listener(connection->machines[1], connection->port);
    if (listener == NULL)
        return false;
    struct socket **last = &listener->waiting;
    while (*last != NULL)
        last = &(*last)->waiting;
    *last = create_socket(listener->io, connection, 1);
    (*last)->port = connection->port;
    queue_when_due(listener);
    return true;
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
    struct machine *machine = find_machine(loop->io, host);
    if (machine == NULL)
        return -EADDRNOTAVAIL;
    *out_socket = create_socket(loop->io, connection_create(loop->io->machine, machine, port), 0);
    (*out_socket)->connecting = true;
    socket_watch_start(*out_socket, loop, watch);
    return 0;
}

int socket_resolve(const char *host, char *address, size_t size)
{
    snprintf(address, size, "%s", host);
    return 0;
}

int socket_print_address(const char *host, char *address, size_t size)
{
    return host[0] >= '0' && host[0] <= '9' ? socket_resolve(host, address, size) : -EADDRNOTAVAIL;
}

int socket_port(struct socket *socket) { return socket->port; }

int64_t socket_read(struct socket *socket, void *data, size_t size)
{
    if (socket->failure != 0) {
        socket->end_read = true;
        return socket->failure;
    }
    size_t got = connection_read(socket->connection, socket->side, data, size);
    if (got == 0 && !socket->connection->streams[socket->side].ended)
        return -EAGAIN;
    if (got == 0)
        socket->end_read = true;
    return (int64_t)got;
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
        connection_break(connection);
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
        connection_send(socket->connection, !socket->side, vectors[i].iov_base, piece);
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
        connection_send(socket->connection, !socket->side, data, (size_t)got);
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
