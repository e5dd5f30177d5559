/* SPDX-License-Identifier: Apache-2.0 */
/* All that an assignor's input is made of: the members of a consumer group, what they say and what
 * they are to have, and the topics. To take one is short, however they subscribe, since a shard's
 * pass waits for it; what is long (orders, and names that are looked up) is roster_input()'s, on
 * any thread once the roster owns what it points to. Lives in an arena. */
#pragma once
#include "coordinator/assign.h"
#include "coordinator/group_consumer_plan.h"

struct roster_member {
    struct str id, instance_id;
    const struct str *names; /* of topics, ascending */
    int32_t name_count;
    bool is_in_a_row;            /* the names, in the record that they were read from */
    struct str regex;            /* empty: none */
    struct partition_set target; /* the present one */
    bool has_target;
};

/* An expression and the topics that it matches, ascending. */
struct roster_regex {
    struct str text;
    const struct str *topics;
    int32_t topic_count;
};

struct roster {
    const struct image *image;
    const struct assignor *assignor;
    struct roster_member *members;
    int32_t member_count;
    const struct roster_regex *regexes;
    int32_t regex_count;
    const struct image_topic *const *topics; /* ascending by name */
    int32_t topic_count;
};

/* What an assignor is asked. Members in the order of their ids, so that it is the same whatever the
 * log went through. */
struct target_input {
    struct assign_input assign;
    struct assign_member *members; /* as in there */
    struct uuid *topic_ids;
};

/* The members as they will be: with the planned one, and without the one before it (or that it
 * replaces). Points into the group, the plan and the image. */
void roster_take(struct consumer_plan *plan, struct roster *out_roster);
/* From then on it points into the arena and the image only. */
void roster_own(struct roster *roster, struct arena *arena);
/* Puts the members in order. */
void roster_input(struct roster *roster, struct arena *arena, struct target_input *out_input);
size_t roster_bytes(const struct roster *roster); /* for that and the assignor, at most */
