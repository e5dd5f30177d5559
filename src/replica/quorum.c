/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/quorum.h"

#include <stdio.h>

#include "base/container.h"
#include "base/memory.h"
#include "io/io.h"
#include "metadata/feature.h"
#include "replica/quorum_parts.h"
#include "storage/flusher.h"
#include "storage/log.h"
#include "storage/log_dir.h"

static void begin(struct task *task)
{
    struct quorum *quorum = container_of(task, struct quorum, begin_task);
    struct raft_event event = { .type = RAFT_TICK };
    /* A tail that a kill left in the page cache counts once it is synced, and before anybody stands
     * for election. */
    if (log_durable_end(quorum->log) < log_end(quorum->log)) {
        log_want_flush(quorum->log);
        return;
    }
    quorum_step(quorum, &event);
}

/* The durable end moved: the first time it may be what begin() waits for. */
static void durable(struct task *task)
{
    struct quorum *quorum = container_of(task, struct quorum, durable_task);
    quorum_durable(task);
    if (quorum->raft.role != RAFT_LEADER && log_durable_end(quorum->log) == log_end(quorum->log))
        loop_enqueue(quorum->loop, &quorum->begin_task);
}

static void submit(struct task *task)
{
    struct quorum *quorum = container_of(task, struct quorum, submit_task);
    struct rsm_request *request = quorum->submitted;
    quorum->submitted = quorum->submitted_last = NULL;
    while (request != NULL) {
        struct rsm_request *next = request->next;
        request->next = NULL;
        if (quorum->active && !quorum->failed)
            rsm_submit(&quorum->rsm, request);
        else
            request->done(request, ERROR_NOT_CONTROLLER);
        request = next;
    }
    if (quorum->controller.failure != NULL)
        quorum_fail(quorum, quorum->controller.failure, 0);
}

static void wake(struct timer *timer)
{
    struct quorum *quorum = container_of(timer, struct quorum, timer);
    struct raft_event event = { .type = RAFT_TICK };
    quorum_consider_snapshot(quorum);
    /* Taken or not, the next one is due an interval later: a timer in the past would never let the
     * loop rest. */
    if (loop_now_ms(quorum->loop) - quorum->last_snapshot_ms >= quorum->settings.snapshot_ms)
        quorum->last_snapshot_ms = loop_now_ms(quorum->loop);
    quorum_step(quorum, &event);
}

static void choose_log_settings(struct quorum *quorum)
{
    struct log_settings *settings = &quorum->log_settings;
    log_settings_defaults(settings);
    settings->segment_bytes = quorum->settings.segment_bytes;
    settings->segment_ms = quorum->settings.segment_ms;
    settings->segment_jitter_ms = 0;
    settings->retention_ms = -1; /* snapshots decide what may go */
    settings->retention_bytes = -1;
    settings->deletes = true;
    settings->page_cache = false;
}

int quorum_open(const struct quorum_settings *settings, const struct quorum_hooks *hooks,
    struct quorum **out_quorum)
{
    struct quorum *quorum = memory_take(sizeof(*quorum));
    uint64_t seed;
    quorum->settings = *settings;
    quorum->hooks = *hooks;
    quorum->loop = flusher_loop(settings->flusher);
    quorum->io = loop_io(quorum->loop);
    quorum->begin_task.run = begin;
    quorum->submit_task.run = submit;
    quorum->write_task.run = quorum_write;
    quorum->durable_task.run = durable;
    quorum->activated_task.run = quorum_activated;
    quorum->timer.run = wake;
    quorum->rsm_log.type = &quorum_rsm_log_type;
    quorum->last_snapshot_ms = loop_now_ms(quorum->loop);
    snprintf(quorum->directory, sizeof(quorum->directory), "%s/__cluster_metadata-0",
        log_dir_path(flusher_dir(settings->flusher)));
    io_random(quorum->io, &seed, sizeof(seed));
    controller_init(&quorum->controller, &settings->controller, seed);
    arena_init(&quorum->kept);
    arena_init(&quorum->activation_arena);
    choose_log_settings(quorum);
    rsm_init(&quorum->rsm, &quorum->controller.machine, ERROR_NOT_CONTROLLER);

    int status = quorum_load(quorum);
    if (status < 0) {
        quorum_close(quorum);
        return status;
    }
    quorum->controller.settings.node_id = settings->node_id;
    quorum->controller.settings.kraft_version = quorum->kraft_version;
    log_set_durable_task(quorum->log, &quorum->durable_task);
    loop_enqueue(quorum->loop, &quorum->begin_task);
    *out_quorum = quorum;
    return 0;
}

void quorum_close(struct quorum *quorum)
{
    if (quorum == NULL)
        return;
    quorum->active = false;
    timer_cancel(quorum->loop, &quorum->timer);
    if (quorum->gained)
        rsm_lose(&quorum->rsm);
    quorum_drop_pending(quorum);
    quorum_abandon_snapshot(quorum);
    log_close(quorum->log);
    image_unref(quorum->published);
    snapshot_list_deinit(&quorum->snapshots);
    memory_give(quorum->controller.bootstrap);
    controller_deinit(&quorum->controller);
    arena_deinit(&quorum->kept);
    arena_deinit(&quorum->activation_arena);
    memory_give(quorum);
}

void quorum_submit(struct quorum *quorum, struct controller_request *request)
{
    request->rsm.next = NULL;
    if (quorum->submitted_last == NULL)
        quorum->submitted = &request->rsm;
    else
        quorum->submitted_last->next = &request->rsm;
    quorum->submitted_last = &request->rsm;
    loop_enqueue(quorum->loop, &quorum->submit_task);
}

bool quorum_leads(const struct quorum *quorum)
{
    return quorum->active;
}

int32_t quorum_leader(const struct quorum *quorum)
{
    return quorum->raft.vote.leader_id;
}

int32_t quorum_epoch(const struct quorum *quorum)
{
    return quorum->raft.vote.leader_epoch;
}

int64_t quorum_high_watermark(const struct quorum *quorum)
{
    return quorum->raft.high_watermark;
}

int16_t quorum_kraft_version(const struct quorum *quorum)
{
    return quorum->kraft_version;
}

int32_t quorum_list_voters(
    const struct quorum *quorum, struct arena *arena, struct quorum_replica **out_list)
{
    const struct raft *raft = &quorum->raft;
    *out_list = arena_take_array(arena, (size_t)raft->voters.count, sizeof(**out_list));
    for (int32_t i = 0; i < raft->voters.count; i++) {
        struct raft_voter voter = raft->voters.list[i];
        bool is_self = voter.id == raft->self.id;
        (*out_list)[i] = (struct quorum_replica){ voter.id, voter.directory_id,
            is_self ? log_end(quorum->log) : raft->progress[i].offset };
    }
    return raft->voters.count;
}

const struct image *quorum_loaded(const struct quorum *quorum)
{
    return quorum->controller.working;
}

const struct image *quorum_image(const struct quorum *quorum)
{
    return quorum->published;
}

int16_t quorum_metadata_version(struct str release)
{
    return metadata_version_find(release);
}

int16_t quorum_newest_metadata_version(void)
{
    return METADATA_VERSION_NEWEST;
}
