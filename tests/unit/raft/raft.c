/* SPDX-License-Identifier: Apache-2.0 */
/* Several voters in memory: their logs are lists of epochs, their network loses and delays
 * messages, their disks keep what was saved. A seed decides everything. */
#include "raft/raft.h"

#include <string.h>

#include "base/prng.h"
#include "raft/voters.h"
#include "test.h"

enum { NODES_MAX = 5, LOG_MAX = 4000, MAIL_MAX = 4000, EPOCHS_MAX = 4000 };

struct node {
    struct raft raft;
    struct raft_vote saved;
    int32_t log[LOG_MAX]; /* the epoch of each record */
    int64_t end, durable;
    bool up;
    int64_t next_fetch_ms, fetch_id;
};

struct mail {
    int64_t at_ms;
    int to;
    struct raft_event event;
    bool is_fetch, is_fetch_answer;
    int32_t asked_epoch; /* fetch: epoch of the record before position */
    int64_t truncate_to; /* answer: diverging; -1: none */
    int64_t fetch_id;    /* only the answer to the newest question counts, once */
    int32_t records[16];
    int record_count;
};

struct world {
    struct prng prng;
    int64_t now_ms;
    int count;
    struct node nodes[NODES_MAX];
    struct mail mails[MAIL_MAX];
    int mail_count;
    int32_t leader_of[EPOCHS_MAX]; /* +1; 0: none yet */
    int32_t committed[LOG_MAX];    /* epoch of each committed record, as first seen */
    int64_t committed_end;
    uint32_t loss; /* of a million */
};

static struct world world;
static const struct raft_settings settings = {
    .election_timeout_ms = 100, .election_backoff_max_ms = 100, .fetch_timeout_ms = 200
};

static struct raft_voter voter(int index)
{
    return (struct raft_voter){ index + 1, { { (uint8_t)(index + 1) } } };
}

static void post(const struct mail *mail)
{
    if (prng_chance(&world.prng, world.loss) || world.mail_count == MAIL_MAX)
        return;
    world.mails[world.mail_count] = *mail;
    world.mails[world.mail_count++].at_ms = world.now_ms + 1 + (int64_t)prng_below(&world.prng, 20);
}

static struct raft_position end_of(const struct node *node)
{
    return (struct raft_position){ node->durable,
        node->durable == 0 ? 0 : node->log[node->durable - 1] };
}

static void step(int index, struct raft_event *event, struct raft_actions *actions);

static void append(int index, int32_t epoch)
{
    struct node *node = &world.nodes[index];
    if (node->end < LOG_MAX)
        node->log[node->end++] = epoch;
}

/* What a voter has synced counts; a crash takes the rest. */
static void sync_log(int index)
{
    struct node *node = &world.nodes[index];
    struct raft_actions actions;
    if (node->durable == node->end)
        return;
    node->durable = node->end;
    struct raft_event event = { .type = RAFT_APPENDED, .position = end_of(node) };
    step(index, &event, &actions);
}

static void check_commit(int index)
{
    struct node *node = &world.nodes[index];
    int64_t committed = node->raft.high_watermark;
    assert_true(committed <= node->durable);
    for (int64_t i = 0; i < committed; i++) {
        if (i >= world.committed_end)
            world.committed[world.committed_end++] = node->log[i];
        assert_int_equal(
            world.committed[i], node->log[i]); /* what is committed never changes, on nobody */
    }
}

static void step(int index, struct raft_event *event, struct raft_actions *actions)
{
    struct node *node = &world.nodes[index];
    event->now_ms = world.now_ms;
    event->random = prng_next(&world.prng);
    raft_step(&node->raft, event, actions);
    if (actions->save_vote)
        node->saved = node->raft.vote;
    if (actions->lost_leadership)
        sync_log(index);
    if (actions->became_leader) {
        int32_t epoch = node->raft.vote.leader_epoch;
        assert_true(epoch < EPOCHS_MAX);
        assert_true(world.leader_of[epoch] == 0); /* one leader an epoch, and nobody twice */
        world.leader_of[epoch] = index + 1;
        for (int64_t i = 0; i < world.committed_end; i++) { /* leader completeness */
            assert_true(i < node->end);
            assert_int_equal(node->log[i], world.committed[i]);
        }
        append(index, epoch);
    }
    for (int i = 0; i < actions->message_count; i++) {
        struct mail mail = { .to = actions->messages[i].to.id - 1 };
        mail.event.type = actions->messages[i].type == RAFT_SEND_VOTE          ? RAFT_VOTE_REQUESTED
                          : actions->messages[i].type == RAFT_SEND_BEGIN_EPOCH ? RAFT_EPOCH_BEGUN
                                                                               : RAFT_EPOCH_ENDED;
        mail.event.from = voter(index);
        mail.event.epoch = node->raft.vote.leader_epoch;
        mail.event.pre_vote = actions->messages[i].pre_vote;
        mail.event.position = end_of(node);
        mail.event.successors = node->raft.voters;
        post(&mail);
    }
    if (actions->commit_moved)
        check_commit(index);
}

static void answer_fetch(int index, const struct mail *ask)
{
    struct node *node = &world.nodes[index];
    struct mail answer = {
        .to = ask->event.from.id - 1, .is_fetch_answer = true, .truncate_to = -1
    };
    answer.event = (struct raft_event){ .type = RAFT_FETCH_ANSWERED,
        .from = voter(index),
        .epoch = node->raft.vote.leader_epoch,
        .leader_id = node->raft.vote.leader_id };
    answer.fetch_id = ask->fetch_id;
    if (raft_leads(&node->raft) && ask->event.epoch == node->raft.vote.leader_epoch) {
        int64_t at = ask->event.position.offset;
        bool matches = at <= node->end && (at == 0 || node->log[at - 1] == ask->asked_epoch);
        if (matches) {
            struct raft_event event = ask->event;
            struct raft_actions actions;
            step(index, &event, &actions);
            while (at < node->end && answer.record_count < 16)
                answer.records[answer.record_count++] = node->log[at++];
        } else {
            int64_t common = at < node->end ? at : node->end;
            while (common > 0 && node->log[common - 1] > ask->asked_epoch)
                common--;
            answer.truncate_to = common < at ? common : at - 1;
        }
        answer.event.position.offset = node->raft.high_watermark;
    }
    post(&answer);
}

static void take_fetch(int index, struct mail *mail)
{
    struct node *node = &world.nodes[index];
    struct raft_actions actions;
    bool current =
        mail->event.epoch == node->raft.vote.leader_epoch && node->raft.role == RAFT_FOLLOWER;
    current = current && mail->fetch_id == node->fetch_id++;
    if (current && mail->truncate_to >= 0) {
        assert_true(mail->truncate_to >= node->raft.high_watermark);
        node->end = node->durable = mail->truncate_to;
        struct raft_event cut = { .type = RAFT_APPENDED, .position = end_of(node) };
        step(index, &cut, &actions);
    } else if (current && mail->record_count > 0) {
        for (int i = 0; i < mail->record_count; i++)
            append(index, mail->records[i]);
        sync_log(index); /* a follower's next fetch is its word that this is durable */
    }
    if (!current || mail->truncate_to >= 0)
        mail->event.position.offset = -1;
    step(index, &mail->event, &actions);
}

static void deliver(struct mail *mail)
{
    struct node *node = &world.nodes[mail->to];
    struct raft_actions actions;
    if (!node->up)
        return;
    if (mail->is_fetch) {
        answer_fetch(mail->to, mail);
    } else if (mail->is_fetch_answer) {
        take_fetch(mail->to, mail);
    } else {
        step(mail->to, &mail->event, &actions);
        if (mail->event.type != RAFT_VOTE_REQUESTED)
            return;
        struct mail answer = { .to = mail->event.from.id - 1 };
        answer.event = (struct raft_event){ .type = RAFT_VOTE_ANSWERED,
            .from = voter(mail->to),
            .epoch = node->raft.vote.leader_epoch,
            .pre_vote = mail->event.pre_vote,
            .granted = actions.granted };
        post(&answer);
    }
}

static void start(int index)
{
    struct node *node = &world.nodes[index];
    struct raft_voters voters = { .count = world.count };
    for (int i = 0; i < world.count; i++)
        voters.list[i] = voter(i);
    node->up = true;
    node->end = node->durable;
    raft_init(&node->raft, voter(index), &settings, &voters, &node->saved, end_of(node));
    node->raft.deadline_ms = world.now_ms + (int64_t)prng_below(&world.prng, 200);
}

static void fetch(int index)
{
    struct node *node = &world.nodes[index];
    if (node->raft.role != RAFT_FOLLOWER || world.now_ms < node->next_fetch_ms)
        return;
    node->next_fetch_ms = world.now_ms + 10;
    struct mail mail = { .to = node->raft.vote.leader_id - 1,
        .is_fetch = true,
        .fetch_id = ++node->fetch_id,
        .asked_epoch = end_of(node).epoch };
    mail.event = (struct raft_event){ .type = RAFT_FETCH_REQUESTED,
        .from = voter(index),
        .epoch = node->raft.vote.leader_epoch,
        .position = end_of(node) };
    post(&mail);
}

static void turn_world(uint32_t crashes)
{
    world.now_ms++;
    for (int i = 0; i < world.mail_count; i++)
        if (world.mails[i].at_ms <= world.now_ms) {
            struct mail mail = world.mails[i];
            world.mails[i--] = world.mails[--world.mail_count];
            deliver(&mail);
        }
    for (int i = 0; i < world.count; i++) {
        struct node *node = &world.nodes[i];
        if (!node->up) {
            if (prng_chance(&world.prng, 10000))
                start(i);
            continue;
        }
        if (prng_chance(&world.prng, crashes)) {
            node->up = false;
            continue;
        }
        struct raft_event tick = { .type = RAFT_TICK };
        struct raft_actions actions;
        step(i, &tick, &actions);
        fetch(i);
        if (raft_leads(&node->raft) && prng_chance(&world.prng, 20000))
            append(i, node->raft.vote.leader_epoch);
        if (prng_chance(&world.prng, 200000))
            sync_log(i);
    }
}

static void create_world(int count, uint64_t seed, uint32_t loss)
{
    memset(&world, 0, sizeof(world));
    prng_init(&world.prng, seed);
    world.count = count;
    world.loss = loss;
    for (int i = 0; i < count; i++) {
        world.nodes[i].saved =
            (struct raft_vote){ .leader_id = RAFT_NOBODY, .voted_id = RAFT_NOBODY };
        start(i);
    }
}

/* One voter needs nobody: leader at its first tick, committed when its own record is durable, and
 * not before. */
void test_raft__of_one_leads_at_once(void)
{
    create_world(1, 1, 0);
    turn_world(0);
    struct raft *raft = &world.nodes[0].raft;
    assert_true(raft_leads(raft));
    assert_int_equal(raft->vote.leader_epoch, 1);
    assert_int_equal(raft->granting.count, 1);
    sync_log(0);
    assert_int_equal(raft->high_watermark, world.nodes[0].end);
    start(0); /* the next life is another epoch */
    turn_world(0);
    assert_true(raft_leads(raft));
    assert_int_equal(raft->vote.leader_epoch, 2);
}

/* Three and five voters on a good network: one leader, everything committed, everybody agrees. */
void test_raft__elects_and_replicates(void)
{
    for (int count = 3; count <= 5; count += 2) {
        create_world(count, 7, 0);
        for (int i = 0; i < 20000; i++)
            turn_world(0);
        int leaders = 0;
        for (int i = 0; i < count; i++)
            leaders += raft_leads(&world.nodes[i].raft);
        assert_int_equal(leaders, 1);
        assert_true(world.committed_end > 100);
        for (int i = 0; i < count; i++)
            assert_true(world.nodes[i].raft.high_watermark > world.committed_end - 100);
    }
}

/* Losses and crashes: never two leaders an epoch, nothing committed is lost or changed, and it goes
 * on. */
void test_raft__keeps_its_promises_through_losses_and_crashes(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        create_world(seed % 2 == 0 ? 3 : 5, seed, 100000);
        for (int i = 0; i < 20000; i++)
            turn_world(i < 18000 ? 300 : 0);
        world.loss = 0;
        int64_t before = world.committed_end;
        for (int i = 0; i < 4000; i++)
            turn_world(0);
        assert_true(world.committed_end > before);
    }
}

static struct raft one_follower(void)
{
    struct raft raft;
    struct raft_voters voters = { .count = 3, .list = { voter(0), voter(1), voter(2) } };
    struct raft_vote vote = { .leader_id = 2, .leader_epoch = 5, .voted_id = RAFT_NOBODY };
    raft_init(&raft, voter(0), &settings, &voters, &vote, (struct raft_position){ 10, 5 });
    return raft;
}

/* KIP-996: who hears its leader refuses pre-votes; nobody's epoch moves by them. */
void test_raft__refuses_a_prevote_while_it_hears_its_leader(void)
{
    struct raft raft = one_follower();
    struct raft_actions actions;
    struct raft_event ask = { .type = RAFT_VOTE_REQUESTED,
        .from = voter(2),
        .epoch = 5,
        .pre_vote = true,
        .position = { 99, 5 } };
    raft_step(&raft, &ask, &actions);
    assert_false(actions.granted);
    assert_false(actions.save_vote);
}

/* One vote an epoch, durable before it is told, and not for a log that is behind. */
void test_raft__votes_once_an_epoch(void)
{
    struct raft raft = one_follower();
    struct raft_actions actions;
    struct raft_event ask = {
        .type = RAFT_VOTE_REQUESTED, .from = voter(2), .epoch = 6, .position = { 9, 5 }
    };
    raft_step(&raft, &ask, &actions);
    assert_false(actions.granted);
    assert_true(actions.save_vote); /* the epoch itself */
    ask.position.offset = 10;
    raft_step(&raft, &ask, &actions);
    assert_true(actions.granted && actions.save_vote);
    ask.from = voter(1);
    raft_step(&raft, &ask, &actions);
    assert_false(actions.granted);
    ask.epoch = 5;
    raft_step(&raft, &ask, &actions);
    assert_true(actions.fenced);
}

/* A voter is a node and its directory: a wiped disk is somebody else. */
void test_raft__tells_a_wiped_voter_from_the_old_one(void)
{
    struct raft_voters voters = { .count = 1, .list = { voter(0) } };
    struct raft_voter wiped = voter(0);
    wiped.directory_id.bytes[1] = 9;
    assert_int_equal(voters_find(&voters, voter(0)), 0);
    assert_int_equal(voters_find(&voters, wiped), -1);
}

/* A leader whose majority is silent gives up, and never leads that epoch again. */
void test_raft__resigns_when_a_majority_is_silent(void)
{
    create_world(3, 11, 0);
    for (int i = 0; i < 2000; i++)
        turn_world(0);
    int leader = 0;
    while (!raft_leads(&world.nodes[leader].raft))
        leader++;
    int32_t epoch = world.nodes[leader].raft.vote.leader_epoch;
    world.loss = 1000000;
    for (int i = 0; i < 400; i++)
        turn_world(0);
    assert_false(raft_leads(&world.nodes[leader].raft));
    assert_true(
        world.nodes[leader].raft.vote.leader_epoch <= epoch + 1); /* pre-votes move no epoch */
    world.loss = 0;
    for (int i = 0; i < 2000; i++)
        turn_world(0);
    int leaders = 0;
    for (int i = 0; i < 3; i++)
        leaders += raft_leads(&world.nodes[i].raft);
    assert_int_equal(leaders, 1);
}
