/* SPDX-License-Identifier: Apache-2.0 */
/* What the coordinator's decisions share: they read its state, add records, and fill an answer. One
 * file a subject; each is called by coordinator.c only. */
#pragma once
#include "coordinator/coordinator.h"
#include "wire/schema.h"

struct group_decider {
    struct coordinator *coordinator;
    struct coordinator_request *request; /* the one that is decided; of a deadline: the tick */
    struct rsm_decision *decision;
    struct arena *arena; /* of the request */
    int64_t steady_ms, wall_ms;
    int64_t next_offset; /* of the log */
};

/* value NULL: a tombstone. */
void decide_group_record(struct group_decider *decider, const struct record_schema *schema,
    const void *key, int16_t version, const void *value);

/* Beside the records that make it so. The member: that it is due to. Texts are copied, but for the
 * reason. */
void decide_conversion(struct group_decider *decider, struct str group_id, struct str member_id,
    const struct group_kind *to, const char *reason);

/* Live state, so at once. Armed already: moves. */
void deadline_arm(struct coordinator *coordinator, struct deadline *deadline, int64_t steady_ms);
void deadline_cancel(
    struct coordinator *coordinator, struct deadline *deadline); /* not armed: does nothing */
