/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/request.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

#include "base/broken.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "broker/apis.h"
#include "broker/server.h"
#include "broker/shard.h"
#include "io/file.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/gen/request_header_record.h"

enum {
    ANSWER_SIZE_MAX = INT32_MAX - 16, /* what a frame's length can say; and in memory */
    ANSWER_SHARE = 4,                 /* at most this part of the budget, */
    ANSWER_MIN = 1 << 20,             /* or so much */
    SMALL_ANSWER = 512,               /* as most are */
};
/* What a request decodes to is at most this part of the budget, or so much: a handler makes several times that of it. */
enum { DECODED_SHARE = 16, DECODED_MIN = 1 << 20 };
enum { SPARE_MAX = 256, HEADER_SIZE_MIN = 10, RESPONSE_HEADER_MAX = 9, ARENA_UNCHARGED = 4096 };

/* The owner's mark on a connection: how many requests that change the image are in work, and whether it is to end. */
enum { MARK_CHANGE = 1, MARK_DOOMED = 1 << 30 };

static void request_run(struct task *task);
static void release(struct reply *reply);

static struct request *take_request(struct shard *shard)
{
    struct request *request = shard->spare;

    if (request != NULL) {
        shard->spare = request->next;
        shard->spare_count--;
    } else {
        request = memory_take(sizeof(*request));
        arena_init(&request->arena);
    }
    request->reply = (struct reply){ .done = release };
    request->shard = shard;
    request->task = (struct task){ .run = request_run };
    DL_APPEND(shard->requests, request);
    return request;
}

/* The arena's first block comes with every request; what is beyond it is charged to the node's budget. */
void request_note_memory(struct request *request)
{
    struct budget *budget = request->shard->net.budget;
    int64_t held = (int64_t)request->arena.held + request->lent;
    int64_t size = held > ARENA_UNCHARGED ? held : 0;

    if (size > request->charged)
        budget_charge(budget, size - request->charged);
    else if (size < request->charged)
        budget_release(budget, request->charged - size);
    request->charged = size;
}

bool request_may_wait(struct request *request)
{
    const struct budget *budget = request->shard->net.budget;

    request_note_memory(request);
    return request->charged == 0 || budget_used(budget) < budget->limit / 2;
}

/* What the handler needed is not needed once the answer is encoded, and that may wait long for a slow peer. */
static void drop_work(struct request *request)
{
    if (request->cleanup != NULL)
        request->cleanup(request);
    for (struct request_file *file = request->files; file != NULL; file = file->next)
        file_unref(file->file);
    buffer_unref(request->frame);
    request->cleanup = NULL;
    request->files = NULL;
    request->frame = NULL;
    arena_reset(&request->arena);
    request_note_memory(request);
}

static void drop_answer(struct request *request)
{
    const struct span *spans = request->reply.spans;

    for (int32_t i = 0; i < request->span_count; i++)
        if (spans[i].data == NULL)
            file_unref(spans[i].file);
    buffer_unref(request->answer);
}

static void give_request(struct request *request)
{
    struct shard *shard = request->shard;

    DL_DELETE(shard->requests, request);
    drop_work(request);
    drop_answer(request);
    *request = (struct request){ .arena = request->arena };
    if (shard->spare_count >= SPARE_MAX) {
        arena_deinit(&request->arena);
        memory_give(request);
        return;
    }
    request->next = shard->spare;
    shard->spare = request;
    shard->spare_count++;
}

static void release(struct reply *reply)
{
    give_request(container_of(reply, struct request, reply));
}

static void resume_held(struct shard *shard, const struct conn *conn)
{
    struct request **link = &shard->held;

    while (*link != NULL && (*link)->conn_identity != conn)
        link = &(*link)->held_next;
    struct request *request = *link;
    if (request == NULL)
        return;
    *link = request->held_next;
    if (request->reply.conn != NULL)
        conn_hold(request->reply.conn, false);
    loop_enqueue(shard->loop, &request->task);
}

static bool changes_under_way(const struct conn *conn)
{
    return (conn_mark(conn) & ~(uint64_t)MARK_DOOMED) != 0;
}

/* Nothing of the handler's runs after this. */
static void end_request(struct request *request)
{
    struct conn *conn = request->reply.conn;

    request->ended = true;
    if (!request->holds_mark)
        return;
    if (conn != NULL)
        conn_set_mark(conn, conn_mark(conn) - MARK_CHANGE);
    if (conn == NULL || !changes_under_way(conn))
        resume_held(request->shard, request->conn_identity);
}

static void close_connection(struct request *request)
{
    if (request->reply.conn != NULL)
        conn_set_mark(request->reply.conn, conn_mark(request->reply.conn) | MARK_DOOMED);
    end_request(request);
    request->reply.closes = true;
    reply_ready(&request->reply, NULL, 0);
}

static void refuse(struct request *request, const char *reason)
{
    int64_t left_out;

    if (shard_may_report(request->shard, &left_out))
        report_warn("request_refused", "request=\"%s\" reason=\"%s\" left_out=%lld consequence=\"connection closed\"",
            request_describe(request), reason, (long long)left_out);
    close_connection(request);
}

/* Cuts the encoded answer where records of a file go between. The answer holds the files from now on. */
static int32_t cut_spans(const uint8_t *memory, size_t size, size_t header_size, const struct hole *holes, int32_t hole_count,
    struct span *spans)
{
    int32_t span_count = 0;
    size_t cut = 0;

    for (int32_t i = 0; i < hole_count; i++) {
        size_t until = header_size + holes[i].position;
        if (until > cut)
            spans[span_count++] = (struct span){ .data = memory + cut, .size = until - cut };
        cut = until;
        spans[span_count] = *(const struct span *)holes[i].source;
        file_ref(spans[span_count++].file);
    }
    if (size > cut)
        spans[span_count++] = (struct span){ .data = memory + cut, .size = size - cut };
    return span_count;
}

static size_t answer_max(const struct request *request)
{
    size_t share = (size_t)request->shard->net.budget->limit / ANSWER_SHARE;

    return share > ANSWER_MIN ? share : ANSWER_MIN;
}

/* The answer is one buffer: the spans, and what they say between the records of files. */
static void answer(struct request *request)
{
    const struct api *api = request->api;
    int16_t version = request->version_unsupported ? 0 : request->version;
    const void *message = request->out.message;
    uint8_t small[SMALL_ANSWER];
    struct message_extent extent = message_try_encode(api->response, version, message, small, sizeof(small));
    size_t written = extent.wire_size - extent.hole_size;
    if (extent.wire_size > ANSWER_SIZE_MAX || written > answer_max(request)) {
        report_warn("answer_too_large", "request=\"%s\" bytes=%zu consequence=\"connection closed\"",
            request_describe(request), extent.wire_size);
        close_connection(request);
        return;
    }
    bool tags = schema_is_flexible(api->response, version) && api->key != API_API_VERSIONS;
    size_t header_size = tags ? RESPONSE_HEADER_MAX : RESPONSE_HEADER_MAX - 1;
    size_t spans_size = (2 * (size_t)extent.hole_count + 1) * sizeof(struct span);
    struct hole *holes = NULL;
    struct buffer *buffer = buffer_create(spans_size + header_size + written);
    struct span *spans = (struct span *)(void *)buffer->data;
    uint8_t *memory = buffer->data + spans_size;

    store_i32(memory, (int32_t)(header_size - 4 + extent.wire_size));
    store_i32(memory + 4, request->correlation_id);
    if (tags)
        memory[8] = 0; /* none */
    if (extent.hole_count == 0 && written <= sizeof(small))
        memcpy(memory + header_size, small, written);
    else {
        holes = arena_take_array(&request->arena, (size_t)extent.hole_count, sizeof(*holes));
        message_encode(api->response, version, message, memory + header_size, written, holes);
    }
    request->answer = buffer;
    request->span_count = cut_spans(memory, header_size + written, header_size, holes, extent.hole_count, spans);
    end_request(request);
    drop_work(request);
    reply_ready(&request->reply, spans, request->span_count);
}

/* The client's name lies at the same place in the headers of all requests; the report of a refused one tells it. */
static void note_client(struct request *request, struct bytes frame)
{
    struct request_header_record header;
    size_t used;

    if (message_decode(&request_header_record_schema, 1, frame, &request->arena, &header, &used))
        request->client_id = header.client_id;
}

/* False: not a request; reason says why. */
static bool read_header(struct request *request, size_t *out_used, const char **out_reason)
{
    struct bytes frame = { request->frame->data, request->frame->size };
    struct request_header_record header;

    *out_reason = "malformed header";
    if (frame.size < HEADER_SIZE_MIN)
        return false;
    int16_t key = load_i16(frame.data);
    request->version = load_i16(frame.data + 2);
    request->api = api_find(key, request->desk->listener);
    if (request->api == NULL) {
        note_client(request, frame);
        *out_reason = "api is not served here";
        return false;
    }
    request->version_unsupported =
        request->version < request->api->version_min || request->version > request->api->version_max;
    if (request->version_unsupported && key != API_API_VERSIONS) {
        note_client(request, frame);
        *out_reason = "version is not served";
        return false;
    }
    int16_t header_version = schema_is_flexible(request->api->request, request->version) ? 2 : 1;
    if (!message_decode(&request_header_record_schema, header_version, frame, &request->arena, &header, out_used))
        return false;
    request->correlation_id = header.correlation_id;
    request->client_id = header.client_id;
    return true;
}

static size_t decoded_max(const struct request *request)
{
    size_t share = (size_t)request->shard->net.budget->limit / DECODED_SHARE;

    return share > DECODED_MIN ? share : DECODED_MIN;
}

static bool start(struct request *request)
{
    const struct api *api;
    const char *reason;
    size_t used;

    request->arena.most = decoded_max(request);
    if (!read_header(request, &used, &reason)) {
        refuse(request, reason);
        return false;
    }
    api = request->api;
    request->in.message = arena_take(&request->arena, api->request->shape->size);
    request->out.message = shape_take(api->response->shape, &request->arena, 1);
    if (request->version_unsupported)
        return true; /* answered without looking at what cannot be understood */
    struct bytes body = { request->frame->data + used, request->frame->size - used };
    if (!message_decode(api->request, request->version, body, &request->arena, request->in.message, NULL)) {
        refuse(request, "malformed body, or one that takes too much memory");
        return false;
    }
    request->arena.most = 0; /* what the handler takes is its own affair */
    if (api->changes_image && request->reply.conn != NULL) {
        request->holds_mark = true;
        conn_set_mark(request->reply.conn, conn_mark(request->reply.conn) + MARK_CHANGE);
    }
    return true;
}

/* One that reads the image waits for what changes it and came before on its connection, and all that follow wait too; so
 * there is one of them for a connection at most. */
static bool must_be_held(struct request *request)
{
    struct shard *shard = request->shard;
    struct conn *conn = request->reply.conn;

    if (!request->api->reads_image || conn == NULL || !changes_under_way(conn) || broken(read_overtakes))
        return false;
    request->held_next = shard->held;
    shard->held = request;
    conn_hold(conn, true);
    return true;
}

static void step(struct request *request)
{
    request->stepping = true;
    request->resumed = false;
    request_note_memory(request); /* here, since one that is parked may have lent its arena to another loop */
    enum step outcome = request->api->handle(request);
    request->stepping = false;
    switch (outcome) {
    case STEP_ANSWER: answer(request); break;
    case STEP_CLOSE: close_connection(request); break;
    case STEP_SILENT:
        end_request(request);
        reply_ready(&request->reply, NULL, 0);
        break;
    case STEP_PARK:
        if (request->resumed && !request->task.queued)
            loop_enqueue(request->shard->loop, &request->task);
        break;
    }
}

static void request_run(struct task *task)
{
    struct request *request = container_of(task, struct request, task);

    if (request->api == NULL) {
        /* One whose peer has left runs all the same: it was sent. */
        if (request->reply.conn != NULL && (conn_mark(request->reply.conn) & MARK_DOOMED)) {
            request->ended = true;
            reply_ready(&request->reply, NULL, 0);
            return;
        }
        if (!start(request) || must_be_held(request))
            return;
    }
    step(request);
}

void request_arrive(const struct shard_desk *desk, struct conn *conn, struct buffer *frame)
{
    struct shard *shard = desk->shard;
    struct request *request = take_request(shard);

    request->desk = desk;
    request->frame = frame;
    request->arrived_us = loop_now_us(shard->loop);
    request->conn_identity = conn;
    conn_expect(conn, &request->reply);
    request_run(&request->task);
}

void request_abandon_all(struct shard *shard)
{
    while (shard->requests != NULL)
        give_request(shard->requests);
    for (struct request *request = shard->spare, *next; request != NULL; request = next) {
        next = request->next;
        arena_deinit(&request->arena);
        memory_give(request);
    }
    shard->spare = NULL;
}

void request_resume(struct request *request)
{
    assert(!request->ended);
    if (request->stepping)
        request->resumed = true;
    else if (!request->task.queued)
        loop_enqueue(request->shard->loop, &request->task);
}

static void errand_home(struct mail *mail)
{
    struct errand *errand = container_of(mail, struct errand, mail);
    struct request *request = errand->request;

    assert(request->errands_out > 0);
    request->errands_out--;
    if (request->errands_out == 0 && !request->stepping)
        request_resume(request);
}

static void errand_arrive(struct mail *mail)
{
    struct errand *errand = container_of(mail, struct errand, mail);

    errand->run(errand);
}

void request_send(struct request *request, struct errand *errand, struct shard *there)
{
    errand->request = request;
    errand->there = there;
    request->errands_out++;
    if (there == request->shard) {
        errand->run(errand);
        return;
    }
    errand->mail.deliver = errand_arrive;
    mail_send(request->shard->loop, there->loop, &errand->mail);
}

void errand_finish(struct errand *errand)
{
    struct shard *home = errand->request->shard;

    if (errand->there == home) {
        errand_home(&errand->mail);
        return;
    }
    errand->mail.deliver = errand_home;
    mail_send(errand->there->loop, home->loop, &errand->mail);
}

void request_keep_file(struct request *request, struct file *file)
{
    struct request_file *kept = arena_take(&request->arena, sizeof(*kept));

    kept->file = file;
    kept->next = request->files;
    request->files = kept;
}

const char *request_describe(struct request *request)
{
    const struct conn *conn = request->reply.conn;
    int16_t key = request->frame->size >= 2 ? load_i16(request->frame->data) : -1;
    const struct api_schema *schema = api_schema_find(key);

    return arena_format(&request->arena, "%s key %d version %d client %.*s peer %s", schema == NULL ? "unknown" : schema->name,
        key, request->version, STR_PRINT(request->client_id), conn == NULL ? "gone" : conn_peer(conn));
}
