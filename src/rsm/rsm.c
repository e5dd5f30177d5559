/* SPDX-License-Identifier: Apache-2.0 */
#include "rsm/rsm.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

#include "base/broken.h"

void rsm_decision_add(struct rsm_decision *decision, struct rsm_record record)
{
    if (decision->record_count == decision->record_capacity) {
        int32_t capacity = decision->record_capacity == 0 ? 8 : decision->record_capacity * 2;
        struct rsm_record *grown =
            arena_take_array(decision->arena, (size_t)capacity, sizeof(*grown));
        if (decision->record_count > 0)
            memcpy(grown, decision->records, (size_t)decision->record_count * sizeof(*grown));
        decision->records = grown;
        decision->record_capacity = capacity;
    }
    decision->records[decision->record_count++] = record;
    decision->record_bytes += record.key.size + record.value.size;
}

void rsm_decision_release(
    struct rsm_decision *decision, struct rsm_request *request, enum error error)
{
    assert(request->is_held);
    request->is_held = false;
    request->error = error;
    request->next_released = NULL;
    if (decision->released == NULL)
        decision->released = request;
    else
        decision->last_released->next_released = request;
    decision->last_released = request;
}

void rsm_init(struct rsm *rsm, struct rsm_machine *machine, enum error lost_error)
{
    assert(lost_error != ERROR_NONE);
    *rsm = (struct rsm){ .machine = machine, .lost_error = lost_error };
}

void rsm_gain(struct rsm *rsm, struct rsm_log *log, int64_t committed)
{
    assert(rsm->log == NULL && rsm->waiting == NULL && rsm->held == NULL);
    rsm->log = log;
    rsm->committed = committed;
    rsm->seen = log->type->end_offset(log);
    assert(committed <= rsm->seen);
}

static void fail_all(struct rsm_request *list, enum error error)
{
    while (list != NULL) {
        struct rsm_request *request = list;
        DL_DELETE(list, request);
        request->done(request, error);
    }
}

void rsm_lose(struct rsm *rsm)
{
    struct rsm_request *waiting = rsm->waiting, *held = rsm->held;
    rsm->waiting = rsm->held = NULL;
    rsm->log = NULL;
    fail_all(waiting, rsm->lost_error);
    fail_all(held, rsm->lost_error);
}

/* Appended as a whole or not at all, then applied at once: the next decision must see it. */
static enum error append_and_apply(struct rsm *rsm, const struct rsm_decision *decision)
{
    int64_t base_offset;
    enum error error = rsm->log->type->append(rsm->log, decision, &base_offset);
    if (error != ERROR_NONE)
        return error;
    assert(base_offset >= rsm->seen);
    for (int32_t i = 0; i < decision->record_count; i++)
        rsm->machine->type->apply(rsm->machine, base_offset + i, decision->records[i]);
    rsm->seen = base_offset + decision->record_count;
    rsm->machine->type->applied(rsm->machine, rsm->seen);
    return ERROR_NONE;
}

/* What it saw must be committed before anyone hears of it. */
static void answer_when_committed(struct rsm *rsm, struct rsm_request *request)
{
    request->wait_offset = rsm->seen;
    if (rsm->committed >= request->wait_offset || broken(change_before_commit))
        request->done(request, request->error);
    else
        DL_APPEND(rsm->waiting, request);
}

static void answer_released(struct rsm *rsm, struct rsm_request *released, enum error append_error)
{
    while (released != NULL) {
        struct rsm_request *request = released;
        released = request->next_released;
        DL_DELETE(rsm->held, request);
        if (append_error != ERROR_NONE)
            request->error = append_error;
        answer_when_committed(rsm, request);
    }
}

void rsm_submit(struct rsm *rsm, struct rsm_request *request)
{
    if (rsm->log == NULL) {
        request->done(request, rsm->lost_error);
        return;
    }
    int64_t next_offset = rsm->log->type->end_offset(rsm->log);
    struct rsm_decision decision = { .arena = request->arena };
    request->error = rsm->machine->type->decide(rsm->machine, request, next_offset, &decision);
    assert(request->error == ERROR_NONE || decision.record_count == 0);
    enum error append_error = ERROR_NONE;
    if (decision.record_count > 0 || decision.upgrades_log)
        append_error = append_and_apply(rsm, &decision);
    answer_released(rsm, decision.released, append_error);
    if (append_error != ERROR_NONE)
        request->error = append_error;
    request->is_held = decision.holds && append_error == ERROR_NONE;
    if (request->is_held)
        DL_APPEND(rsm->held, request);
    else
        answer_when_committed(rsm, request);
}

void rsm_commit(struct rsm *rsm, int64_t offset)
{
    if (rsm->log == NULL || offset <= rsm->committed)
        return;
    rsm->committed = offset;
    while (rsm->waiting != NULL && rsm->waiting->wait_offset <= offset) {
        struct rsm_request *request = rsm->waiting;
        DL_DELETE(rsm->waiting, request);
        request->done(request, request->error);
    }
}
