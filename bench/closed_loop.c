/* SPDX-License-Identifier: Apache-2.0 */
#include "closed_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { FRAMES_A_CALL = 16, RECEIVE_SIZE = 64 * 1024, EVENTS_A_PASS = 256 };

struct lane {
    int descriptor;
    int index;
    uint32_t sending; /* number of the frame that goes out next; it is the correlation id too */
    size_t sent_of_it;
    uint32_t answered; /* frames below this are answered */
    int64_t *sent_at;  /* by number modulo window */
    size_t received;
    uint8_t *receiving;
    bool wants_to_write;
};

struct lanes {
    struct closed_loop *loop;
    const struct options *options;
    struct lane *list;
    int poll;
    uint64_t filled;
};

static struct buffer *frame_of(const struct lanes *lanes, const struct lane *lane, uint32_t number)
{
    const struct closed_loop *loop = lanes->loop;
    uint64_t place = (uint64_t)lane->index + (uint64_t)number * (uint64_t)loop->stride;
    return loop->frames[place % (uint64_t)loop->frame_count];
}

static void watch(const struct lanes *lanes, struct lane *lane, int operation)
{
    struct epoll_event event = { .events = EPOLLIN | (lane->wants_to_write ? EPOLLOUT : 0u),
        .data.ptr = lane };
    if (epoll_ctl(lanes->poll, operation, lane->descriptor, &event) < 0)
        bench_fail("epoll_ctl: %s", strerror(errno));
}

/* Everything that the window allows, in one call; what does not fit goes on from where it stopped.
 */
static void lane_send(struct lanes *lanes, struct lane *lane, int64_t now)
{
    uint8_t heads[FRAMES_A_CALL][FRAME_HEAD_SIZE];
    struct iovec pieces[FRAMES_A_CALL * 2];
    uint32_t window = (uint32_t)lanes->options->window;
    int count = 0;
    size_t wanted = 0;
    for (uint32_t n = lane->sending; n != lane->answered + window && count < FRAMES_A_CALL; n++) {
        struct buffer *frame = frame_of(lanes, lane, n);
        memcpy(heads[count], frame->data, FRAME_HEAD_SIZE);
        store_u32(heads[count] + 8, n);
        pieces[count * 2] = (struct iovec){ heads[count], FRAME_HEAD_SIZE };
        pieces[count * 2 + 1] =
            (struct iovec){ frame->data + FRAME_HEAD_SIZE, frame->size - FRAME_HEAD_SIZE };
        wanted += frame->size;
        lane->sent_at[n % window] = now;
        count++;
    }
    size_t skip = lane->sent_of_it;
    int first = 0;
    for (; count > 0 && first < 2 && skip >= pieces[first].iov_len; first++)
        skip -= pieces[first].iov_len;
    if (count == 0)
        return;
    pieces[first].iov_base = (uint8_t *)pieces[first].iov_base + skip;
    pieces[first].iov_len -= skip;
    wanted -= lane->sent_of_it;
    struct msghdr message = { .msg_iov = pieces + first,
        .msg_iovlen = (size_t)(count * 2 - first) };
    ssize_t sent = sendmsg(lane->descriptor, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        bench_fail("send: %s", strerror(errno));
    lane->sent_of_it += sent > 0 ? (size_t)sent : 0;
    for (;;) {
        size_t size = frame_of(lanes, lane, lane->sending)->size;
        if (lane->sent_of_it < size)
            break;
        lane->sent_of_it -= size;
        lane->sending++;
    }
    bool blocked = sent < (ssize_t)wanted;
    if (blocked != lane->wants_to_write) {
        lane->wants_to_write = blocked;
        watch(lanes, lane, EPOLL_CTL_MOD);
    }
}

static void take_answer(struct lanes *lanes, struct lane *lane, struct bytes answer, int64_t now)
{
    struct closed_loop *loop = lanes->loop;
    struct measurement *measurement = &loop->measurement;
    int32_t id;
    arena_reset(&loop->arena);
    lanes->filled += loop->take_answer(loop, answer, &id);
    if (id != (int32_t)lane->answered)
        bench_fail("answers out of order");
    if (measurement->counting) {
        uint32_t place = lane->answered % (uint32_t)lanes->options->window;
        histogram_add(&measurement->times, (uint64_t)(now - lane->sent_at[place]));
        measurement->requests++;
    }
    lane->answered++;
}

static void lane_receive(struct lanes *lanes, struct lane *lane, int64_t now)
{
    ssize_t got =
        recv(lane->descriptor, lane->receiving + lane->received, RECEIVE_SIZE - lane->received, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        bench_fail("receive: %s", got == 0 ? "the broker closed the connection" : strerror(errno));
    if (got < 0)
        return;
    lane->received += (size_t)got;
    size_t used = 0;
    while (lane->received - used >= 4) {
        size_t size = load_u32(lane->receiving + used);
        if (size > RECEIVE_SIZE - 4)
            bench_fail("an answer of %zu bytes", size);
        if (lane->received - used - 4 < size)
            break;
        take_answer(lanes, lane, (struct bytes){ lane->receiving + used + 4, size }, now);
        used += 4 + size;
    }
    memmove(lane->receiving, lane->receiving + used, lane->received - used);
    lane->received -= used;
}

static void lanes_init(struct lanes *lanes)
{
    const struct options *options = lanes->options;
    lanes->poll = epoll_create1(EPOLL_CLOEXEC);
    lanes->list = memory_take((size_t)options->connections * sizeof(struct lane));
    for (int i = 0; i < options->connections; i++) {
        struct lane *lane = &lanes->list[i];
        lane->index = i;
        lane->descriptor = socket_connect(options->host, options->port, false);
        lane->sent_at = memory_take((size_t)options->window * sizeof(int64_t));
        lane->receiving = memory_take(RECEIVE_SIZE);
        watch(lanes, lane, EPOLL_CTL_ADD);
    }
}

void closed_loop_run(struct closed_loop *loop, const struct options *options, const char *workload)
{
    struct lanes lanes = { .loop = loop, .options = options };
    struct epoll_event events[EVENTS_A_PASS];
    lanes_init(&lanes);
    arena_init(&loop->arena);
    measurement_init(&loop->measurement, options);
    for (int i = 0; i < options->connections; i++)
        lane_send(&lanes, &lanes.list[i], now_ns());
    while (!loop->measurement.over) {
        int count = epoll_wait(lanes.poll, events, EVENTS_A_PASS, 1000);
        int64_t now = now_ns();
        for (int i = 0; i < count; i++) {
            struct lane *lane = events[i].data.ptr;
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                lane_receive(&lanes, lane, now);
            lane_send(&lanes, lane, now);
        }
        measurement_turn(&loop->measurement, now);
        if (options->fill > 0 && lanes.filled >= (uint64_t)options->fill)
            break;
    }
    measurement_print(&loop->measurement, workload);
}
