/* SPDX-License-Identifier: Apache-2.0 */
/* Which partitions a verb of groups is about: --topic TOPIC[:PARTITION,...], which may be repeated,
 * or --all-topics, all that the group has committed. */
#pragma once
#include "cli/group_view.h"

struct arguments;

#define GROUP_CHOICE_OPTIONS                                                                       \
    { "topic", 't', "TOPIC[:N,...]", "A topic, or these partitions of it. May be repeated." },     \
    {                                                                                              \
        "all-topics", 0, NULL, "All that the group has committed offsets for."                     \
    }

/* False after a complaint: neither is given, or both are. */
bool group_choice_is_made(const struct arguments *arguments);

/* EXIT_DONE with the chosen ones by topic and partition, each once, with what is committed; or the
 * exit code after a complaint. */
int group_choice_read(const struct arguments *arguments, const struct metadata_response *metadata,
    struct group_partition *committed, int committed_count, struct arena *arena,
    struct group_partition **out_chosen, int *out_count);

/* Sorts them and drops those that come twice; fills in what is committed. */
int group_choice_settle(struct group_partition *chosen, int count,
    struct group_partition *committed, int committed_count);
