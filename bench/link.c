/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { FIRST_CAPACITY = 1024 };

void link_open(struct link *link, const struct options *options, int poll)
{
    *link = (struct link){ .descriptor = socket_connect(options->host, options->port, true),
        .capacity = FIRST_CAPACITY,
        .receiving = memory_take(FIRST_CAPACITY) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = link };
    if (epoll_ctl(poll, EPOLL_CTL_ADD, link->descriptor, &event) < 0)
        bench_fail("epoll_ctl: %s", strerror(errno));
}

void link_close(struct link *link)
{
    close(link->descriptor);
    memory_give(link->receiving);
}

void link_ask(
    struct link *link, struct asker *asker, int16_t api_key, int16_t version, const void *request)
{
    struct buffer *frame = frame_build(api_key, version, 0, request);
    send_all(link->descriptor, frame->data, frame->size);
    buffer_unref(frame);
    asker->next = NULL;
    if (link->first == NULL)
        link->first = asker;
    else
        link->last->next = asker;
    link->last = asker;
}

static void tell_first(struct link *link, struct bytes answer)
{
    struct asker *asker = link->first;
    if (asker == NULL)
        bench_fail("an answer that nobody asked for");
    link->first = asker->next;
    asker->answered(asker, answer);
}

void link_receive(struct link *link)
{
    ssize_t got = recv(link->descriptor, link->receiving + link->received,
        link->capacity - link->received, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        bench_fail("receive: %s", got == 0 ? "the broker closed the connection" : strerror(errno));
    if (got < 0)
        return;
    link->received += (size_t)got;
    size_t used = 0, size = 0;
    while (link->received - used >= 4) {
        size = load_u32(link->receiving + used);
        if (link->received - used - 4 < size)
            break;
        tell_first(link, (struct bytes){ link->receiving + used + 4, size });
        used += 4 + size;
    }
    memmove(link->receiving, link->receiving + used, link->received - used);
    link->received -= used;
    if (link->received >= 4 && size + 4 > link->capacity) {
        link->capacity = size + 4;
        link->receiving = memory_resize(link->receiving, link->capacity);
    }
}
