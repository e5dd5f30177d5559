/* SPDX-License-Identifier: Apache-2.0 */
#include "raft/election.h"

#include <assert.h>

#include "raft/voters.h"

static void send(
    struct raft_actions *actions, enum raft_message_type type, struct raft_voter to, bool pre_vote)
{
    assert(actions->message_count < RAFT_VOTERS_MAX);
    actions->messages[actions->message_count++] = (struct raft_message){ type, to, pre_vote };
}

static void send_to_others(const struct raft *raft, enum raft_message_type type, bool pre_vote,
    struct raft_actions *actions)
{
    for (int i = 0; i < raft->voters.count; i++)
        if (!voter_matches(raft->voters.list[i], raft->self))
            send(actions, type, raft->voters.list[i], pre_vote);
}

/* Between one and two election timeouts, so that two voters seldom stand at once. */
static int64_t election_deadline(const struct raft *raft, const struct raft_event *event)
{
    int32_t timeout = raft->settings.election_timeout_ms;
    return event->now_ms + timeout +
           (int64_t)(event->random % (uint64_t)(timeout > 0 ? timeout : 1));
}

static void leave_leadership(struct raft *raft, struct raft_actions *actions)
{
    if (raft->role == RAFT_LEADER)
        actions->lost_leadership = true;
    raft->granting.count = 0;
}

void election_enter_epoch(
    struct raft *raft, const struct raft_event *event, int32_t epoch, struct raft_actions *actions)
{
    assert(epoch > raft->vote.leader_epoch);
    leave_leadership(raft, actions);
    raft->role = RAFT_UNATTACHED;
    raft->vote = (struct raft_vote){
        .leader_id = RAFT_NOBODY, .leader_epoch = epoch, .voted_id = RAFT_NOBODY
    };
    raft->deadline_ms = election_deadline(raft, event);
    actions->save_vote = true;
    actions->leader_changed = true;
}

void election_follow(struct raft *raft, const struct raft_event *event, int32_t leader_id,
    struct raft_actions *actions)
{
    assert(leader_id != raft->self.id && leader_id != RAFT_NOBODY);
    raft->deadline_ms = event->now_ms + raft->settings.fetch_timeout_ms;
    if (raft->role == RAFT_FOLLOWER && raft->vote.leader_id == leader_id)
        return;
    leave_leadership(raft, actions);
    raft->role = RAFT_FOLLOWER;
    raft->vote.leader_id = leader_id;
    raft->election_count = 0;
    actions->save_vote = true;
    actions->leader_changed = true;
}

static void begin_counting(struct raft *raft, const struct raft_event *event)
{
    for (int i = 0; i < raft->voters.count; i++) {
        raft->progress[i].granted = voter_matches(raft->voters.list[i], raft->self);
        raft->progress[i].refused = false;
    }
    raft->deadline_ms = election_deadline(raft, event);
}

static int granted_count(const struct raft *raft)
{
    int count = 0;
    for (int i = 0; i < raft->voters.count; i++)
        count += raft->progress[i].granted;
    return count;
}

static bool is_beaten(const struct raft *raft)
{
    int refused = 0;
    for (int i = 0; i < raft->voters.count; i++)
        refused += raft->progress[i].refused;
    return refused > raft->voters.count - voters_majority(&raft->voters);
}

static void become_leader(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    raft->granting.count = 0;
    for (int i = 0; i < raft->voters.count; i++) {
        if (raft->progress[i].granted)
            raft->granting.list[raft->granting.count++] = raft->voters.list[i];
        raft->progress[i].offset = -1;
        raft->progress[i].last_fetch_ms = event->now_ms;
    }
    raft->role = RAFT_LEADER;
    raft->vote.leader_id = raft->self.id;
    raft->vote.voted_id = RAFT_NOBODY;
    raft->vote.voted_directory_id = UUID_ZERO;
    raft->epoch_start = raft->end.offset;
    raft->election_count = 0;
    raft->deadline_ms =
        raft->voters.count == 1 ? INT64_MAX : event->now_ms + raft->settings.fetch_timeout_ms;
    actions->save_vote = true;
    actions->became_leader = true;
    actions->leader_changed = true;
    send_to_others(raft, RAFT_SEND_BEGIN_EPOCH, false, actions);
}

static void become_candidate(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    raft->role = RAFT_CANDIDATE;
    raft->vote = (struct raft_vote){ .leader_id = RAFT_NOBODY,
        .leader_epoch = raft->vote.leader_epoch + 1,
        .voted_id = raft->self.id,
        .voted_directory_id = raft->self.directory_id };
    begin_counting(raft, event);
    actions->save_vote = true;
    actions->leader_changed = true;
    actions->message_count = 0; /* pre-votes of the same step are history */
    if (granted_count(raft) >= voters_majority(&raft->voters))
        become_leader(raft, event, actions);
    else
        send_to_others(raft, RAFT_SEND_VOTE, false, actions);
}

static void become_prospective(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    if (raft->vote.leader_id != RAFT_NOBODY)
        actions->leader_changed = actions->save_vote = true;
    raft->role = RAFT_PROSPECTIVE;
    raft->vote.leader_id = RAFT_NOBODY;
    begin_counting(raft, event);
    if (granted_count(raft) >= voters_majority(&raft->voters))
        become_candidate(raft, event, actions);
    else
        send_to_others(raft, RAFT_SEND_VOTE, true, actions);
}

/* KIP-595: a leader that a majority no longer fetches from gives up, lest it answer from a lost
 * world. */
static bool is_deserted(const struct raft *raft, int64_t now_ms)
{
    int heard = 0;
    for (int i = 0; i < raft->voters.count; i++)
        if (voter_matches(raft->voters.list[i], raft->self) ||
            now_ms - raft->progress[i].last_fetch_ms < raft->settings.fetch_timeout_ms)
            heard++;
    return heard < voters_majority(&raft->voters);
}

void election_resign(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    if (raft->role != RAFT_LEADER)
        return;
    send_to_others(raft, RAFT_SEND_END_EPOCH, false, actions);
    leave_leadership(raft, actions);
    raft->role = RAFT_RESIGNED;
    raft->deadline_ms = election_deadline(raft, event);
    actions->leader_changed = true;
}

void election_tick(struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    bool alone = raft->voters.count == 1 && raft_is_voter(raft);
    if (event->now_ms < raft->deadline_ms && !(alone && raft->role != RAFT_LEADER))
        return;

    switch (raft->role) {
    case RAFT_LEADER:
        if (is_deserted(raft, event->now_ms))
            election_resign(raft, event, actions);
        else
            raft->deadline_ms = event->now_ms + raft->settings.fetch_timeout_ms / 2;
        return;
    case RAFT_RESIGNED:
        /* The vote of the epoch it led went to itself: only a newer epoch may see it vote again. */
        if (!alone) {
            election_enter_epoch(raft, event, raft->vote.leader_epoch + 1, actions);
            return;
        }
        become_candidate(raft, event, actions);
        return;
    case RAFT_UNATTACHED:
    case RAFT_FOLLOWER:
    case RAFT_PROSPECTIVE:
    case RAFT_CANDIDATE:
        if (raft_is_voter(raft))
            become_prospective(raft, event, actions);
        else
            raft->deadline_ms = election_deadline(raft, event);
        return;
    }
}

static bool is_as_new_as_ours(const struct raft *raft, struct raft_position position)
{
    if (position.epoch != raft->end.epoch)
        return position.epoch > raft->end.epoch;
    return position.offset >= raft->end.offset;
}

static bool may_grant(const struct raft *raft, const struct raft_event *event)
{
    if (!is_as_new_as_ours(raft, event->position))
        return false;
    switch (raft->role) {
    case RAFT_LEADER:
    case RAFT_RESIGNED:
        return false;
    case RAFT_FOLLOWER: /* it hears its leader: nobody else is needed */
        return false;
    case RAFT_CANDIDATE: /* its vote of this epoch is its own */
        return event->pre_vote;
    case RAFT_PROSPECTIVE:
    case RAFT_UNATTACHED:
        if (event->pre_vote)
            return true;
        if (raft->vote.voted_id == RAFT_NOBODY)
            return true;
        return raft->vote.voted_id == event->from.id &&
               uuid_equal(raft->vote.voted_directory_id, event->from.directory_id);
    }
    return false;
}

void election_answer_vote(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    if (event->epoch < raft->vote.leader_epoch) {
        actions->fenced = true;
        return;
    }
    if (event->epoch > raft->vote.leader_epoch)
        election_enter_epoch(raft, event, event->epoch, actions);
    if (!may_grant(raft, event))
        return;
    actions->granted = true;
    if (event->pre_vote)
        return;
    raft->role = RAFT_UNATTACHED;
    raft->vote.voted_id = event->from.id;
    raft->vote.voted_directory_id = event->from.directory_id;
    raft->deadline_ms = election_deadline(raft, event);
    actions->save_vote = true;
}

void election_count_vote(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    if (event->epoch > raft->vote.leader_epoch) {
        election_enter_epoch(raft, event, event->epoch, actions);
        return;
    }
    bool counts = event->epoch == raft->vote.leader_epoch &&
                  ((event->pre_vote && raft->role == RAFT_PROSPECTIVE) ||
                      (!event->pre_vote && raft->role == RAFT_CANDIDATE));
    int index = voters_find(&raft->voters, event->from);
    if (!counts || index < 0)
        return;
    if (event->granted)
        raft->progress[index].granted = true;
    else
        raft->progress[index].refused = true;

    if (granted_count(raft) >= voters_majority(&raft->voters)) {
        if (raft->role == RAFT_PROSPECTIVE)
            become_candidate(raft, event, actions);
        else
            become_leader(raft, event, actions);
    } else if (is_beaten(raft)) {
        /* Back off at random, longer after each defeat, at most the configured time. */
        int64_t limit = raft->settings.election_backoff_max_ms;
        int64_t backoff =
            100 * ((int64_t)1 << (raft->election_count < 10 ? raft->election_count : 10));
        backoff = backoff < limit ? backoff : limit;
        raft->election_count++;
        raft->deadline_ms = event->now_ms + (int64_t)(event->random % (uint64_t)(backoff + 1));
    }
}
