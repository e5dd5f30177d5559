/* SPDX-License-Identifier: Apache-2.0 */
/* GroupMetadata records: a whole classic group in each. */
#pragma once
#include "coordinator/group_classic_state.h"

/* As Kafka writes them since 2.3. */
enum { GROUP_METADATA_VERSION = 3 };

/* The group as it is, each member with what is proposed for it, and `in` in the place of `out`
 * (both may be NULL). */
void classic_group_record(struct group_decider *decider, const struct classic_group *group,
    const struct classic_member *out, const struct classic_member *in);
/* Of a group that somebody wants to join first: it is there, and has no members. */
void classic_group_record_new(struct group_decider *decider, struct str group_id);
void classic_group_record_gone(struct group_decider *decider, struct str group_id);
void classic_group_dump(const struct group *group, struct rsm_decision *out_records);
