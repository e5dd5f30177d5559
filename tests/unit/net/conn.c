/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/container.h"
#include "base/memory.h"
#include "io/file.h"
#include "io/io.h"
#include "net/listener.h"
#include "test.h"

enum { REPLIES_MAX = 2000, IN_MAX = 8 * 1024 * 1024, LARGE_ANSWER = 40 * 1024 };

/* Each frame is answered by itself (with its length in front), or by a range of a file. */
struct echo {
    struct reply reply;
    struct buffer *frame;
    struct span spans[2];
    uint8_t length[4];
};

struct stage {
    struct io *io;
    struct loop *loop;
    struct budget budget;
    struct net net;
    struct conn_owner owner;
    struct limits limits;
    struct listener *listener;
    struct listener_target target;
    struct echo *echoes[REPLIES_MAX];
    int echo_count, done_count, closed_count;
    bool hold; /* replies wait until the test makes them ready */
    bool answers_large;
    struct socket *client;
    struct socket_watch watch;
    uint8_t *in;
    size_t in_size;
    bool ended, reading;
};

static struct stage *stage_of_owner;

static void echo_done(struct reply *reply)
{
    struct echo *echo = container_of(reply, struct echo, reply);
    buffer_unref(echo->frame);
    echo->frame = NULL;
    stage_of_owner->done_count++;
}

static void echo_answer(struct echo *echo)
{
    static const uint8_t large[LARGE_ANSWER];
    store_u32(echo->length, (uint32_t)echo->frame->size);
    echo->spans[0] = (struct span){ .data = echo->length, .size = 4 };
    echo->spans[1] = (struct span){ .data = echo->frame->data, .size = echo->frame->size };
    if (stage_of_owner->answers_large)
        echo->spans[1] = (struct span){ .data = large, .size = sizeof(large) };
    reply_ready(&echo->reply, echo->spans, 2);
}

static void take_frame(struct conn_owner *owner, struct conn *conn, struct buffer *buffer)
{
    struct stage *stage = container_of(owner, struct stage, owner);
    struct echo *echo = memory_take(sizeof(*echo));
    assert_true(stage->echo_count < REPLIES_MAX);
    stage->echoes[stage->echo_count++] = echo;
    echo->frame = buffer;
    echo->reply.done = echo_done;
    conn_expect(conn, &echo->reply);
    if (!stage->hold)
        echo_answer(echo);
}

static void note_closed(struct conn_owner *owner, struct conn *conn)
{
    (void)conn;
    container_of(owner, struct stage, owner)->closed_count++;
}

static void client_ready(struct socket_watch *watch, unsigned events)
{
    struct stage *stage = container_of(watch, struct stage, watch);
    (void)events;
    while (stage->reading && stage->in_size < IN_MAX) {
        int64_t count = socket_read(stage->client, stage->in + stage->in_size, IN_MAX - stage->in_size);
        if (count == -EAGAIN)
            return;
        if (count <= 0) {
            stage->ended = true;
            return;
        }
        stage->in_size += (size_t)count;
    }
}

static struct stage *stage_create(int64_t budget, int64_t frame_size_max)
{
    struct stage *stage = memory_take(sizeof(*stage));
    struct net_settings settings = { .frame_size_max = frame_size_max, .idle_ms = 600000 };
    struct listener_options options = { .host = "127.0.0.1", .limits = &stage->limits, .connections_max = 10, .creation_rate = INT32_MAX };
    struct limits_settings limits = { .connections_max = 10, .connections_per_ip_max = 2, .creation_rate = INT32_MAX };
    stage_of_owner = stage;
    limits_init(&stage->limits, &limits);
    stage->io = io_create(1);
    stage->loop = loop_create(stage->io, "test");
    budget_init(&stage->budget, budget);
    net_init(&stage->net, stage->loop, &stage->budget, &settings);
    stage->owner = (struct conn_owner){ .frame = take_frame, .closed = note_closed };
    stage->target = (struct listener_target){ &stage->net, &stage->owner };
    stage->in = memory_take(IN_MAX);
    stage->reading = true;
    assert_int_equal(listener_open(stage->loop, &options, &stage->target, 1, &stage->listener), 0);
    listener_accept(stage->listener);
    stage->watch.ready = client_ready;
    assert_int_equal(socket_connect(stage->loop, "127.0.0.1", listener_port(stage->listener), &stage->watch,
                         &stage->client), 0);
    while (stage->net.conn_count == 0)
        loop_turn(stage->loop);
    return stage;
}

static void stage_destroy(struct stage *stage)
{
    socket_close(stage->client);
    listener_stop(stage->listener);
    net_deinit(&stage->net);
    listener_close(stage->listener);
    limits_deinit(&stage->limits);
    for (int i = 0; i < stage->echo_count; i++) {
        buffer_unref(stage->echoes[i]->frame);
        memory_give(stage->echoes[i]);
    }
    loop_destroy(stage->loop);
    io_destroy(stage->io);
    assert_int_equal(budget_used(&stage->budget), 0);
    memory_give(stage->in);
    memory_give(stage);
}

/* Sends everything, turning the loop whenever the socket is full. */
static void client_send(struct stage *stage, const void *data, size_t size)
{
    size_t sent = 0;
    while (sent < size && !stage->ended) {
        struct iovec vector = { (uint8_t *)(uintptr_t)data + sent, size - sent };
        int64_t count = socket_writev(stage->client, &vector, 1, false);
        if (count == -EAGAIN || count == -ENOTCONN) {
            socket_want_write(stage->client, true);
            loop_turn(stage->loop);
            continue;
        }
        if (count < 0)
            return;
        sent += (size_t)count;
    }
}

static uint8_t *make_frame(size_t size, uint8_t fill)
{
    uint8_t *frame = memory_take(size + 4);
    store_u32(frame, (uint32_t)size);
    memset(frame + 4, fill, size);
    return frame;
}

/* Many requests in one write are answered each, in order. */
void test_conn__answers_pipelined_frames_in_order(void)
{
    struct stage *stage = stage_create(1 << 24, 1 << 20);
    size_t expected = 0;
    for (int i = 0; i < 1000; i++) {
        size_t size = (size_t)(i * 7 % 300) + 1;
        uint8_t *frame = make_frame(size, (uint8_t)i);
        client_send(stage, frame, size + 4);
        expected += size + 4;
        memory_give(frame);
    }
    while (stage->in_size < expected)
        loop_turn(stage->loop);
    size_t at = 0;
    for (int i = 0; i < 1000; i++) {
        size_t size = load_u32(stage->in + at);
        assert_int_equal(size, i * 7 % 300 + 1);
        assert_int_equal(stage->in[at + 4], (uint8_t)i);
        at += size + 4;
    }
    stage_destroy(stage);
}

/* The second is ready first, and waits. */
void test_conn__keeps_the_order_when_a_later_request_is_faster(void)
{
    struct stage *stage = stage_create(1 << 24, 1 << 20);
    stage->hold = true;
    for (uint8_t i = 1; i <= 2; i++) {
        uint8_t *frame = make_frame(5, i);
        client_send(stage, frame, 9);
        memory_give(frame);
    }
    while (stage->echo_count < 2)
        loop_turn(stage->loop);
    echo_answer(stage->echoes[1]);
    assert_int_equal(stage->done_count, 0);
    echo_answer(stage->echoes[0]);
    while (stage->in_size < 18)
        loop_turn(stage->loop);
    assert_int_equal(stage->in[4], 1);
    assert_int_equal(stage->in[13], 2);
    assert_int_equal(stage->done_count, 2);
    stage_destroy(stage);
}

/* A frame larger than memory may be at once grows while it arrives, and comes out whole. */
void test_conn__reads_a_large_frame_whole(void)
{
    struct stage *stage = stage_create(1 << 24, 4 << 20);
    size_t size = 3 * 1024 * 1024 + 17;
    uint8_t *frame = make_frame(size, 0x5a);
    for (size_t i = 0; i < size; i++)
        frame[4 + i] = (uint8_t)(i * 31 >> 3);
    client_send(stage, frame, size + 4);
    while (stage->in_size < size + 4)
        loop_turn(stage->loop);
    assert_memory_equal(stage->in, frame, size + 4);
    memory_give(frame);
    stage_destroy(stage);
}

/* A length over the limit, or below zero, ends the connection before anything is taken. */
void test_conn__ends_on_a_length_that_is_not_allowed(void)
{
    const uint32_t lengths[] = { (1 << 20) + 1, 0xffffffffu, 0x80000000u };
    for (int i = 0; i < 3; i++) {
        struct stage *stage = stage_create(1 << 24, 1 << 20);
        uint8_t head[4];
        store_u32(head, lengths[i]);
        client_send(stage, head, 4);
        while (stage->closed_count == 0)
            loop_turn(stage->loop);
        assert_int_equal(budget_used(&stage->budget), 0);
        stage_destroy(stage);
    }
}

/* Replies that are ready, or become so, after the connection ended are given back all the same. */
void test_conn__gives_replies_back_when_the_peer_leaves(void)
{
    struct stage *stage = stage_create(1 << 24, 1 << 20);
    stage->hold = true;
    uint8_t *frame = make_frame(100, 3);
    client_send(stage, frame, 104);
    client_send(stage, frame, 104);
    memory_give(frame);
    while (stage->echo_count < 2)
        loop_turn(stage->loop);
    echo_answer(stage->echoes[1]);
    socket_close(stage->client);
    stage->client = NULL;
    while (stage->closed_count == 0)
        loop_turn(stage->loop);
    assert_int_equal(stage->done_count, 1);
    echo_answer(stage->echoes[0]);
    assert_int_equal(stage->done_count, 2);
    stage_destroy(stage);
}

/* A client that sends and never reads is not read any more: what waits for it stays bounded. */
void test_conn__stops_reading_who_does_not_take_answers(void)
{
    struct stage *stage = stage_create(1 << 24, 1 << 20);
    uint8_t *frame = make_frame(1 << 20, 9);
    size_t sent = 0, total = 64u << 20;
    int quiet = 0;
    stage->reading = false;
    while (sent < total && quiet < 200) {
        size_t at = sent % ((1 << 20) + 4);
        struct iovec vector = { frame + at, (1 << 20) + 4 - at };
        int64_t count = socket_writev(stage->client, &vector, 1, false);
        quiet = count > 0 ? 0 : quiet + 1;
        sent += count > 0 ? (size_t)count : 0;
        socket_again(stage->client);
        loop_turn(stage->loop);
    }
    assert_true(sent < total);
    assert_true(stage->echo_count - stage->done_count <= CONN_REQUESTS_MAX + 1);
    memory_give(frame);
    stage_destroy(stage);
}

static void ask_for_large_answers(struct stage *stage, uint32_t count)
{
    uint8_t frames[5 * 50] = { 0 };
    assert_true(count <= 50);
    for (uint32_t i = 0; i < count; i++)
        store_u32(frames + (size_t)5 * i, 1);
    stage->answers_large = true;
    client_send(stage, frames, (size_t)5 * count);
}

/* One who asks for much at once gets one answer in each pass, so that others get theirs between, and gets all of them. */
void test_conn__makes_large_answers_one_in_a_pass(void)
{
    enum { COUNT = 50 };
    struct stage *stage = stage_create(1 << 26, 1 << 20);
    ask_for_large_answers(stage, COUNT);
    while (stage->in_size < COUNT * (LARGE_ANSWER + 4)) {
        int before = stage->echo_count;
        loop_turn(stage->loop);
        assert_true(stage->echo_count <= before + 1);
    }
    assert_int_equal(stage->echo_count, COUNT);
    stage_destroy(stage);
}

/* Of one who never read nothing is known but that it asks: what it is sent, and what is made for it, is little. */
void test_conn__makes_few_answers_for_who_has_not_read(void)
{
    struct stage *stage = stage_create(1 << 26, 1 << 20);
    int quiet = 0;
    stage->reading = false;
    ask_for_large_answers(stage, 50);
    while (quiet < 20) {
        int before = stage->echo_count;
        socket_again(stage->client); /* so that a turn does not wait */
        loop_turn(stage->loop);
        quiet = stage->echo_count == before ? quiet + 1 : 0;
    }
    assert_in_range(stage->echo_count, 1, 10);
    stage_destroy(stage);
}

/* With the budget used up by one, another's large frame waits; when it comes back the frame goes on. */
void test_conn__waits_for_the_budget_and_goes_on(void)
{
    struct stage *stage = stage_create(1 << 20, 1 << 20);
    size_t size = 900 * 1024;
    uint8_t *frame = make_frame(size, 7);
    stage->hold = true;
    client_send(stage, frame, size + 4);
    while (stage->echo_count < 1)
        loop_turn(stage->loop);
    for (size_t at = 0; at < size + 4; at += 64 * 1024) /* part of the second; the rest does not fit the sockets */
        if (at < 256 * 1024)
            client_send(stage, frame + at, 64 * 1024);
    for (int i = 0; i < 5; i++) {
        socket_again(stage->client);
        loop_turn(stage->loop);
    }
    assert_int_equal(stage->echo_count, 1);
    assert_true(budget_used(&stage->budget) <= 1 << 20);
    echo_answer(stage->echoes[0]);
    client_send(stage, frame + 256 * 1024, size + 4 - 256 * 1024);
    while (stage->echo_count < 2)
        loop_turn(stage->loop);
    memory_give(frame);
    stage_destroy(stage);
}

/* One read may hold hundreds of small frames; those beyond what may be in work wait, unread, and none of them is lost. */
void test_conn__hands_on_no_more_than_may_be_in_work(void)
{
    enum { COUNT = 1500 };
    struct stage *stage = stage_create(1 << 20, 1 << 20);
    uint8_t frames[COUNT][5];
    stage->hold = true;
    for (int i = 0; i < COUNT; i++) {
        store_u32(frames[i], 1);
        frames[i][4] = (uint8_t)i;
    }
    client_send(stage, frames, sizeof(frames));
    while (stage->echo_count == 0)
        loop_turn(stage->loop);
    assert_true(stage->echo_count <= CONN_REQUESTS_MAX);
    for (int i = 0; i < COUNT; i++) {
        while (i == stage->echo_count)
            loop_turn(stage->loop);
        assert_true(stage->echo_count - stage->done_count <= CONN_REQUESTS_MAX + 1);
        assert_int_equal(stage->echoes[i]->frame->data[0], (uint8_t)i);
        echo_answer(stage->echoes[i]);
        if (i % 10 == 9)
            while (stage->done_count <= i)
                loop_turn(stage->loop);
    }
    stage_destroy(stage);
}
