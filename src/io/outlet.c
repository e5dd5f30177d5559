/* SPDX-License-Identifier: Apache-2.0 */
#include "io/outlet.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/linux.h"

struct outlet {
    struct poll_source source;
    struct loop *loop;
    int given, descriptor; /* the one that is written may be another */
    bool is_polled;        /* else it always has room, as a file does */
    FILE *stream;
    char *text; /* what was printed, up to size, as of the stream's last flush */
    size_t size, sent;
};

/* Only to end the loop's turn: whether there is room is asked before every write. */
static void room_came(struct poll_source *source, uint32_t events)
{
    (void)source;
    (void)events;
}

/* -1: it cannot be, as when the terminal is another user's. */
static int open_again(int descriptor)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

struct outlet *outlet_open(struct loop *loop, int descriptor)
{
    struct outlet *outlet = memory_take(sizeof(*outlet));
    int own = isatty(descriptor) ? open_again(descriptor) : -1;
    *outlet = (struct outlet){ .source.polled = room_came,
        .loop = loop,
        .given = descriptor,
        .descriptor = own >= 0 ? own : descriptor };
    outlet->stream = open_memstream(&outlet->text, &outlet->size);
    assert(outlet->stream != NULL); /* no memory: as in memory_take(), nobody could answer */
    outlet->is_polled = loop_poll(loop, outlet->descriptor, EPOLLOUT, &outlet->source) == 0;
    return outlet;
}

void outlet_close(struct outlet *outlet)
{
    if (outlet == NULL)
        return;
    if (outlet->is_polled)
        epoll_ctl(outlet->loop->poll_descriptor, EPOLL_CTL_DEL, outlet->descriptor, NULL);
    if (outlet->descriptor != outlet->given)
        close(outlet->descriptor);
    fclose(outlet->stream);
    memory_give(outlet->text);
    memory_give(outlet);
}

FILE *outlet_stream(struct outlet *outlet)
{
    return outlet->stream;
}

size_t outlet_printed(const struct outlet *outlet)
{
    return outlet->size == 0 ? (size_t)ftello(outlet->stream) : 0;
}

size_t outlet_unsent(const struct outlet *outlet)
{
    return outlet->size - outlet->sent;
}

/* How many bytes of the rest were taken; -EAGAIN when none. */
static int64_t write_some(struct outlet *outlet)
{
    size_t size = outlet_unsent(outlet);
    if (outlet->is_polled) {
        struct pollfd room = { .fd = outlet->descriptor, .events = POLLOUT };
        if (poll(&room, 1, 0) <= 0)
            return -EAGAIN;
        if (size > PIPE_BUF)
            size = PIPE_BUF;
    }
    ssize_t written = write(outlet->descriptor, outlet->text + outlet->sent, size);
    return written >= 0 ? written : errno == EINTR ? -EAGAIN : -errno;
}

int outlet_send(struct outlet *outlet)
{
    int64_t status = fflush(outlet->stream) == 0 && !ferror(outlet->stream) ? 0 : -ENOMEM;
    while (status >= 0 && outlet_unsent(outlet) > 0) {
        status = write_some(outlet);
        if (status > 0)
            outlet->sent += (size_t)status;
    }
    if (status == -EAGAIN)
        return -EAGAIN;
    rewind(outlet->stream);
    outlet->size = outlet->sent = 0;
    return status < 0 ? (int)status : 0;
}
