/* SPDX-License-Identifier: Apache-2.0 */
#include "raft/raft.h"

#include <assert.h>

#include "raft/election.h"
#include "raft/voters.h"

void raft_init(struct raft *raft, struct raft_voter self, const struct raft_settings *settings,
    const struct raft_voters *voters, const struct raft_vote *vote, struct raft_position end)
{
    assert(voters->count >= 0 && voters->count <= RAFT_VOTERS_MAX);
    *raft = (struct raft){ .self = self,
        .settings = *settings,
        .voters = *voters,
        .vote = *vote,
        .end = end,
        .high_watermark = -1 };
    /* A log may be ahead of quorum-state only by what a leader wrote in an epoch it had saved
     * before. */
    if (raft->vote.leader_epoch < end.epoch)
        raft->vote = (struct raft_vote){
            .leader_id = RAFT_NOBODY, .leader_epoch = end.epoch, .voted_id = RAFT_NOBODY
        };
    if (raft->vote.leader_id == self.id)
        raft->role = RAFT_RESIGNED;
    else if (raft->vote.leader_id != RAFT_NOBODY)
        raft->role = RAFT_FOLLOWER;
    else
        raft->role = RAFT_UNATTACHED;
    for (int i = 0; i < RAFT_VOTERS_MAX; i++)
        raft->progress[i].offset = -1;
}

bool raft_is_voter(const struct raft *raft)
{
    return voters_find(&raft->voters, raft->self) >= 0;
}

/* The largest offset that a majority holds durably. The local node counts with what it has synced.
 */
static int64_t majority_offset(const struct raft *raft)
{
    int64_t sorted[RAFT_VOTERS_MAX];
    int count = 0;
    for (int i = 0; i < raft->voters.count; i++) {
        bool local = voter_matches(raft->voters.list[i], raft->self);
        int64_t offset = local ? raft->end.offset : raft->progress[i].offset;
        int place = count++;
        for (; place > 0 && sorted[place - 1] < offset; place--)
            sorted[place] = sorted[place - 1];
        sorted[place] = offset;
    }
    return count == 0 ? -1 : sorted[voters_majority(&raft->voters) - 1];
}

/* Raft thesis 5.4.2: records of older epochs are committed only together with one of the own epoch.
 */
static void advance_commit(struct raft *raft, struct raft_actions *actions)
{
    if (raft->role != RAFT_LEADER)
        return;
    int64_t offset = majority_offset(raft);
    /* Others may be ahead of the leader's own disk; what it answers for must be there, too. */
    if (offset > raft->end.offset)
        offset = raft->end.offset;
    if (offset <= raft->epoch_start || offset <= raft->high_watermark)
        return;
    raft->high_watermark = offset;
    actions->commit_moved = true;
}

static void note_append(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    assert(event->position.epoch <= raft->vote.leader_epoch);
    assert(raft->high_watermark <= event->position.offset);
    raft->end = event->position;
    advance_commit(raft, actions);
}

static void note_progress(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    if (event->epoch < raft->vote.leader_epoch) {
        actions->fenced = true;
        return;
    }
    if (event->epoch > raft->vote.leader_epoch) {
        election_enter_epoch(raft, event, event->epoch, actions);
        return;
    }
    if (raft->role != RAFT_LEADER)
        return;
    int index = voters_find(&raft->voters, event->from);
    if (index < 0)
        return; /* an observer */
    struct raft_progress *progress = &raft->progress[index];
    progress->last_fetch_ms = event->now_ms;
    if (event->position.offset > progress->offset)
        progress->offset = event->position.offset;
    advance_commit(raft, actions);
}

/* From the leader, or from who knows it: the epoch and its leader are adopted, a commit only from
 * the leader itself. */
static void hear_leader(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    if (event->epoch < raft->vote.leader_epoch) {
        actions->fenced = true;
        return;
    }
    if (event->epoch > raft->vote.leader_epoch)
        election_enter_epoch(raft, event, event->epoch, actions);
    int32_t leader_id = event->type == RAFT_EPOCH_BEGUN ? event->from.id : event->leader_id;
    bool known = raft->vote.leader_id != RAFT_NOBODY;
    if (leader_id == RAFT_NOBODY || leader_id == raft->self.id ||
        (known && raft->vote.leader_id != leader_id))
        return; /* an epoch has one leader: who names another is not believed */
    election_follow(raft, event, leader_id, actions);

    if (event->type != RAFT_FETCH_ANSWERED || event->from.id != leader_id)
        return;
    int64_t committed =
        event->position.offset < raft->end.offset ? event->position.offset : raft->end.offset;
    if (committed > raft->high_watermark) {
        raft->high_watermark = committed;
        actions->commit_moved = true;
    }
}

/* The leader gave up: the first of its successors stands at once, the others a little later each.
 */
static void hear_resignation(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    if (event->epoch < raft->vote.leader_epoch) {
        actions->fenced = true;
        return;
    }
    if (event->epoch > raft->vote.leader_epoch)
        election_enter_epoch(raft, event, event->epoch, actions);
    if (raft->role == RAFT_LEADER || raft->role == RAFT_CANDIDATE || raft->role == RAFT_PROSPECTIVE)
        return;
    int place = voters_find(&event->successors, raft->self);
    if (place < 0)
        return;
    raft->role = RAFT_UNATTACHED;
    if (raft->vote.leader_id != RAFT_NOBODY) {
        raft->vote.leader_id = RAFT_NOBODY;
        actions->save_vote = actions->leader_changed = true;
    }
    raft->deadline_ms = event->now_ms + (int64_t)place * raft->settings.election_backoff_max_ms / 4;
}

static void change_voters(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    struct raft_progress progress[RAFT_VOTERS_MAX];
    for (int i = 0; i < RAFT_VOTERS_MAX; i++)
        progress[i] = (struct raft_progress){ .offset = -1, .last_fetch_ms = event->now_ms };
    for (int i = 0; i < event->voters->count; i++) {
        int before = voters_find(&raft->voters, event->voters->list[i]);
        if (before >= 0)
            progress[i] = raft->progress[before];
    }
    raft->voters = *event->voters;
    for (int i = 0; i < RAFT_VOTERS_MAX; i++)
        raft->progress[i] = progress[i];
    if (raft->role == RAFT_LEADER)
        raft->deadline_ms =
            raft->voters.count == 1 ? INT64_MAX : event->now_ms + raft->settings.fetch_timeout_ms;
    advance_commit(raft, actions);
}

void raft_step(struct raft *raft, const struct raft_event *event, struct raft_actions *actions)
{
    int32_t epoch_before = raft->vote.leader_epoch;
    int64_t committed_before = raft->high_watermark;
    *actions = (struct raft_actions){ 0 };

    switch (event->type) {
    case RAFT_TICK:
        election_tick(raft, event, actions);
        break;
    case RAFT_VOTE_REQUESTED:
        election_answer_vote(raft, event, actions);
        break;
    case RAFT_VOTE_ANSWERED:
        election_count_vote(raft, event, actions);
        break;
    case RAFT_EPOCH_BEGUN:
        hear_leader(raft, event, actions);
        break;
    case RAFT_EPOCH_ENDED:
        hear_resignation(raft, event, actions);
        break;
    case RAFT_FETCH_REQUESTED:
        note_progress(raft, event, actions);
        break;
    case RAFT_FETCH_ANSWERED:
        hear_leader(raft, event, actions);
        break;
    case RAFT_APPENDED:
        note_append(raft, event, actions);
        break;
    case RAFT_VOTERS_CHANGED:
        change_voters(raft, event, actions);
        break;
    case RAFT_RESIGN:
        election_resign(raft, event, actions);
        break;
    }
    assert(raft->vote.leader_epoch >= epoch_before);
    assert(raft->vote.leader_epoch == epoch_before ||
           actions->save_vote); /* durable before anyone hears of it */
    assert(raft->high_watermark >= committed_before);
    assert(!actions->granted || actions->save_vote || event->pre_vote);
}
