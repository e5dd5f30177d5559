/* SPDX-License-Identifier: Apache-2.0 */
/* Stream sockets that never block. A socket belongs to one loop. ready() is called once in every pass in which there
 * is something to do: bytes to read (until a read returns -EAGAIN) unless paused, room to write when it is wanted. So
 * fairness is a caller's that returns early, and one that must wait for something else pauses. ready() may close the
 * socket. Calls return bytes, 0 for the end of the stream, or -errno. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct loop;
struct file;
struct socket;

enum socket_event { SOCKET_READABLE = 1, SOCKET_WRITABLE = 2, SOCKET_FAILED = 4 };

/* Embedded by the owner of the socket. */
struct socket_watch {
    void (*ready)(struct socket_watch *watch, unsigned events);
};

/* host is a name or address; "" or NULL: all interfaces. port 0: any, see socket_port(). A listener is READABLE
 * when there are connections to accept. */
int socket_listen(struct loop *loop, const char *host, int port, struct socket_watch *watch, struct socket **out_socket);
/* -EAGAIN: none waiting. The new socket is not watched yet: call socket_watch_start() from the loop it shall belong to.
 * peer gets its printable address, without a port. Out of descriptors (-EMFILE …): pause the listener for a while. */
int socket_accept(struct socket *listener, struct socket **out_socket, char *peer, size_t peer_size);
/* Returns before the connection stands: wait for WRITABLE, or FAILED (then a read gives the reason). */
int socket_connect(struct loop *loop, const char *host, int port, struct socket_watch *watch, struct socket **out_socket);
void socket_watch_start(struct socket *socket, struct loop *loop, struct socket_watch *watch);
void socket_watch_stop(struct socket *socket); /* before it is handed to another loop */
void socket_close(struct socket *socket);      /* NULL does nothing */
/* The address of a name, as a peer's is printed: IPv4 before IPv6. May ask the name server, so not while others wait. */
int socket_resolve(const char *host, char *address, size_t size);
int socket_print_address(const char *host, char *address, size_t size); /* the same, asking nobody; -EADDRNOTAVAIL: a name */
int socket_port(struct socket *socket);        /* the local port */

int64_t socket_read(struct socket *socket, void *data, size_t size);
int64_t socket_writev(struct socket *socket, const struct iovec *vectors, int count, bool more_follows);
int64_t socket_sendfile(struct socket *socket, struct file *file, int64_t position, size_t size);
int64_t socket_untaken(const struct socket *socket); /* bytes written that the peer has not acknowledged */
void socket_pause_reading(struct socket *socket, bool paused); /* backpressure: no READABLE while paused */
void socket_want_write(struct socket *socket, bool wanted);    /* WRITABLE when the peer takes bytes again */
void socket_again(struct socket *socket);                      /* READABLE in the next pass, whatever the poll says */
