/* SPDX-License-Identifier: Apache-2.0 */
/* What a classic group keeps. All but `written` is live: it runs ahead of the log while members
 * join and sync, and is what the log says whenever the group is stable or empty. Members stand in
 * the order in which they came; who waits for an answer has its request here, which is held.
 *
 *    Empty -- a join --> PreparingRebalance: members have until the deadline to join
 *    PreparingRebalance -- all have joined, or the deadline --> CompletingRebalance: a new
 *        generation; its leader assigns, the others wait in SyncGroup (without members: Empty)
 *    CompletingRebalance -- the leader's SyncGroup, once it is in the log --> Stable
 *    CompletingRebalance, Stable -- a member comes, goes or wants it --> PreparingRebalance
 *
 * A group that the coordinator does not have is Dead. */
#pragma once
#include "coordinator/coordinator.h"
#include "coordinator/decide.h"
#include "wire/gen/join_group.h"

enum classic_state { CLASSIC_EMPTY, CLASSIC_PREPARING, CLASSIC_COMPLETING, CLASSIC_STABLE };

struct classic_member {
    struct classic_group *group;
    struct str id, instance_id, client_id, client_host; /* in one block with... */
    char *texts;                                   /* ... their owner; instance null: dynamic */
    struct join_group_request_protocol *protocols; /* owned, one block; as the member prefers */
    int32_t protocol_count;
    int32_t rebalance_timeout_ms, session_timeout_ms;
    uint8_t *assignment; /* owned */
    size_t assignment_size;
    struct coordinator_request *join, *sync; /* that it waits in; NULL: in none */
    bool is_new;           /* joined first in this rebalance, cannot send heartbeats */
    bool is_told;          /* its assignment in this generation */
    bool is_named;         /* in the record that is applied */
    struct bytes proposed; /* assignment in the decision at hand; borrowed */
    struct deadline session;
    UT_hash_handle hh, hh_instance; /* of the group's */
};

/* Was told its id and is to join with it (KIP-394). */
struct classic_pending {
    struct classic_group *group;
    char *id; /* owned */
    int32_t id_size;
    struct deadline session;
    UT_hash_handle hh;
};

/* How many members support a protocol. */
struct classic_support {
    char *name; /* owned */
    int32_t name_size;
    int32_t count;
    uint64_t counted; /* the last count that met it: a member may name it twice */
    UT_hash_handle hh;
};

struct classic_group {
    struct group *owner;
    uint8_t *written; /* owned: the value of its last record; NULL: none */
    size_t written_size;
    enum classic_state state, previous;
    int64_t state_since_ms; /* wall; -1: the record did not tell */
    int32_t generation;
    struct str protocol_type, protocol;       /* owned; null: none */
    struct classic_member *members, *statics; /* maps by id, by instance id */
    struct classic_member *leader;            /* NULL: no members */
    struct classic_member *successor;         /* owned: a static one that the log is to take */
    struct classic_pending *pending;          /* map by id */
    struct classic_support *supports;         /* map by name */
    uint64_t counts;
    struct classic_topic *topics; /* map by name, of all that members subscribe to ... */
    bool is_unled; /* the record names no leader: all are to join again (group_downgrade.h) */
    bool has_topics, has_unreadable; /* ... in this generation, as far as it can be read */
    int32_t joining;                 /* members that wait in JoinGroup */
    bool has_new_member;             /* the initial delay may grow */
    int32_t delay_ms, delay_left_ms; /* of the initial rebalance: this one's, and after it */
    struct deadline deadline;        /* of the phase; in Empty, until the log has that */
};

struct classic_group *classic_group_make(struct group *group); /* or finds it */
void classic_group_free(struct group *group);
/* Has had no generation, no record, and has nobody who is to join: ended, and may be gone. */
void classic_group_drop_if_unused(struct classic_group *group);

static inline int32_t classic_group_size(const struct classic_group *group)
{
    return (int32_t)HASH_COUNT(group->members);
}
static inline bool classic_group_has_all_joined(const struct classic_group *group)
{
    return group->joining == classic_group_size(group) && group->pending == NULL;
}
int32_t classic_group_rebalance_timeout(
    const struct classic_group *group);                          /* its members' longest */
void classic_group_set_text(struct str *text, struct str value); /* a copy; an empty one is null */

/* A member is created outside of the group; what it is made of is copied. */
struct classic_member *classic_member_create(struct classic_group *group, struct str id,
    struct str instance_id, struct str client_id, struct str client_host);
void classic_member_destroy(struct classic_member *member); /* in no group (any more) */
void classic_member_set_protocols(struct classic_member *member,
    const struct join_group_request_protocol *protocols, int32_t count);
void classic_member_set_assignment(struct classic_member *member, struct bytes assignment);
static inline struct bytes classic_member_assignment(const struct classic_member *member)
{
    return (struct bytes){ member->assignment, member->assignment_size };
}
/* data NULL: it does not support the protocol. */
struct bytes classic_member_metadata(const struct classic_member *member, struct str protocol);

/* The first one leads. */
void classic_group_add(struct classic_group *group, struct classic_member *member);
void classic_group_take_out(struct classic_group *group, struct classic_member *member);
void classic_group_set_join(struct classic_member *member, struct coordinator_request *join);
struct classic_member *classic_group_find(const struct classic_group *group, struct str id);
struct classic_member *classic_group_find_static(
    const struct classic_group *group, struct str instance_id);
/* Who asks is a member, and the newest of its instance. */
enum error classic_group_check_member(
    const struct classic_group *group, struct str id, struct str instance_id);

struct classic_pending *classic_pending_find(const struct classic_group *group, struct str id);
struct classic_pending *classic_pending_add(struct classic_group *group, struct str id);
void classic_pending_remove(struct classic_pending *pending);

/* Somebody with these protocols can be a member: all others support one of them. */
bool classic_group_supports(
    const struct classic_group *group, const struct join_group_request *request);
/* Each member votes for the first of its protocols that all support; the most votes win. */
struct str classic_group_select_protocol(const struct classic_group *group);
/* The same with `in`, who is none yet, in the place of `out`. */
struct str classic_group_select_protocol_with(
    struct classic_group *group, struct classic_member *out, struct classic_member *in);

/* What consumers read is what they said when their generation began, by the protocol of the group; one
 * that cannot be read, and a group without a generation, may read anything. */
bool classic_group_subscribes(const struct classic_group *group, struct str topic);
void classic_topics_take(struct classic_group *group); /* a generation begins */
void classic_topics_forget(struct classic_group *group);
