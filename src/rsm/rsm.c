/* SPDX-License-Identifier: Apache-2.0 */
#include "rsm/rsm.h"

#include <assert.h>
#include <string.h>

#include "base/broken.h"

void rsm_decision_add(struct rsm_decision *decision, struct bytes record)
{
    if (decision->record_count == decision->record_capacity) {
        int32_t capacity = decision->record_capacity == 0 ? 8 : decision->record_capacity * 2;
        struct bytes *grown = arena_take_array(decision->arena, (size_t)capacity, sizeof(*grown));
        if (decision->record_count > 0)
            memcpy(grown, decision->records, (size_t)decision->record_count * sizeof(*grown));
        decision->records = grown;
        decision->record_capacity = capacity;
    }
    decision->records[decision->record_count++] = record;
    decision->record_bytes += record.size;
}

void rsm_init(struct rsm *rsm, struct rsm_machine *machine, enum error lost_error)
{
    assert(lost_error != ERROR_NONE);
    *rsm = (struct rsm){ .machine = machine, .lost_error = lost_error };
}

void rsm_gain(struct rsm *rsm, struct rsm_log *log, int64_t committed)
{
    assert(rsm->log == NULL && rsm->first == NULL);
    rsm->log = log;
    rsm->committed = committed;
    rsm->seen = log->type->end_offset(log);
    assert(committed <= rsm->seen);
}

static void answer(struct rsm_request *request, enum error error)
{
    request->next = NULL;
    request->done(request, error);
}

void rsm_lose(struct rsm *rsm)
{
    struct rsm_request *request = rsm->first;
    rsm->first = rsm->last = NULL;
    rsm->log = NULL;
    while (request != NULL) {
        struct rsm_request *next = request->next;
        answer(request, rsm->lost_error);
        request = next;
    }
}

static void wait_for_commit(struct rsm *rsm, struct rsm_request *request)
{
    assert(rsm->last == NULL || rsm->last->wait_offset <= request->wait_offset);
    request->next = NULL;
    if (rsm->last == NULL)
        rsm->first = request;
    else
        rsm->last->next = request;
    rsm->last = request;
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

void rsm_submit(struct rsm *rsm, struct rsm_request *request)
{
    if (rsm->log == NULL) {
        answer(request, rsm->lost_error);
        return;
    }
    int64_t next_offset = rsm->log->type->end_offset(rsm->log);
    struct rsm_decision decision = { .arena = request->arena };
    request->error = rsm->machine->type->decide(rsm->machine, request, next_offset, &decision);
    assert(request->error == ERROR_NONE || decision.record_count == 0);
    if (decision.record_count > 0 || decision.upgrades_log)
        request->error = append_and_apply(rsm, &decision);
    request->wait_offset = rsm->seen;
    if (rsm->committed >= request->wait_offset || broken(change_before_commit))
        answer(request, request->error);
    else
        wait_for_commit(rsm, request);
}

void rsm_commit(struct rsm *rsm, int64_t offset)
{
    if (rsm->log == NULL || offset <= rsm->committed)
        return;
    rsm->committed = offset;
    while (rsm->first != NULL && rsm->first->wait_offset <= offset) {
        struct rsm_request *request = rsm->first;
        rsm->first = request->next;
        if (rsm->first == NULL)
            rsm->last = NULL;
        answer(request, request->error);
    }
}
