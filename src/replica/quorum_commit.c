/* SPDX-License-Identifier: Apache-2.0 */
/* From decisions to the disk and, once durable, to the world:
 *   rsm decides -> stage -> FINISH_WRITE: log_write, freeze an image -> flusher -> durable end ->
 * raft commits
 *   -> publish the newest image that is committed -> answer who waited. */
#include <assert.h>
#include <errno.h>

#include "base/broken.h"
#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "io/io.h"
#include "metadata/feature.h"
#include "replica/batches.h"
#include "replica/quorum_parts.h"
#include "replica/quorum_state.h"
#include "replica/quorum_voters.h"
#include "storage/epochs.h"
#include "wire/record.h"

enum { BATCH_RECORDS = 10000 };

void quorum_fail(struct quorum *quorum, const char *reason, int status)
{
    if (quorum->failed)
        return;
    quorum->failed = true;
    report_error("quorum_failed", "directory=%s reason=\"%s: %s\": the node stops",
        quorum->directory, reason, status_text(status));
    quorum->hooks.failed(quorum->hooks.context, reason, status);
}

/* Takes the reference to batch. */
static int64_t stage(struct quorum *quorum, struct buffer *batch)
{
    struct batch_header header;
    int64_t base_offset;
    enum batch_status parsed = batch_parse((struct bytes){ batch->data, batch->size }, &header);
    assert(parsed == BATCH_OK);
    log_stage(quorum->log, batch, batch->data, &header, quorum->raft.vote.leader_epoch,
        loop_wall_ms(quorum->loop), &base_offset);
    quorum->bytes_since_snapshot += (int64_t)batch->size;
    buffer_unref(batch);
    loop_finish(quorum->loop, FINISH_WRITE, &quorum->write_task);
    return base_offset;
}

static void append_control(struct quorum *quorum, const struct control_record *records, int32_t count)
{
    struct batch_options options = batch_options_plain();
    options.base_offset = log_staged_end(quorum->log);
    options.control = true;
    stage(quorum, batch_build_control(&options, loop_wall_ms(quorum->loop), records, count));
}

/* The voters, which the configuration told, stand in the log from here on (KIP-853). */
static void append_voters(struct quorum *quorum)
{
    assert(quorum->settings.voter_count == 1);
    struct quorum_voter self = quorum->settings.voters[0];
    self.directory_id = quorum->raft.self.directory_id;
    quorum->next_voters = voters_encode(&quorum->kept, &self, 1);
    struct control_record records[] = {
        { CONTROL_KRAFT_VERSION, kraft_version_encode(&quorum->kept, 1) },
        { CONTROL_VOTERS, quorum->next_voters },
    };
    append_control(quorum, records, 2);
}

/* They are written, and count, as at the next start. */
static void adopt_voters(struct quorum *quorum)
{
    if (quorum->next_voters.data == NULL)
        return;
    bool good = voters_parse(quorum->next_voters, &quorum->voters);
    assert(good);
    quorum->kraft_version = quorum->controller.settings.kraft_version = 1;
    quorum->raft.voters = quorum->voters;
    quorum->voters_record = quorum->next_voters;
    quorum->next_voters = (struct bytes){ NULL, 0 };
}

/* A decision larger than a batch should be goes into several; they are written in one and committed
 * in order. */
static enum error append(
    struct rsm_log *rsm_log, const struct rsm_decision *decision, int64_t *out_base_offset)
{
    struct quorum *quorum = container_of(rsm_log, struct quorum, rsm_log);
    int64_t wall_ms = loop_wall_ms(quorum->loop);
    if (quorum->failed || !raft_leads(&quorum->raft))
        return ERROR_NOT_CONTROLLER;
    if (decision->upgrades_log)
        append_voters(quorum);
    struct record *records = memory_take((size_t)decision->record_count * sizeof(*records));
    *out_base_offset = log_staged_end(quorum->log);
    for (int32_t first = 0; first < decision->record_count; first += BATCH_RECORDS) {
        int32_t left = decision->record_count - first;
        int32_t count = left < BATCH_RECORDS ? left : BATCH_RECORDS;
        struct batch_options options = batch_options_plain();
        options.base_offset = log_staged_end(quorum->log);
        for (int32_t i = 0; i < count; i++)
            records[i] = (struct record){ .offset = options.base_offset + i,
                .timestamp = wall_ms,
                .key = decision->records[first + i].key,
                .value = decision->records[first + i].value };
        int64_t base_offset = stage(quorum, batch_build(&options, records, count));
        assert(base_offset == *out_base_offset + first);
    }
    memory_give(records);
    return ERROR_NONE;
}

static int64_t end_offset(struct rsm_log *rsm_log)
{
    return log_staged_end(container_of(rsm_log, struct quorum, rsm_log)->log);
}

const struct rsm_log_type quorum_rsm_log_type = { append, end_offset };

/* A leader's first record in its epoch; in an empty log the quorum's own state stands beside it. */
static void append_leader_change(struct quorum *quorum)
{
    struct arena arena;
    struct control_record records[3];
    int32_t count = 1;
    arena_init(&arena);
    records[0] = (struct control_record){ CONTROL_LEADER_CHANGE,
        leader_change_encode(
            &arena, quorum->settings.node_id, &quorum->raft.voters, &quorum->raft.granting) };
    if (log_staged_end(quorum->log) == 0 && quorum->kraft_version >= 1) {
        records[count++] = (struct control_record){ CONTROL_KRAFT_VERSION,
            kraft_version_encode(&arena, quorum->kraft_version) };
        if (quorum->voters_record.data != NULL)
            records[count++] = (struct control_record){ CONTROL_VOTERS, quorum->voters_record };
    }
    append_control(quorum, records, count);
    arena_deinit(&arena);
}

void quorum_drop_pending(struct quorum *quorum)
{
    while (quorum->pending != NULL) {
        struct pending_image *next = quorum->pending->next;
        image_unref(quorum->pending->image);
        memory_give(quorum->pending);
        quorum->pending = next;
    }
    quorum->pending_last = NULL;
}

/* Nothing of the group was written: the state goes back to what the log holds, and who waited hears
 * of it. Images that are frozen already are of what was written before: they are published as it is committed. */
static void recover_from_full_disk(struct quorum *quorum)
{
    report_error("metadata_disk_full", "directory=%s: changes are refused until there is room",
        quorum->directory);
    quorum->rsm.lost_error = ERROR_KAFKA_STORAGE_ERROR;
    if (quorum->gained)
        rsm_lose(&quorum->rsm);
    quorum->rsm.lost_error = ERROR_NOT_CONTROLLER;
    quorum->next_voters = (struct bytes){ NULL, 0 };
    int status = broken(unwritten_kept) ? 0 : quorum_replay(quorum);
    if (status < 0 || !quorum->active) {
        quorum_fail(quorum, "the metadata log could not be written", status < 0 ? status : -ENOSPC);
        return;
    }
    rsm_gain(&quorum->rsm, &quorum->rsm_log, quorum->raft.high_watermark);
}

static void freeze(struct quorum *quorum)
{
    if (!quorum->gained)
        return;
    struct image *image = controller_freeze(&quorum->controller);
    if (image == NULL)
        return;
    image->epoch = quorum->raft.vote.leader_epoch;
    image->append_ms = loop_wall_ms(quorum->loop);
    struct pending_image *entry = memory_take(sizeof(*entry));
    entry->image = image;
    if (quorum->pending_last == NULL)
        quorum->pending = entry;
    else
        quorum->pending_last->next = entry;
    quorum->pending_last = entry;
}

static void publish(struct quorum *quorum, struct image *image)
{
    assert(quorum->published == NULL || quorum->published->offset <= image->offset);
    image_unref(quorum->published);
    quorum->published = image;
    quorum->hooks.publish(quorum->hooks.context, image);
    quorum_consider_snapshot(quorum);
}

/* The newest image that is committed; those before it are passed over. */
static void publish_committed(struct quorum *quorum, int64_t committed)
{
    struct image *newest = NULL;
    while (quorum->pending != NULL && quorum->pending->image->offset <= committed) {
        struct pending_image *entry = quorum->pending;
        image_unref(newest);
        newest = entry->image;
        quorum->pending = entry->next;
        memory_give(entry);
    }
    if (quorum->pending == NULL)
        quorum->pending_last = NULL;
    if (newest == NULL)
        return;
    if (quorum->active)
        publish(quorum, newest);
    else
        image_unref(newest); /* the activation publishes what it leads to */
}

void quorum_write(struct task *task)
{
    struct quorum *quorum = container_of(task, struct quorum, write_task);
    if (quorum->failed || !log_has_staged(quorum->log))
        return;
    int status = log_write(quorum->log);
    if (status == -ENOSPC) {
        recover_from_full_disk(quorum);
        return;
    }
    if (status < 0) {
        quorum_fail(quorum, "the metadata log could not be written", status);
        return;
    }
    adopt_voters(quorum);
    freeze(quorum);
    if (broken(image_before_commit))
        publish_committed(quorum, INT64_MAX);
    log_want_flush(quorum->log);
}

static void activation_done(struct rsm_request *request, enum error error)
{
    struct quorum *quorum = container_of(request, struct quorum, activation.rsm);
    if (error != ERROR_NONE)
        return; /* the log is lost: the next epoch activates again */
    loop_enqueue(quorum->loop, &quorum->activated_task);
}

static void activate(struct quorum *quorum)
{
    arena_reset(&quorum->activation_arena);
    quorum->activation = (struct controller_request){ .type = CONTROLLER_ACTIVATE };
    quorum->activation.rsm.arena = &quorum->activation_arena;
    quorum->activation.rsm.done = activation_done;
    rsm_submit(&quorum->rsm, &quorum->activation.rsm);
}

void quorum_activated(struct task *task)
{
    struct quorum *quorum = container_of(task, struct quorum, activated_task);
    if (!quorum->gained || quorum->active)
        return;
    if (image_feature(quorum->controller.working, STR("metadata.version")) == 0 &&
        quorum->controller.bootstrap_count > 0) {
        activate(quorum); /* it only ended a half-done transaction: now the first records */
        return;
    }
    struct image *image = controller_freeze(&quorum->controller);
    assert(image != NULL);
    image->epoch = quorum->raft.vote.leader_epoch;
    quorum->active = true;
    publish(quorum, image);
    quorum->hooks.leader_changed(
        quorum->hooks.context, quorum->raft.vote.leader_id, quorum->raft.vote.leader_epoch);
}

/* Elected is not ready: the first committed record of the own epoch is. */
static void commit(struct quorum *quorum)
{
    int64_t committed = quorum->raft.high_watermark;
    log_set_high_watermark(quorum->log, committed);
    if (!raft_leads(&quorum->raft))
        return;
    if (!quorum->gained) {
        quorum->gained = true;
        quorum->controller.working->offset = committed;
        rsm_gain(&quorum->rsm, &quorum->rsm_log, committed);
        activate(quorum);
        return;
    }
    publish_committed(quorum, committed);
    rsm_commit(&quorum->rsm, committed);
}

static void lose(struct quorum *quorum)
{
    bool was_active = quorum->active;
    if (quorum->gained)
        rsm_lose(&quorum->rsm);
    quorum->gained = quorum->active = false;
    quorum_drop_pending(quorum);
    if (was_active)
        quorum->hooks.leader_changed(
            quorum->hooks.context, quorum->raft.vote.leader_id, quorum->raft.vote.leader_epoch);
}

/* INT64_MAX: never. */
static int64_t snapshot_deadline_ms(const struct quorum *quorum)
{
    int64_t every_ms = quorum->settings.snapshot_ms, last_ms = quorum->last_snapshot_ms;
    bool is_due_once = quorum->bytes_since_snapshot > 0 && every_ms > 0;
    return is_due_once && every_ms < INT64_MAX - last_ms ? last_ms + every_ms : INT64_MAX;
}

static void set_timer(struct quorum *quorum)
{
    int64_t deadline_ms = quorum->raft.deadline_ms;
    int64_t snapshot_ms = snapshot_deadline_ms(quorum);
    deadline_ms = deadline_ms < snapshot_ms ? deadline_ms : snapshot_ms;
    if (deadline_ms >= INT64_MAX / 1000)
        timer_cancel(quorum->loop, &quorum->timer);
    else
        timer_set(quorum->loop, &quorum->timer, deadline_ms * 1000);
}

void quorum_step(struct quorum *quorum, struct raft_event *event)
{
    struct raft_actions actions;
    if (quorum->failed)
        return;
    event->now_ms = loop_now_ms(quorum->loop);
    io_random(quorum->io, &event->random, sizeof(event->random));
    raft_step(&quorum->raft, event, &actions);
    if (actions.save_vote && !broken(vote_not_saved)) {
        int status = quorum_state_save(quorum->io, quorum->directory, &quorum->raft.vote,
            quorum->kraft_version, &quorum->raft.voters);
        if (status < 0) {
            quorum_fail(quorum, "quorum-state could not be written", status);
            return;
        }
    }
    /* Messages to other voters have no way out yet: a quorum of one has none. */
    if (actions.lost_leadership)
        lose(quorum);
    if (actions.became_leader)
        append_leader_change(quorum);
    if (actions.commit_moved)
        commit(quorum);
    set_timer(quorum);
}

void quorum_durable(struct task *task)
{
    struct quorum *quorum = container_of(task, struct quorum, durable_task);
    int64_t durable = log_durable_end(quorum->log);
    struct raft_event event = { .type = RAFT_APPENDED,
        .position = { durable, quorum_last_epoch(quorum, durable) } };
    if (durable <= quorum->raft.end.offset)
        return;
    quorum_step(quorum, &event);
}
