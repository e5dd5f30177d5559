/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of groups whatever their kind: ListGroups, DeleteGroups, and what ages. */
#pragma once
#include <stdint.h>

struct group_decider;
struct str;

/* Leaves of a filter of states or types what may name one, each once: each group is compared with
 * it, and a request may name very many. */
void groups_narrow(struct str *filter, int32_t *in_out_count);

void decide_list_groups(struct group_decider *decider);
void decide_delete_group(struct group_decider *decider);
void decide_expire(struct group_decider *decider);
void decide_topics_deleted(struct group_decider *decider);
