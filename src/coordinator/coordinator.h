/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinator of the groups whose id hashes to one partition of __consumer_offsets: the
 * decide/apply machine on that partition's log. What the log says (members, epochs, assignments,
 * offsets) changes by apply only, so that a replay gives the same state. Besides there is live
 * state, which no log keeps: who waits for an answer, when a session ends, who is joining; a
 * decision may change it, and it dies with the log's loss (members then begin again, as after a
 * failover in Kafka). Pure: times, random ids and the cluster's image arrive in the request. One
 * loop owns it. */
#pragma once
#include "base/heap.h"
#include "base/prng.h"
#include "base/uuid.h"
#include "coordinator/assign.h"
#include "coordinator/group.h"
#include "metadata/image.h"
#include "rsm/rsm.h"

enum coordinator_request_type {
    COORDINATOR_JOIN_GROUP,               /* struct join_group_request / _response */
    COORDINATOR_SYNC_GROUP,               /* struct sync_group_* */
    COORDINATOR_HEARTBEAT,                /* struct heartbeat_* */
    COORDINATOR_LEAVE_GROUP,              /* struct leave_group_*, members as of version 3 */
    COORDINATOR_CONSUMER_GROUP_HEARTBEAT, /* struct consumer_group_heartbeat_* */
    COORDINATOR_OFFSET_COMMIT,            /* struct offset_commit_* */
    COORDINATOR_OFFSET_FETCH,             /* struct offset_fetch_request_group / _response_group */
    COORDINATOR_OFFSET_DELETE,            /* struct offset_delete_* */
    COORDINATOR_DELETE_GROUP,             /* struct str: its id; enum error: the answer */
    COORDINATOR_DESCRIBE_GROUP,           /* struct str; struct describe_groups_described_group */
    COORDINATOR_CONSUMER_GROUP_DESCRIBE,  /* struct str; struct
                                             consumer_group_describe_described_group */
    COORDINATOR_LIST_GROUPS,              /* struct list_groups_*: those of this coordinator */
    COORDINATOR_TICK,                     /* internal: deadlines have passed; no messages */
    COORDINATOR_EXPIRE, /* internal: offsets and empty groups past their retention; no messages */
    COORDINATOR_TOPICS_DELETED, /* internal: offsets of topics that the image does not have; the
                                   same. Set has_lost_more when there are others */
    COORDINATOR_ASSIGNED,       /* internal: struct assignment, that was run; no answer */
    COORDINATOR_RESOLVED,       /* internal: struct resolution, that is done; no answer */
};

/* Whether the node has memory for what a request would add to the state (scarcity.h). */
enum coordinator_memory {
    MEMORY_AMPLE,
    MEMORY_SHORT, /* for those who are known already: nobody new comes */
    MEMORY_OUT,   /* for nothing that takes more than what it replaces */
};

/* A group that has another protocol by a decision: for the broker to report. */
struct group_conversion {
    struct group_conversion *next;
    struct str group_id, member_id; /* the member that it is due to; may be empty */
    const char *to;                 /* as ListGroups tells it */
    const char *reason;
};

/* Submit with rsm_submit(). response is zeroed by the caller with the schema's defaults, and filled
 * before done(request, error), and so are conversions; when the error there is not ERROR_NONE, the
 * log did not take it, and the whole answer is what coordinator_error() makes of it. Strings in
 * response point into request, arena or constants. */
struct coordinator_request {
    struct rsm_request rsm; /* set arena and done */
    enum coordinator_request_type type;
    int16_t version;     /* of the API */
    bool require_stable; /* of OffsetFetch */
    const void *request;
    void *response;
    struct group_conversion *conversions;
    int64_t steady_ms;    /* now, of a clock that never jumps: deadlines */
    int64_t wall_ms;      /* now: what is written in records */
    struct uuid fresh_id; /* random: for a member that brings no id, else zero */
    int32_t member_total; /* members of all groups on the node: how often they may come */
    enum coordinator_memory memory;
    size_t record_most; /* bytes; the log refuses a larger record for certain. 0: not known */
    struct str client_id, client_host; /* the host of one that may become a member */
    const struct image *image;         /* topics, features, settings of groups */
    /* Of the answer. What is long is done in several decisions, so that no pass is. */
    bool has_more; /* submit it again as it is, in a later pass; until then nothing is answered */
    int64_t began_at; /* DELETE_GROUP: the log's end then; 0: it begins */
};

/* What a setting of a group may be, whatever is stored for it. */
struct setting_bounds {
    int32_t least, most;
};

/* Of the node; those of one group are asked for. The owner may change them at any time. */
struct coordinator_settings {
    int32_t classic_min_session_ms, classic_max_session_ms; /* group.min.session.timeout.ms ... */
    int32_t classic_initial_delay_ms;                       /* group.initial.rebalance.delay.ms */
    int32_t classic_max_size;                               /* group.max.size */
    int32_t consumer_max_size;                              /* group.consumer.max.size */
    int32_t consumer_heartbeat_ms,
        consumer_session_ms;                         /* group.consumer.heartbeat.interval.ms ... */
    struct setting_bounds consumer_heartbeat_bounds, /* group.consumer.min.heartbeat ... */
        consumer_session_bounds, consumer_assignment_bounds;
    struct str consumer_assignors;           /* group.consumer.assignors: assign.h; null: all */
    int32_t consumer_moving_heartbeat_ms;    /* between heartbeats while a group reconciles */
    int32_t consumer_assignment_interval_ms; /* group.consumer.assignment.interval.ms: between */
    int64_t consumer_assign_at_once;         /* ... assignments of more members x partitions */
    int64_t consumer_write_at_once; /* of one of those, in a decision: members and partitions; 0: as
                                       many as suit a pass */
    int32_t migration_policy;       /* enum migration_policy: group.consumer.migration.policy */
    int32_t offset_metadata_max_bytes; /* offset.metadata.max.bytes */
    int32_t offsets_retention_minutes; /* offsets.retention.minutes */
};
enum migration_policy {
    MIGRATION_DISABLED,
    MIGRATION_UPGRADE,
    MIGRATION_DOWNGRADE,
    MIGRATION_BIDIRECTIONAL
};

/* Something that is to happen at a time unless it is put off: live state, embedded in its owner.
 * passed() runs inside a decision; one that wants records arms itself again first, for the log may
 * refuse them. */
struct group_decider;
struct deadline {
    struct heap_entry entry; /* first; key: steady ms */
    void (*passed)(struct group_decider *decider, struct deadline *deadline);
};

struct coordinator {
    struct rsm_machine machine; /* first */
    struct coordinator_settings settings;
    struct assignor_list assignors;
    struct group *groups;        /* map by id */
    struct group *becoming;      /* group_downgrade.h: of the decision under way */
    struct group *next_to_begin; /* coordinator_begin(): NULL: the first */
    struct group_walk expiry, lost_topics;
    bool has_lost_more;    /* topics, since that walk began: it begins again when it is through */
    struct heap deadlines; /* of struct deadline */
    struct pending_transaction *pending; /* offsets.h; map by producer id */
    struct arena scratch;                /* of one apply */
    int64_t skipped;                     /* records of the log that this release does not know */
    int32_t consumer_members;            /* of all its consumer groups */
    int32_t classic_members;             /* of all its classic ones */
    int64_t memory;                      /* bytes that its state takes */
    /* Of the decision under way; steady. */
    int64_t decided_ms;
    int64_t new_session_end_ms; /* of the member that it adds to a consumer group... */
    int64_t new_sync_end_ms;    /* ... by JoinGroup; INT64_MAX: by a heartbeat */
    struct group *to_assign;    /* by a job, says the last decision; NULL: none */
    struct group *to_resolve;   /* an expression of it, beside; NULL: none */
    int64_t last_assignment;    /* the number of the last job; it goes on after a loss */
};

void coordinator_init(struct coordinator *coordinator, const struct coordinator_settings *settings);
void coordinator_deinit(struct coordinator *coordinator);

/* Forgets everything at once, to load or after a loss. Freeing it is long where there was much, and
 * may be done elsewhere: the result is for coordinator_free_some() alone. */
struct coordinator *coordinator_detach(struct coordinator *coordinator);
bool coordinator_free_some(struct coordinator *detached); /* true: all is freed, and so is it */

/* Loading: the records of the log, in order, then coordinator_begin() until it says that it is
 * done. producer_id is -1 outside of a transaction; inside, offsets stay pending until the marker.
 * False: damaged, the partition must not be led. */
bool coordinator_replay(
    struct coordinator *coordinator, int64_t offset, struct rsm_record record, int64_t producer_id);
void coordinator_replay_marker(
    struct coordinator *coordinator, int64_t producer_id, bool committed);
/* Sessions begin now, those of some groups with each call; the image has the settings of groups.
 * True: of all. */
bool coordinator_begin(
    struct coordinator *coordinator, int64_t steady_ms, const struct image *image);

/* When to submit COORDINATOR_TICK, in steady ms; INT64_MAX: never. It changes with every request.
 */
int64_t coordinator_deadline(const struct coordinator *coordinator);

/* What a client hears when the log did not take what was decided. */
enum error coordinator_error(enum error of_the_log);

/* The state as the records that would rebuild it, in a fixed order: for tests, and the comparison
 * of live and replayed state. */
void coordinator_dump(struct coordinator *coordinator, struct rsm_decision *out_records);
