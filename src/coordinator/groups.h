/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of groups whatever their kind: ListGroups, DeleteGroups, and what ages. */
#pragma once

struct group_decider;

void decide_list_groups(struct group_decider *decider);
void decide_delete_group(struct group_decider *decider);
void decide_expire(struct group_decider *decider);
void decide_topics_deleted(struct group_decider *decider);
