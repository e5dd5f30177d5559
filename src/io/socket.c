/* SPDX-License-Identifier: Apache-2.0 */
#include "io/socket.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/container.h"
#include "base/memory.h"
#include "io/linux.h"

/* Not less: of a file that is sent, the kernel holds back for 200 ms the part of a segment that it took before there was no room. */
enum { KERNEL_UNSENT_MAX = 256 * 1024 };

/* The poll is edge-triggered: what it said last is kept here until a call returns -EAGAIN. So a socket is called in
 * every pass in which there is something to do, and neither pausing nor waiting for room costs a system call. */
struct socket {
    struct poll_source source;
    struct socket *prev, *next; /* in loop->ready */
    struct loop *loop;          /* NULL: not watched */
    struct socket_watch *watch;
    uint64_t queued_in;         /* the run in which it was put on the list */
    int descriptor;
    bool queued;
    bool listening;
    bool readable;              /* there is something to read, or to be told by reading */
    bool drained;               /* nothing is left since the last edge: the next read need not ask the kernel */
    bool full;                  /* the last write met -EAGAIN, or nothing is known yet */
    bool ended;                 /* the peer sends no more: a short read does not mean that all is read */
    bool failed;                /* not told yet */
    bool paused;
    bool wants_write;
};

static unsigned due_events(const struct socket *socket)
{
    return (socket->readable && !socket->paused ? SOCKET_READABLE : 0u) |
           (socket->wants_write && !socket->full ? SOCKET_WRITABLE : 0u) | (socket->failed ? SOCKET_FAILED : 0u);
}

static void queue_when_due(struct socket *socket)
{
    if (socket->loop == NULL || socket->queued || due_events(socket) == 0)
        return;
    socket->queued = true;
    socket->queued_in = socket->loop->socket_run;
    DL_APPEND(socket->loop->ready, socket);
}

static void socket_polled(struct poll_source *source, uint32_t events)
{
    struct socket *socket = container_of(source, struct socket, source);
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        socket->ended = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        socket->readable = true;
        socket->drained = false;
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        socket->full = false;
    if (events & (EPOLLHUP | EPOLLERR))
        socket->failed = true;
    queue_when_due(socket);
}

void sockets_run(struct loop *loop)
{
    loop->socket_run++;
    while (loop->ready != NULL && loop->ready->queued_in < loop->socket_run) {
        struct socket *socket = loop->ready;
        DL_DELETE(loop->ready, socket);
        socket->queued = false;
        unsigned events = due_events(socket);
        if (events == 0)
            continue;
        socket->failed = false;
        loop->running = socket; /* until it is closed or handed over */
        socket->watch->ready(socket->watch, events);
        if (loop->running == socket)
            queue_when_due(socket);
    }
    loop->running = NULL;
}

static struct socket *wrap(int descriptor)
{
    struct socket *socket = memory_take(sizeof(*socket));
    socket->source.polled = socket_polled;
    socket->descriptor = descriptor;
    socket->full = true;
    return socket;
}

void socket_watch_start(struct socket *socket, struct loop *loop, struct socket_watch *watch)
{
    assert(socket->loop == NULL && watch->ready != NULL);
    socket->loop = loop;
    socket->watch = watch;
    uint32_t events = socket->listening ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    if (loop_poll(loop, socket->descriptor, events, &socket->source) < 0)
        socket->failed = true; /* out of kernel memory: the owner is told as of any broken connection */
    queue_when_due(socket);
}

void socket_watch_stop(struct socket *socket)
{
    struct loop *loop = socket->loop;
    if (loop == NULL)
        return;
    if (socket->queued)
        DL_DELETE(loop->ready, socket);
    socket->queued = false;
    if (loop->running == socket)
        loop->running = NULL;
    epoll_ctl(loop->poll_descriptor, EPOLL_CTL_DEL, socket->descriptor, NULL);
    socket->loop = NULL;
    socket->watch = NULL;
}

void socket_close(struct socket *socket)
{
    if (socket == NULL)
        return;
    socket_watch_stop(socket);
    close(socket->descriptor);
    memory_give(socket);
}

static void set_option(int descriptor, int level, int option, int value)
{
    setsockopt(descriptor, level, option, &value, sizeof(value)); /* all of them are wishes */
}

static int resolve(const char *host, int port, int flags, struct addrinfo **out_list)
{
    char service[16];
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV };
    snprintf(service, sizeof(service), "%d", port);
    int error = getaddrinfo(host, service, &hints, out_list);
    if (error != 0 && host != NULL && (flags & AI_NUMERICHOST) == 0 && strcmp(host, "localhost") == 0) /* needs no file that says so: RFC 6761, 6.3 */
        error = getaddrinfo("127.0.0.1", service, &hints, out_list);
    switch (error) {
    case 0: return 0;
    case EAI_SYSTEM: return errno > 0 ? -errno : -EIO;
    case EAI_MEMORY: return -ENOMEM;
    case EAI_AGAIN: return -EHOSTUNREACH;
    default: return -EADDRNOTAVAIL;
    }
}

static int open_stream(const struct addrinfo *address)
{
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -errno;
    /* Accepted sockets inherit both. The second bounds what the kernel holds for a peer that does not read. */
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, KERNEL_UNSENT_MAX);
    return descriptor;
}

static int listen_at_one(const struct addrinfo *address, bool all_interfaces)
{
    int descriptor = open_stream(address);
    if (descriptor < 0)
        return descriptor;
    set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address->ai_family == AF_INET6)
        set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, !all_interfaces); /* "::" takes IPv4 too */
    if (bind(descriptor, address->ai_addr, address->ai_addrlen) < 0 || listen(descriptor, SOMAXCONN) < 0) {
        int status = -errno;
        close(descriptor);
        return status;
    }
    return descriptor;
}

/* A name may have addresses that this machine does not have ("localhost" without IPv6): the first that works. */
static int listen_at(const struct addrinfo *list, bool all_interfaces)
{
    int first_failure = -EADDRNOTAVAIL;
    for (const struct addrinfo *address = list; address != NULL; address = address->ai_next) {
        int descriptor = listen_at_one(address, all_interfaces);
        if (descriptor >= 0 || descriptor == -EADDRINUSE)
            return descriptor;
        if (address == list)
            first_failure = descriptor;
    }
    return first_failure;
}

int socket_listen(struct loop *loop, const char *host, int port, struct socket_watch *watch, struct socket **out_socket)
{
    bool all_interfaces = host == NULL || host[0] == '\0';
    struct addrinfo *list;
    int status = resolve(all_interfaces ? "::" : host, port, AI_PASSIVE, &list);
    if (status < 0)
        return status;
    status = listen_at(list, all_interfaces);
    freeaddrinfo(list);
    if (status < 0 && all_interfaces && status != -EADDRINUSE) { /* no IPv6 here */
        int status_v4 = resolve("0.0.0.0", port, AI_PASSIVE, &list);
        if (status_v4 < 0)
            return status_v4;
        status = listen_at(list, true);
        freeaddrinfo(list);
    }
    if (status < 0)
        return status;
    *out_socket = wrap(status);
    (*out_socket)->listening = true;
    socket_watch_start(*out_socket, loop, watch);
    return 0;
}

static void print_peer(const struct sockaddr_storage *address, char *text, size_t size)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    char printed[INET6_ADDRSTRLEN] = "unknown";
    if (address->ss_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, printed, sizeof(printed));
    else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], printed, sizeof(printed));
    else if (address->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, printed, sizeof(printed));
    snprintf(text, size, "%s", printed);
}

int socket_accept(struct socket *listener, struct socket **out_socket, char *peer, size_t peer_size)
{
    for (;;) {
        struct sockaddr_storage address = { 0 };
        socklen_t length = sizeof(address);
        int descriptor = accept4(listener->descriptor, (struct sockaddr *)&address, &length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            print_peer(&address, peer, peer_size);
            *out_socket = wrap(descriptor);
            return 0;
        }
        switch (errno) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO: continue; /* that one has left already */
        case EAGAIN: listener->readable = false; return -EAGAIN;
        default: return -errno; /* out of descriptors or memory; those waiting go on waiting */
        }
    }
}

int socket_connect(struct loop *loop, const char *host, int port, struct socket_watch *watch, struct socket **out_socket)
{
    struct addrinfo *list;
    int status = resolve(host, port, 0, &list);
    if (status < 0)
        return status;
    int descriptor = -1;
    for (struct addrinfo *address = list; address != NULL; address = address->ai_next) {
        descriptor = status = open_stream(address);
        if (descriptor < 0)
            continue;
        if (connect(descriptor, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS)
            break;
        status = -errno;
        close(descriptor);
        descriptor = -1;
    }
    freeaddrinfo(list);
    if (descriptor < 0)
        return status;
    *out_socket = wrap(descriptor);
    socket_watch_start(*out_socket, loop, watch);
    return 0;
}

static int print_host(const char *host, int flags, char *address, size_t size)
{
    struct addrinfo *list;
    struct sockaddr_storage storage = { 0 };
    int status = resolve(host, 0, flags, &list);
    if (status < 0)
        return status;
    const struct addrinfo *chosen = list;
    while (chosen != NULL && chosen->ai_family != AF_INET)
        chosen = chosen->ai_next;
    chosen = chosen == NULL ? list : chosen;
    memcpy(&storage, chosen->ai_addr, chosen->ai_addrlen);
    print_peer(&storage, address, size);
    freeaddrinfo(list);
    return 0;
}

int socket_resolve(const char *host, char *address, size_t size) { return print_host(host, 0, address, size); }

int socket_print_address(const char *host, char *address, size_t size)
{
    return print_host(host, AI_NUMERICHOST, address, size);
}

int socket_port(struct socket *socket)
{
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof(address);
    if (getsockname(socket->descriptor, (struct sockaddr *)&address, &length) < 0)
        return -errno;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

int64_t socket_read(struct socket *socket, void *data, size_t size)
{
    ssize_t got;
    if (socket->drained && socket->loop != NULL)
        return -EAGAIN;
    do
        got = recv(socket->descriptor, data, size, 0);
    while (got < 0 && errno == EINTR);
    /* Less than asked for was all there is, and what comes later is a new edge. Not so once the peer has ended: the
     * end itself is still to be read, and its edge has passed. */
    if (got < 0)
        socket->drained = errno == EAGAIN;
    else if (got > 0)
        socket->drained = (size_t)got < size && !socket->ended;
    if (got <= 0 || socket->drained)
        socket->readable = false;
    return got < 0 ? -errno : got;
}

static int64_t sent(struct socket *socket, ssize_t size)
{
    if (size >= 0)
        return size;
    if (errno == EAGAIN)
        socket->full = true;
    return -errno;
}

int64_t socket_writev(struct socket *socket, const struct iovec *vectors, int count, bool more_follows)
{
    struct msghdr message = { .msg_iov = (struct iovec *)vectors,
                              .msg_iovlen = (size_t)(count < IOV_MAX ? count : IOV_MAX) };
    ssize_t size;
    do
        size = sendmsg(socket->descriptor, &message, MSG_NOSIGNAL | (more_follows ? MSG_MORE : 0));
    while (size < 0 && errno == EINTR);
    return sent(socket, size);
}

int64_t socket_sendfile(struct socket *socket, struct file *file, int64_t position, size_t size)
{
    off_t offset = position;
    ssize_t done;
    do
        done = sendfile(socket->descriptor, file_descriptor(file), &offset, size);
    while (done < 0 && errno == EINTR);
    return sent(socket, done);
}

int64_t socket_untaken(const struct socket *socket)
{
    int size = 0;
    return ioctl(socket->descriptor, SIOCOUTQ, &size) < 0 ? 0 : size;
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
    socket->readable = true;
    socket->drained = false;
    queue_when_due(socket);
}
