/* SPDX-License-Identifier: Apache-2.0 */
/* What a consumer group keeps, for the files group_consumer*.c alone. Apply changes it, one record
 * at a time; what counts across members (who holds a partition, what is subscribed to) is kept up
 * as they change, so that a heartbeat of a settled member costs the same in any group. Live are the
 * deadlines, and when the image was last looked at. */
#pragma once
#include "coordinator/coordinator.h"
#include "coordinator/decide.h"
#include "coordinator/partition_set.h"
#include "wire/gen/consumer_group_current_member_assignment_record.h"
#include "wire/gen/consumer_group_member_metadata_record.h"
#include "wire/gen/consumer_group_regular_expression_record.h"
#include "wire/gen/join_group.h"

enum { LEFT_STATICALLY = -2, LEFT = -1, JOINING = 0 }; /* epochs that say so */
enum { FIRST_GROUP_EPOCH = 1 };                        /* before any record says more */

enum consumer_member_state {
    MEMBER_STABLE = 0,
    MEMBER_UNREVOKED = 1,  /* has to give up what revoking holds; its epoch stays */
    MEMBER_UNRELEASED = 2, /* waits for what others have not given up yet */
    MEMBER_UNKNOWN = 127
};

/* What a record of type 8 says. */
struct consumer_current {
    int32_t epoch, previous_epoch;
    enum consumer_member_state state;
    struct partition_set assigned, revoking;
};

/* What only a member has that speaks the classic protocol, in a group that is being migrated. Its
 * generation is its epoch. */
struct consumer_classic {
    struct consumer_member *member;
    int32_t session_ms;
    struct join_group_request_protocol *protocols; /* owned; they point into what was written */
    int32_t protocol_count;
    /* Live. Until then it must join, since it was told to, and sync, since it joined. */
    struct deadline join, sync;
};

struct consumer_member {
    struct group *group;
    char *id; /* owned, NUL-terminated */
    int32_t id_size;
    /* Metadata as it was written, owned; NULL: none yet. The texts below point into it. */
    struct bytes written;
    int16_t written_version;
    struct str instance_id, rack_id; /* null: none */
    struct str client_id, client_host, regex, assignor;
    struct str *topics; /* owned; ascending */
    int32_t topic_count, rebalance_timeout_ms;
    bool topics_in_a_row;             /* in what was written, each behind the one before */
    struct consumer_classic *classic; /* owned; NULL: speaks the consumer protocol */
    bool has_current, has_target;
    struct consumer_current current;
    struct partition_set target;
    /* Live. */
    struct deadline session, rebalance;
    int32_t rebalance_epoch; /* the one that it must leave until then */
    bool is_leaving;         /* while a decision gathers who leaves */
    UT_hash_handle hh;
};
static inline struct str member_id(const struct consumer_member *member)
{
    return (struct str){ member->id, member->id_size };
}

/* How many sources name the topic: members, and expressions that match it. */
struct subscribed_topic {
    char *name; /* owned */
    int32_t name_size, sources;
    UT_hash_handle hh;
};

struct subscribed_regex {
    char *text; /* owned */
    int32_t text_size, subscribers;
    int32_t leaving_count; /* of its subscribers, while a decision gathers who leaves */
    bool is_resolved;
    char **topics; /* owned, as are they; those that it matches */
    int32_t topic_count;
    int64_t version, resolved_ms; /* the image's offset; wall */
    /* Live. */
    int64_t looked_at;    /* the newest image's offset by which it matches those; -1: none */
    int64_t next_look_ms; /* steady; not before */
    char *refusal;        /* owned; why it is not matched. NULL: it is, or will be */
    UT_hash_handle hh;
};

/* How many members hold each partition of a topic. It is more than one only while a log is
 * replayed that was compacted. */
struct held_topic {
    struct uuid id;
    int32_t total, count;
    uint16_t *holders; /* owned */
    UT_hash_handle hh;
};

struct consumer_group {
    struct consumer_member *members; /* map by id */
    struct subscribed_topic *topics; /* map by name */
    struct subscribed_regex *regexes;
    struct held_topic *held; /* map by topic id */
    int32_t epoch, assignment_epoch;
    int64_t metadata_hash, assignment_ms; /* wall */
    bool has_epoch, has_assignment_epoch; /* a record said so */
    bool has_partition_metadata; /* a record of type 4, of Kafka before 4.1, is in the log */
    int32_t settled_count;       /* members that are stable at the assignment epoch */
    int32_t away_count;          /* static members that said they come back */
    int32_t classic_count;       /* members that speak the classic protocol */
    /* Live. */
    int64_t looked_at;       /* the image's offset whose topics the epoch is right for; -1: none */
    int64_t assigning;       /* number of the newest assignment.h; 0: there was none */
    int32_t assigned_count;  /* members of that that are written */
    int64_t assign_after_ms; /* steady; a target is not wanted before */
};

/* group_consumer.c */
struct consumer_member *consumer_member_find(const struct group *group, struct str id);
/* The one member of that instance: at once when it is the one who asks, else by a search. */
struct consumer_member *consumer_member_static(
    const struct group *group, struct str id, struct str instance_id);
bool consumer_group_is(const struct group *group); /* NULL is none */
int32_t consumer_group_size(const struct group *group);
bool consumer_member_is_settled(const struct consumer_current *current, int32_t assignment_epoch);
bool consumer_partition_is_held(const struct group *group, struct uuid topic, int32_t partition);
/* That most members prefer, all but one (NULL: all), and one more with that preference (null: none).
 * A group that is not there yet: NULL. */
const struct assignor *consumer_group_assignor(const struct group_decider *decider,
    const struct group *group, const struct consumer_member *without, struct str more);
const char *consumer_group_state(const struct group *group);

int32_t consumer_session_ms(const struct group_decider *decider, struct str group);
int32_t consumer_assignment_interval_ms(const struct group_decider *decider, struct str group);
int32_t consumer_heartbeat_ms(const struct group_decider *decider, struct str group, bool settled);

/* group_consumer_leave.c */
void consumer_session_passed(struct group_decider *decider, struct deadline *deadline);
void consumer_rebalance_passed(struct group_decider *decider, struct deadline *deadline);
void consumer_join_passed(struct group_decider *decider, struct deadline *deadline);
void consumer_sync_passed(struct group_decider *decider, struct deadline *deadline);
/* They leave for good: tombstones, and the next epoch of the group without them; or it is a classic
 * group from now on. */
void decide_members_leave(struct group_decider *decider, const struct group *group,
    struct consumer_member *const *members, int32_t count);

/* group_consumer_classic.c: as the classic protocol has it, by the names in the image. */
struct bytes consumer_encode_assignment(
    const struct group_decider *decider, const struct partition_set *set, int16_t version);

/* group_consumer_count.c: what counts across members is taken off (-1) before one changes, and put
 * back (1) after. */
void consumer_count_subscription(struct consumer_member *member, int32_t by);
void consumer_count_current(struct consumer_member *member, int32_t by);
void consumer_count_topic(struct consumer_group *kept, struct str name, int32_t by);
struct subscribed_regex *consumer_find_regex(
    struct consumer_group *kept, struct str text); /* or makes it */
struct subscribed_regex *consumer_regex(const struct group *group, struct str text); /* or NULL */
void consumer_regex_refused(struct subscribed_regex *regex, const char *why); /* NULL: it is not */
void consumer_forget_topics(struct consumer_group *kept, struct subscribed_regex *regex);
void consumer_drop_regex_if_unused(struct consumer_group *kept, struct subscribed_regex *regex);

/* group_consumer_apply.c */
void consumer_member_free(struct consumer_member *member);
/* Of a group apart: it becomes what the records since one make of it. */
void consumer_apply_apart(
    struct group *apart, const struct rsm_decision *records, int32_t since, struct arena *arena);
void consumer_group_free(struct group *group);

/* group_consumer_record.c: records as Kafka 4.4.0 writes them. */
struct consumer_names { /* of whom a record tells */
    struct str group, member;
};
void add_member_metadata(struct rsm_decision *out_records, struct consumer_names names,
    const struct consumer_group_member_metadata_record *metadata);
void add_group_epoch(
    struct rsm_decision *out_records, struct str group, int32_t epoch, int64_t metadata_hash);
void add_target(struct rsm_decision *out_records, struct consumer_names names,
    const struct partition_set *target);
void add_assignment_epoch(
    struct rsm_decision *out_records, struct str group, int32_t epoch, int64_t wall_ms);
void add_current(struct rsm_decision *out_records, struct consumer_names names,
    const struct consumer_current *current);
void add_regex(struct rsm_decision *out_records, struct str group, struct str regex,
    const struct consumer_group_regular_expression_record *resolved);
void add_regex_gone(struct rsm_decision *out_records, struct str group, struct str regex);
void add_partition_metadata_gone(struct rsm_decision *out_records, struct str group);
void add_member_gone(struct rsm_decision *out_records, struct consumer_names names);
void consumer_group_remove(struct group_decider *decider, const struct group *group);
void consumer_group_dump(const struct group *group, struct rsm_decision *out_records);
