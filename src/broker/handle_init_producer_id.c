/* SPDX-License-Identifier: Apache-2.0 */
/* InitProducerId for idempotent producers (KIP-98): a new id with epoch 0. With a transactional id it is refused until
 * transactions exist. */
#include "base/container.h"
#include "base/memory.h"
#include "broker/apis.h"
#include "broker/control.h"
#include "broker/settings.h"
#include "wire/gen/allocate_producer_ids.h"
#include "wire/gen/init_producer_id.h"

struct init_producer_id_work {
    struct init_producer_id_work *next;
    struct request *request;
    enum error error;
    bool waits;
};

struct producer_id_block {
    struct control_errand errand;
    struct arena arena;
    struct shard *shard;
    struct allocate_producer_ids_request request;
    struct allocate_producer_ids_response response;
};

static void free_block(struct producer_id_block *block)
{
    arena_deinit(&block->arena);
    memory_give(block);
}

void producer_ids_deinit(struct producer_ids *ids)
{
    if (ids->asked != NULL)
        free_block(ids->asked);
    *ids = (struct producer_ids){ 0 };
}

/* Everybody in line gets an id, or the error; whom the block is too small for asks again. */
static void block_came(struct control_errand *errand)
{
    struct producer_id_block *block = container_of(errand, struct producer_id_block, errand);
    struct producer_ids *ids = &block->shard->producer_ids;
    enum error error = errand->error != ERROR_NONE ? errand->error : (enum error)block->response.error_code;
    if (error == ERROR_NONE) {
        ids->next = block->response.producer_id_start;
        ids->end = ids->next + block->response.producer_id_len;
    }
    ids->asked = NULL;
    free_block(block);
    struct init_producer_id_work *next, *work = ids->waiting;
    ids->waiting = NULL;
    for (; work != NULL; work = next) {
        next = work->next;
        work->waits = false;
        if (error != ERROR_NONE)
            work->error = ERROR_COORDINATOR_LOAD_IN_PROGRESS; /* retriable, as in Kafka when no block can be had */
        request_resume(work->request);
    }
}

static void ask_for_block(struct shard *shard)
{
    const struct node_settings *settings = shard->settings;
    struct producer_id_block *block = memory_take(sizeof(*block));
    arena_init(&block->arena);
    block->shard = shard;
    const struct image_broker *self = shard->image == NULL ? NULL : image_broker(shard->image, settings->node_id);
    block->request = (struct allocate_producer_ids_request){ .broker_id = settings->node_id,
        .broker_epoch = self == NULL ? -1 : self->epoch };
    block->errand.wish.type = CONTROLLER_ALLOCATE_PRODUCER_IDS;
    block->errand.wish.request = &block->request;
    block->errand.wish.response = &block->response;
    block->errand.wish.rsm.arena = &block->arena;
    block->errand.done = block_came;
    shard->producer_ids.asked = block;
    control_send(shard->control, shard->loop, &block->errand);
}

static void leave_line(struct request *request)
{
    struct init_producer_id_work *work = request->work.init_producer_id;
    if (!work->waits)
        return;
    struct producer_ids *ids = &request->shard->producer_ids;
    struct init_producer_id_work **at = &ids->waiting;
    while (*at != work)
        at = &(*at)->next;
    *at = work->next;
    if (ids->waiting_last == &work->next)
        ids->waiting_last = at;
}

static void stand_in_line(struct request *request, struct init_producer_id_work *work)
{
    struct producer_ids *ids = &request->shard->producer_ids;
    if (ids->waiting == NULL)
        ids->waiting_last = &ids->waiting;
    work->next = NULL;
    work->waits = true;
    *ids->waiting_last = work;
    ids->waiting_last = &work->next;
    if (ids->asked == NULL)
        ask_for_block(request->shard);
}

/* A transactional id has no coordinator here yet; and id and epoch of before go together (KIP-360). */
static enum error check_wish(const struct init_producer_id_request *in)
{
    if (!str_is_null(in->transactional_id) || (in->producer_id == -1) != (in->producer_epoch == -1))
        return ERROR_INVALID_REQUEST;
    return ERROR_NONE;
}

static enum step answer(struct request *request, enum error error, int64_t producer_id)
{
    struct init_producer_id_response *out = request->out.init_producer_id;
    out->error_code = (int16_t)error;
    out->producer_id = producer_id;
    out->producer_epoch = error == ERROR_NONE ? 0 : -1;
    return STEP_ANSWER;
}

enum step handle_init_producer_id(struct request *request)
{
    struct producer_ids *ids = &request->shard->producer_ids;
    struct init_producer_id_work *work = request->work.init_producer_id;

    if (work == NULL) {
        enum error error = check_wish(request->in.init_producer_id);
        if (error != ERROR_NONE)
            return answer(request, error, -1);
        work = request->work.init_producer_id = arena_take(&request->arena, sizeof(*work));
        work->request = request;
        request->cleanup = leave_line;
    }
    if (work->error != ERROR_NONE)
        return answer(request, work->error, -1);
    if (ids->next < ids->end)
        return answer(request, ERROR_NONE, ids->next++);
    if (!work->waits)
        stand_in_line(request, work);
    return STEP_PARK;
}
