/* SPDX-License-Identifier: Apache-2.0 */
/* What one heartbeat is about to make of its group, before any record of it is applied: the member
 * as it will be, what the group then subscribes to, its epochs, and the member's target. Lives in
 * the request's arena. For the files group_consumer*.c alone. */
#pragma once
#include "coordinator/assign.h"
#include "coordinator/group_consumer_state.h"
#include "coordinator/group_upgrade.h"
#include "wire/gen/consumer_group_heartbeat.h"

/* Names that a member, or an expression, gives up (-1) or adds (1). */
struct topic_source {
    struct str name;
    int32_t by;
};

/* What the group subscribes to and the image has, ascending by name. */
struct consumer_topics {
    const struct image_topic **list;
    int32_t count;
    int64_t hash;
};

/* An expression that is resolved now; gone: nobody has it any more. */
struct regex_change {
    struct str text;
    bool is_gone;
    struct str *topics;
    int32_t topic_count;
    int64_t version; /* offset of the image that has them */
};

struct roster_regex;
struct target_input;
struct consumer_plan {
    struct group_decider *decider;
    const struct consumer_group_heartbeat_request *request; /* NULL: no member asks */
    /* Of a member of the classic protocol, which the request is made for; NULL: it speaks the
     * newer one. */
    struct consumer_group_member_metadata_record_classic_member_metadata *classic;
    struct group_upgrade upgrade; /* that this heartbeat begins with, when it has a `from` */
    const struct group *group;    /* NULL: there is none yet; the upgrade's, when there is one */
    struct str group_id, member_id;
    const char *refusal;                  /* more than the error says; NULL: nothing */
    const struct consumer_member *before; /* NULL: new. A static one that it replaces counts */
    bool replaces;
    struct consumer_group_member_metadata_record metadata; /* as it will be */
    struct consumer_current current;                       /* as it is, then as it will be */
    struct topic_source *sources;
    int32_t source_count, source_capacity;
    struct regex_change *regexes;
    int32_t regex_count;
    bool is_changed, names_changed, regex_changed, regexes_moved, assignor_changed;
    bool waits_for_regex;          /* what the member's expression matches is found out beside */
    bool has_all_resolved;         /* every expression of the group, by this image */
    struct consumer_topics topics; /* once has_topics */
    bool has_topics;
    int32_t epoch, assignment_epoch;
    struct partition_set target;
    const struct str *matched; /* by the member's expression */
    int32_t matched_count;
    bool has_new_target, has_moved; /* once it is carried out */
};

/* group_consumer_plan.c */
void plan_epoch(struct consumer_plan *plan);
/* Adds the records of all that is planned: at the end what the member is to have. */
void plan_carry_out(struct consumer_plan *plan);
struct consumer_member *plan_live_member(const struct consumer_plan *plan); /* NULL: it is new */
void plan_end(struct consumer_plan *plan);

/* group_consumer_member.c: ERROR_NONE or the refusal, in this order */
enum error plan_group(struct consumer_plan *plan);
enum error plan_room(const struct consumer_plan *plan);
enum error plan_member(struct consumer_plan *plan);
enum error plan_metadata(struct consumer_plan *plan);
enum error plan_current(struct consumer_plan *plan); /* of the member before it */
/* As it is written now. */
void copy_member_metadata(struct arena *arena, const struct consumer_member *member,
    struct consumer_group_member_metadata_record *metadata);
/* Ascending, each once; a copy. */
struct str *sort_names(
    struct arena *arena, const struct str *names, int32_t count, int32_t *out_count);

/* group_consumer_topics.c */
void plan_source(struct consumer_plan *plan, const struct str *names, int32_t count, int32_t by);
const struct consumer_topics *plan_topics(struct consumer_plan *plan);

/* group_consumer_regex.c */
/* Resolves what is new if that is soon done, and leaves the rest, and what an image may have
 * changed, to resolution.h. ERROR_NONE or the refusal. */
enum error plan_regexes(struct consumer_plan *plan);
/* It was found out: writes what it matches, with a new epoch. False: that is in the log. */
bool plan_resolved(struct consumer_plan *plan, const struct regex_change *resolved);
void plan_regexes_without(struct consumer_plan *plan, struct consumer_member *const *members,
    int32_t count); /* who leave */
void add_regex_changes(struct consumer_plan *plan);
/* What an expression matches, by this plan. */
void plan_regex_topics(const struct consumer_plan *plan, struct str text,
    const struct str **out_topics, int32_t *out_count);
/* Of every expression that there will be. */
const struct roster_regex *plan_regex_list(const struct consumer_plan *plan, int32_t *out_count);

/* group_consumer_target.c: computes the target where the epoch asks for one, and adds its records,
 * or leaves it to a job (assignment.h). */
void plan_target(struct consumer_plan *plan);
/* Adds the records of what a job found out: it becomes the target of the members that are still
 * there. Those from *next on, as many as suit one decision; true: none are left, and the epoch
 * follows. */
bool plan_shares(struct consumer_plan *plan, const struct target_input *input,
    const struct assign_share *shares, int32_t epoch, int32_t *next);
const struct assignor *plan_assignor(const struct consumer_plan *plan);

/* group_consumer_reconcile.c: leads the member towards its target. False: nothing changed. */
bool plan_reconcile(struct consumer_plan *plan);
bool plan_owned_is_within(
    const struct consumer_group_heartbeat_request *request, const struct partition_set *set);
