/* SPDX-License-Identifier: Apache-2.0 */
#include "io/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/container.h"
#include "base/prng.h"
#include "io/file.h"
#include "io/io.h"
#include "io/loop.h"
#include "test.h"

enum { FILE_BYTES = 5 * 1024 * 1024, MEMORY_BYTES = 3 * 1024 * 1024 };

/* A server that sends memory, then a file, to whoever connects, and a client that reads slowly. */
struct talk {
    struct loop *loop;
    struct socket_watch listening, serving, asking;
    struct socket *listener, *server, *client;
    struct file *file;
    const uint8_t *memory;
    int64_t sent, received;
    uint32_t sum_sent, sum_received;
    bool refused;
    char peer[64];
};

static void serve(struct socket_watch *watch, unsigned events)
{
    struct talk *talk = container_of(watch, struct talk, serving);
    assert_true(events & SOCKET_WRITABLE);
    for (;;) {
        int64_t done;
        if (talk->sent < MEMORY_BYTES) {
            struct iovec vector = { (uint8_t *)talk->memory + talk->sent, (size_t)(MEMORY_BYTES - talk->sent) };
            done = socket_writev(talk->server, &vector, 1, true);
        } else {
            done = socket_sendfile(talk->server, talk->file, talk->sent - MEMORY_BYTES,
                                   (size_t)(FILE_BYTES + MEMORY_BYTES - talk->sent));
        }
        if (done == -EAGAIN)
            return;
        assert_true(done > 0);
        talk->sent += done;
        if (talk->sent == FILE_BYTES + MEMORY_BYTES) {
            socket_close(talk->server);
            return;
        }
    }
}

static void take_connection(struct socket_watch *watch, unsigned events)
{
    struct talk *talk = container_of(watch, struct talk, listening);
    assert_int_equal(events, SOCKET_READABLE);
    if (socket_accept(talk->listener, &talk->server, talk->peer, sizeof(talk->peer)) == -EAGAIN)
        return;
    socket_watch_start(talk->server, talk->loop, &talk->serving);
    socket_want_write(talk->server, true);
}

/* One small read a pass: nothing may be lost when the caller does not read to the end. */
static void receive(struct socket_watch *watch, unsigned events)
{
    struct talk *talk = container_of(watch, struct talk, asking);
    static uint8_t data[100000];
    if (!(events & SOCKET_READABLE))
        return;
    int64_t got = socket_read(talk->client, data, sizeof(data));
    if (got == -EAGAIN)
        return;
    assert_true(got >= 0);
    talk->received += got;
    for (int64_t i = 0; i < got; i++)
        talk->sum_received = talk->sum_received * 31 + data[i];
    if (got == 0) {
        socket_close(talk->client);
        loop_stop(talk->loop);
    }
}

void test_socket__carries_memory_and_files(void)
{
    struct io *io = io_create(1);
    char path[] = "/tmp/unit-io-socket-XXXXXX";
    close(mkstemp(path));
    uint8_t *bytes = malloc(MEMORY_BYTES + FILE_BYTES);
    struct prng prng;
    prng_init(&prng, 9);
    prng_fill(&prng, bytes, MEMORY_BYTES + FILE_BYTES);
    struct talk talk = { .loop = loop_create(io, "loop"), .memory = bytes, .listening.ready = take_connection,
                         .serving.ready = serve, .asking.ready = receive };
    for (int i = 0; i < MEMORY_BYTES + FILE_BYTES; i++)
        talk.sum_sent = talk.sum_sent * 31 + bytes[i];
    assert_int_equal(file_open(io, path, FILE_CREATE, &talk.file), 0);
    assert_int_equal(file_write_all(talk.file, bytes + MEMORY_BYTES, FILE_BYTES, 0), 0);
    assert_int_equal(socket_listen(talk.loop, "127.0.0.1", 0, &talk.listening, &talk.listener), 0);
    int port = socket_port(talk.listener);
    assert_true(port > 0);
    assert_int_equal(socket_connect(talk.loop, "localhost", port, &talk.asking, &talk.client), 0);
    while (loop_turn(talk.loop))
        continue;
    assert_int_equal(talk.received, MEMORY_BYTES + FILE_BYTES);
    assert_int_equal(talk.sum_received, talk.sum_sent);
    assert_string_equal(talk.peer, "127.0.0.1");
    socket_close(talk.listener);
    file_unref(talk.file);
    loop_destroy(talk.loop);
    io_destroy(io);
    unlink(path);
    free(bytes);
}

static void note_refusal(struct socket_watch *watch, unsigned events)
{
    struct talk *talk = container_of(watch, struct talk, asking);
    char byte;
    assert_true(events & SOCKET_FAILED);
    assert_int_equal(socket_read(talk->client, &byte, 1), -ECONNREFUSED);
    talk->refused = true;
    socket_close(talk->client);
    loop_stop(talk->loop);
}

void test_socket__tells_why_a_connection_failed(void)
{
    struct io *io = io_create(1);
    struct talk talk = { .loop = loop_create(io, "loop"), .listening.ready = take_connection,
                         .asking.ready = note_refusal };
    assert_int_equal(socket_listen(talk.loop, "", 0, &talk.listening, &talk.listener), 0);
    int port = socket_port(talk.listener);
    socket_close(talk.listener);
    int status = socket_connect(talk.loop, "127.0.0.1", port, &talk.asking, &talk.client);
    if (status == 0)
        while (loop_turn(talk.loop))
            continue;
    assert_true(talk.refused || status == -ECONNREFUSED);
    assert_int_equal(socket_connect(talk.loop, "no.such.name.invalid", 1, &talk.asking, &talk.client) < 0, 1);
    loop_destroy(talk.loop);
    io_destroy(io);
}
