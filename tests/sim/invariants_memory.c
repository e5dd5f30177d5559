/* SPDX-License-Identifier: Apache-2.0 */
/* What a node holds for its peers: every byte that is charged belongs to somebody who is still
 * there, and answers stand in the order of their requests. */
#include <utlist.h>

#include "broker/apis.h"
#include "broker/fetch_work.h"
#include "broker/group_home.h"
#include "broker/node_parts.h"
#include "broker/request.h"
#include "net/conn_parts.h"
#include "sim/invariants_parts.h"
#include "sim/memory_watch.h"
#include "storage/flush.h"
#include "storage/log_state.h"
#include "wire/gen/apis.h"

struct holdings {
    int64_t all, frames, conns;
};

static int64_t charged(const struct buffer *buffer)
{
    return buffer == NULL ? 0 : (int64_t)buffer->charged;
}

static void add_shard(const struct shard *shard, struct holdings *holdings)
{
    holdings->all += group_assigning_bytes(shard);
    for (const struct conn *conn = shard->net.conns; conn != NULL; conn = conn->next) {
        holdings->all += conn_memory(conn);
        holdings->frames += charged(conn->frame) + charged(conn->rest);
        holdings->conns++;
    }
    for (const struct request *request = shard->requests; request != NULL;
         request = request->next) {
        holdings->all += request->charged + charged(request->frame);
        holdings->frames += charged(request->frame);
    }
}

void look_at_budget(struct invariants *invariants, const struct node *node, bool is_thorough)
{
    struct holdings held = { 0 };
    int64_t used = budget_used(&node->budget);
    if (used == invariants->budget_used && !is_thorough)
        return;
    invariants->budget_used = used;
    for (int32_t i = 0; i < node->shards.count; i++)
        add_shard(node->shards.list[i], &held);
    add_shard(node->control_shard, &held);
    if (used != held.all)
        invariant_fell(invariants, INVARIANT_budget_is_what_is_held, "used=%lld held=%lld",
            (long long)used, (long long)held.all);
    if (held.frames > node->budget.limit + held.conns * 2 * SCRATCH_SIZE)
        invariant_fell(invariants, INVARIANT_frames_stay_in_the_budget,
            "frames=%lld connections=%lld limit=%lld", (long long)held.frames,
            (long long)held.conns, (long long)node->budget.limit);
}

static void look_at_conn(struct invariants *invariants, const struct conn *conn)
{
    int32_t count = 0;
    int64_t arrived_us = 0, unsent = 0;
    for (const struct reply *reply = conn->first; reply != NULL; reply = reply->next) {
        const struct request *request = (const struct request *)reply; /* first in it */
        bool is_begun = reply->span_index > 0 || reply->span_sent > 0;
        if (request->arrived_us < arrived_us || (is_begun && reply != conn->first))
            invariant_fell(invariants, INVARIANT_answers_stand_in_order,
                "peer=%s place=%d correlation=%d begun=%d", conn->peer, count,
                request->correlation_id, is_begun);
        arrived_us = request->arrived_us;
        unsent += reply->charged;
        count++;
    }
    if (count != conn->reply_count || unsent != conn->unsent)
        invariant_fell(invariants, INVARIANT_answers_stand_in_order,
            "peer=%s replies=%d counted=%d unsent=%lld counted_bytes=%lld", conn->peer, count,
            conn->reply_count, (long long)unsent, (long long)conn->unsent);
}

static void look_at_fetch(
    struct invariants *invariants, const struct shard *shard, const struct request *request)
{
    bool is_at_work = request->api != NULL && request->api->key == API_FETCH &&
                      request->frame != NULL && request->answer == NULL;
    const struct fetch_work *work = is_at_work ? request->work.fetch : NULL;
    if (work != NULL && work->stage == FETCH_WAITING && request->errands_out == 0 &&
        work->deadline_us <= loop_now_us(shard->loop))
        invariant_fell(invariants, INVARIANT_no_fetch_outlives_its_deadline,
            "correlation=%d deadline_us=%lld now_us=%lld", request->correlation_id,
            (long long)work->deadline_us, (long long)loop_now_us(shard->loop));
}

static void look_at_flusher(struct invariants *invariants, const struct flusher *flusher)
{
    int64_t dirty = 0;
    for (const struct log *log = flusher->logs; log != NULL; log = log->next)
        dirty += log->written - log->written_durable;
    if (dirty != flusher->dirty_bytes)
        invariant_fell(invariants, INVARIANT_dirty_bytes_are_what_is_not_flushed,
            "counted=%lld of_logs=%lld", (long long)flusher->dirty_bytes, (long long)dirty);
}

void look_at_holdings(struct invariants *invariants, const struct shard *shard)
{
    for (const struct conn *conn = shard->net.conns; conn != NULL; conn = conn->next)
        look_at_conn(invariants, conn);
    for (const struct request *request = shard->requests; request != NULL; request = request->next)
        look_at_fetch(invariants, shard, request);
    for (int i = 0; shard->flushers != NULL && i < shard->log_dir_count; i++)
        look_at_flusher(invariants, shard->flushers[i]);
}

void look_at_leaks(struct invariants *invariants)
{
    int64_t bytes, count = memory_of_process(invariants->machine, &bytes);
    if (count != 0)
        invariant_fell(invariants, INVARIANT_nothing_leaks, "blocks=%lld bytes=%lld life=%d",
            (long long)count, (long long)bytes, invariants->life);
}
