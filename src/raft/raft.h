/* SPDX-License-Identifier: Apache-2.0 */
/* Consensus by Kafka's KRaft rules as a step function: an event goes in, the state changes, and
 * what the caller must do comes out, in the order of the fields of struct raft_actions: cut the
 * log, persist the vote, then send, then become. Replication is pulled: followers fetch, and a
 * fetch offset is the proof of what its sender holds durably. Who loses leadership must make its
 * log durable before the next event: an election counts from the durable end. Holds no clock,
 * random source or file: times and random numbers are in the event, the next deadline is in the
 * state.
 *
 *   unattached --timeout--> prospective --majority of pre-votes--> candidate --majority of votes-->
 * leader ^                      |  (nobody's epoch moves)              |  (epoch + 1, vote for
 * oneself)   |
 *        '---- higher epoch ----'--------- higher epoch --------------'------- higher epoch
 * ------------' follower: knows the leader of the epoch; its fetch timeout makes it prospective.
 *   resigned: was leader in an earlier life or gave up; waits for a newer epoch (never leads the
 * same epoch twice). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"

enum { RAFT_VOTERS_MAX = 15, RAFT_NOBODY = -1 };

enum raft_role {
    RAFT_UNATTACHED,
    RAFT_FOLLOWER,
    RAFT_PROSPECTIVE,
    RAFT_CANDIDATE,
    RAFT_LEADER,
    RAFT_RESIGNED
};

/* A voter is a node id and the id of its metadata directory: a wiped disk is another voter.
 * Directory id zero: not known (static voters of kraft.version 0), matches any. */
struct raft_voter {
    int32_t id;
    struct uuid directory_id;
};

struct raft_voters {
    struct raft_voter list[RAFT_VOTERS_MAX];
    int32_t count;
};

/* What quorum-state keeps. Durable before anybody hears of it. */
struct raft_vote {
    int32_t leader_id; /* RAFT_NOBODY: not known */
    int32_t leader_epoch;
    int32_t voted_id; /* RAFT_NOBODY: no vote given in this epoch */
    struct uuid voted_directory_id;
};

struct raft_position {
    int64_t offset; /* end of a log */
    int32_t epoch;  /* of its last record */
};

enum raft_event_type {
    RAFT_TICK,           /* the deadline may have passed */
    RAFT_VOTE_REQUESTED, /* from: candidate, epoch, pre_vote, position: end of its log */
    RAFT_VOTE_ANSWERED,  /* from: voter, epoch, pre_vote, granted, leader_id */
    RAFT_EPOCH_BEGUN,    /* BeginQuorumEpoch: from is leader of epoch */
    RAFT_EPOCH_ENDED, /* EndQuorumEpoch: from resigns the epoch; preferred successors in successors
                       */
    RAFT_FETCH_REQUESTED, /* from: a voter or observer, epoch, position: what it holds durably */
    RAFT_FETCH_ANSWERED,  /* from: leader, epoch, leader_id, position.offset: its high watermark; -1
                           * when the answer said  that the logs diverge, or comes late: then nothing
                           * is known to be committed here */
    RAFT_APPENDED,        /* position: the local end, now durable */
    RAFT_VOTERS_CHANGED,  /* voters: newest set in the log, committed or not */
    RAFT_RESIGN,          /* give up leadership (controlled stop) */
};

struct raft_event {
    enum raft_event_type type;
    int64_t now_ms;
    uint64_t random; /* fresh for each event; spreads the timeouts */
    struct raft_voter from;
    int32_t epoch;
    int32_t leader_id;
    bool pre_vote, granted;
    struct raft_position position;
    const struct raft_voters *voters;
    struct raft_voters successors;
};

enum raft_message_type { RAFT_SEND_VOTE, RAFT_SEND_BEGIN_EPOCH, RAFT_SEND_END_EPOCH };

struct raft_message {
    enum raft_message_type type;
    struct raft_voter to;
    bool pre_vote;
};

struct raft_actions {
    bool save_vote; /* write vote and sync it before anything below leaves */
    struct raft_message messages[RAFT_VOTERS_MAX];
    int32_t message_count;
    bool granted;       /* the answer to RAFT_VOTE_REQUESTED */
    bool fenced;        /* the event's epoch is older than ours: answer FENCED_LEADER_EPOCH */
    bool became_leader; /* append LeaderChange (and, first in a log, KRaftVersion and Voters) in the
                           new epoch */
    bool lost_leadership;
    bool leader_changed; /* vote.leader_id or the epoch is another */
    bool commit_moved;   /* high_watermark grew */
};

struct raft_settings {
    int32_t election_timeout_ms, election_backoff_max_ms, fetch_timeout_ms;
};

struct raft_progress {
    int64_t offset; /* what the voter holds durably, -1: not heard of in this epoch */
    int64_t last_fetch_ms;
    bool granted, refused; /* in the running election */
};

struct raft {
    struct raft_voter self;
    struct raft_settings settings;
    struct raft_voters voters;
    struct raft_vote vote;
    enum raft_role role;
    struct raft_position end; /* local durable end */
    int64_t high_watermark;   /* -1: not known yet */
    int64_t epoch_start; /* leader: offset of the first record of its epoch; nothing commits below
                            it alone */
    struct raft_progress progress[RAFT_VOTERS_MAX]; /* parallel to voters.list */
    struct raft_voters granting;                    /* leader: who elected it, for LeaderChange */
    int64_t deadline_ms;    /* next RAFT_TICK that matters; INT64_MAX: none */
    int32_t election_count; /* lost in a row, for the back-off */
};

/* As found on the disk. Who was leader in vote starts resigned. The first event should be a
 * RAFT_TICK. */
void raft_init(struct raft *raft, struct raft_voter self, const struct raft_settings *settings,
    const struct raft_voters *voters, const struct raft_vote *vote, struct raft_position end);
void raft_step(struct raft *raft, const struct raft_event *event, struct raft_actions *actions);

bool raft_is_voter(const struct raft *raft);
static inline bool raft_leads(const struct raft *raft)
{
    return raft->role == RAFT_LEADER;
}
