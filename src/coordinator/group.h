/* SPDX-License-Identifier: Apache-2.0 */
/* A group: its id, its kind with what that keeps, and the offsets that were committed for it. It is
 * there while its kind keeps something (members, an epoch) or an offset is committed; one that has
 * offsets only is a simple group, and classic. An id belongs to one kind at a time; groups of kinds
 * that are not served (group_unserved.h) keep their id taken. Owned by its coordinator; changed by
 * apply only, but for what its kind calls live. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/str.h"
#include "base/uuid.h"
#include "error.h"

struct classic_group;
struct consumer_group;
struct coordinator;
struct group_decider;
struct group;
struct image;
struct rsm_decision;
struct topic_offsets;
struct unserved_group;

/* Who asks for offsets of a group, as the request says. */
struct group_caller {
    struct str member_id, instance_id; /* empty: no member; null: not static */
    int32_t epoch;                     /* generation or member epoch; -1: no member */
    int16_t version;                   /* of the API */
};

/* What the coordinator asks of every kind. */
struct group_kind {
    const char *type;   /* as ListGroups tells it: "classic" ... */
    bool keeps_offsets; /* they never age, and the group never goes by itself */
    const char *(*state)(const struct group *group);        /* "Stable" ... */
    struct str (*protocol_type)(const struct group *group); /* "consumer" ...; empty: none yet */
    /* ERROR_NONE or what the caller hears. A commit of a classic member keeps its session alive. */
    enum error (*may_commit)(
        struct group_decider *decider, struct group *group, const struct group_caller *caller);
    /* Of one partition, once the caller may commit at all; NULL: each (KIP-1251). */
    enum error (*may_commit_partition)(const struct group *group, const struct group_caller *caller,
        struct uuid topic_id, int32_t partition);
    enum error (*may_fetch)(const struct group *group, const struct group_caller *caller);
    enum error (*may_delete)(const struct group *group); /* the whole group */
    enum error (*may_delete_offsets)(const struct group *group);
    bool (*subscribes)(const struct group *group, struct str topic); /* its offsets must not go */
    bool (*is_empty)(
        const struct group *group); /* no members: offsets age, and then it may go itself */
    bool (*is_rebalancing)(const struct group *group); /* no offset ages meanwhile; NULL: never */
    int64_t (*empty_since_ms)(
        const struct group *group); /* wall; -1: offsets age from their commit */
    void (*remove)(struct group_decider *decider,
        const struct group *group); /* tombstones for all that it keeps; of a simple group, too */
    void (*loaded)(
        struct group *group, int64_t steady_ms, const struct image *image); /* live state begins */
    void (*dump)(const struct group *group, struct rsm_decision *out_records);
    void (*free)(struct group *group); /* what it keeps; the group stays */
};
extern const struct group_kind classic_kind, consumer_kind, share_kind, streams_kind;

struct group {
    struct coordinator *coordinator;
    char *id; /* owned, NUL-terminated */
    int32_t id_size;
    const struct group_kind *kind;
    union { /* what the kind keeps; NULL: nothing, a simple group */
        void *kept;
        struct classic_group *classic;
        struct consumer_group *consumer;
        struct unserved_group *unserved;
    };
    struct topic_offsets *offsets; /* offsets.h; map by topic name */
    UT_hash_handle hh;             /* of the coordinator's groups... */
    struct group *next;            /* ... or of those that become one */
};

/* Where a walk over all groups and their offsets goes on, in the next decision. What is freed
 * meanwhile hands it to what stands behind it. */
struct group_walk {
    struct group *group;         /* NULL: the first */
    struct topic_offsets *topic; /* of its offsets; NULL: the first */
    int64_t left;                /* of the group's offsets, so many stay */
};

static inline struct str group_id(const struct group *group)
{
    return (struct str){ group->id, group->id_size };
}
/* The partition of __consumer_offsets that is the home of the id's group: Java's hash of its UTF-16
 * text, so that Kafka finds it in the same one. */
int32_t group_home_index(struct str id, int32_t partition_count);
struct group *group_find(const struct coordinator *coordinator, struct str id); /* NULL: none */
struct group *group_make(
    struct coordinator *coordinator, struct str id); /* or finds it; a new one is simple */
/* A simple one that is not among the coordinator's: what a group would be, for a decision to go on
 * with before the log has it. */
struct group *group_make_apart(struct coordinator *coordinator, struct str id);
bool group_is_apart(const struct group *group);
/* Ends what its kind keeps: simple again, or gone when it has no offsets. */
void group_end(struct group *group);
void group_drop_if_unused(struct group *group); /* keeps nothing, and has no offsets: freed */
void group_free(struct group *group);           /* with all that it has */
