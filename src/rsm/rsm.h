/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts one decide/apply machine on one replicated log. A request is decided against the state,
 * which changes nothing; the records of the decision are appended as one batch and applied at once,
 * in order, so the next decision sees them; the answer leaves when they are committed. A decision
 * without records (a read, or a refusal) leaves when what it saw is committed. Losing the log fails
 * everything that waits; the state is then dropped and rebuilt by the same apply. Bytes only:
 * records are encoded by the machine's own room. One loop owns an rsm.
 *
 * A machine may hold a request that others must complete (a member that joins waits for the rest of
 * its group): it is answered when a later decision releases it, or the log refuses or is lost. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "error.h"

/* Encoded with type and version. key null: the machine's records have none. value null: what the
 * key names is gone. */
struct rsm_record {
    struct bytes key, value;
};

/* What the machine wants to be written; memory from the request's arena. */
struct rsm_decision {
    struct arena *arena;
    struct rsm_record *records;
    int32_t record_count, record_capacity;
    size_t record_bytes;
    struct rsm_request *released, *last_released; /* held before; answered with this decision */
    bool holds;        /* the log has taken it: the request waits until a later one releases it */
    bool upgrades_log; /* the log is to say first, in its own records, that it is of a newer kind */
};

void rsm_decision_add(
    struct rsm_decision *decision, struct rsm_record record); /* lives in decision->arena */
/* The held request is answered with the error when the decision's records are committed; with the
 * log's error when they are not written. */
void rsm_decision_release(
    struct rsm_decision *decision, struct rsm_request *request, enum error error);

/* One wish. Embedded in the machine's own request type; belongs to the rsm from rsm_submit() until
 * done(). */
struct rsm_request {
    struct rsm_request *prev, *next; /* waiting or held */
    struct rsm_request *next_released;
    bool is_held;
    struct arena *arena; /* lives until done() */
    void (*done)(struct rsm_request *request,
        enum error error); /* may free the request; must not call rsm_* */
    int64_t wait_offset;   /* committed up to here (exclusive) before done() */
    enum error error;
};

struct rsm_machine;
struct rsm_machine_type {
    /* Reads the state, adds records, fills the answer. An error other than ERROR_NONE adds no
     * records. */
    enum error (*decide)(struct rsm_machine *machine, struct rsm_request *request,
        int64_t next_offset, struct rsm_decision *decision);
    void (*apply)(struct rsm_machine *machine, int64_t offset, struct rsm_record record);
    void (*applied)(
        struct rsm_machine *machine, int64_t end_offset); /* after the last record of a batch */
};
struct rsm_machine {
    const struct rsm_machine_type *type;
};

/* The replicated log under it; embedded by its provider. */
struct rsm_log;
struct rsm_log_type {
    /* Appends records as one batch at the log's end in the current epoch, what the log says of
     * itself before; 0 or an error, then nothing is written. */
    enum error (*append)(
        struct rsm_log *log, const struct rsm_decision *decision, int64_t *out_base_offset);
    int64_t (*end_offset)(struct rsm_log *log);
};
struct rsm_log {
    const struct rsm_log_type *type;
};

struct rsm {
    struct rsm_machine *machine;
    struct rsm_log *log; /* NULL while it is not ours: every request is refused with lost_error */
    enum error lost_error;
    int64_t committed;           /* end of what is committed */
    int64_t seen;                /* end of what is applied; a read waits for it */
    struct rsm_request *waiting; /* utlist, in order of wait_offset */
    struct rsm_request *held;    /* utlist */
};

void rsm_init(struct rsm *rsm, struct rsm_machine *machine, enum error lost_error);
void rsm_gain(struct rsm *rsm, struct rsm_log *log,
    int64_t committed);         /* everything below its end is applied */
void rsm_lose(struct rsm *rsm); /* fails what waits and what is held with lost_error */
void rsm_submit(struct rsm *rsm, struct rsm_request *request);
void rsm_commit(struct rsm *rsm, int64_t offset); /* answers what waited for it */
