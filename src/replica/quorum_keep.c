/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots are written by a worker from a frozen image, and make older ones and the log before
 * them superfluous. */
#include <stdio.h>

#include "base/broken.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/odd.h"
#include "base/report.h"
#include "base/status.h"
#include "io/file.h"
#include "io/io.h"
#include "io/worker.h"
#include "metadata/apply.h"
#include "replica/batches.h"
#include "replica/quorum_parts.h"
#include "replica/quorum_voters.h"
#include "storage/log.h"
#include "wire/record.h"

enum { WRITE_SIZE = 1024 * 1024 };

enum job_stage { JOB_BUILD, JOB_WRITE, JOB_SYNC, JOB_RENAME, JOB_SYNC_DIRECTORY };

/* Everything in it is the worker's until done(). */
struct snapshot_job {
    struct job job;
    struct quorum *quorum; /* NULL: closed meanwhile; only done() looks */
    struct io *io;
    enum job_stage stage;
    int status;
    const struct image *image;
    struct snapshot_id id;
    int64_t wall_ms;
    struct arena arena;
    struct control_record control[2];
    int32_t control_count;
    struct snapshot_builder builder;
    struct file *file;
    size_t written;
    char directory[QUORUM_PATH_SIZE], part[QUORUM_PATH_SIZE], path[QUORUM_PATH_SIZE];
};

static void add_record(void *context, struct bytes record)
{
    snapshot_add(context, record);
}

static int build(struct snapshot_job *job)
{
    struct arena scratch;
    arena_init(&scratch);
    snapshot_begin(&job->builder, job->id.epoch, job->wall_ms, job->image->append_ms, job->control,
        job->control_count);
    image_snapshot(job->image, &scratch, add_record, &job->builder);
    snapshot_end(&job->builder);
    arena_deinit(&scratch);
    return file_open(job->io, job->part, FILE_CREATE_NEW, &job->file);
}

static int write_more(struct snapshot_job *job)
{
    size_t left = job->builder.size - job->written;
    size_t size = left < WRITE_SIZE ? left : WRITE_SIZE;
    int status =
        file_write_all(job->file, job->builder.data + job->written, size, (int64_t)job->written);
    job->written += size;
    return status;
}

static enum job_progress step(struct job *base)
{
    struct snapshot_job *job = container_of(base, struct snapshot_job, job);
    switch (job->stage) {
    case JOB_BUILD:
        job->status = build(job);
        job->stage = JOB_WRITE;
        break;
    case JOB_WRITE:
        job->status = write_more(job);
        if (job->written == job->builder.size)
            job->stage = JOB_SYNC;
        break;
    case JOB_SYNC:
        job->status = broken(snapshot_sync) ? 0 : file_sync(job->file);
        job->stage = JOB_RENAME;
        break;
    case JOB_RENAME:
        job->status = file_rename(job->io, job->part, job->path);
        job->stage = JOB_SYNC_DIRECTORY;
        break;
    case JOB_SYNC_DIRECTORY:
        job->status = broken(snapshot_directory) ? 0 : directory_sync(job->io, job->directory);
        return JOB_DONE;
    }
    return job->status < 0 ? JOB_DONE : JOB_AGAIN;
}

/* As Kafka: the oldest goes while all together are too large, or while the one after it is old
 * enough to begin with. */
static void clean(struct quorum *quorum)
{
    struct snapshot_list *list = &quorum->snapshots;
    int64_t wall_ms = loop_wall_ms(quorum->loop);
    while (list->count >= 2) {
        char path[QUORUM_PATH_SIZE], next_path[QUORUM_PATH_SIZE];
        int64_t total = log_size(quorum->log), size;
        for (int32_t i = 0; i < list->count; i++) {
            snapshot_path(quorum->directory, list->ids[i], "", path, sizeof(path));
            if (file_stat(quorum->io, path, &size) == 0)
                total += size;
        }
        snapshot_path(quorum->directory, list->ids[0], "", path, sizeof(path));
        snapshot_path(quorum->directory, list->ids[1], "", next_path, sizeof(next_path));
        int64_t next_ms;
        bool too_large =
            quorum->settings.retention_bytes >= 0 && total > quorum->settings.retention_bytes;
        bool too_old = quorum->settings.retention_ms >= 0 &&
                       snapshot_time(quorum->io, next_path, &next_ms) == 0 &&
                       wall_ms - next_ms > quorum->settings.retention_ms;
        if (!too_large && !too_old)
            return;
        /* The log must not begin before what tells its beginning; so it moves first. */
        if (log_set_start(quorum->log, list->ids[1].offset) < 0 ||
            file_unlink(quorum->io, path) < 0)
            return;
        for (int32_t i = 1; i < list->count; i++)
            list->ids[i - 1] = list->ids[i];
        list->count--;
    }
}

static void free_job(struct snapshot_job *job)
{
    image_unref(job->image);
    file_unref(job->file);
    snapshot_deinit(&job->builder);
    arena_deinit(&job->arena);
    memory_give(job);
}

static void done(struct job *base)
{
    struct snapshot_job *job = container_of(base, struct snapshot_job, job);
    struct quorum *quorum = job->quorum;
    if (quorum != NULL) {
        quorum->snapshot_job = NULL;
        if (job->status < 0) {
            report_warn("snapshot_failed", "file=%s reason=\"%s\": the next one is tried as usual",
                job->path, status_text(job->status));
        } else {
            snapshot_list_add(&quorum->snapshots, job->id);
            clean(quorum);
        }
    }
    free_job(job);
}

static void start(struct quorum *quorum)
{
    struct snapshot_job *job = memory_take(sizeof(*job));
    const struct image *image = quorum->published;
    arena_init(&job->arena);
    job->job.step = step;
    job->job.done = done;
    job->quorum = quorum;
    job->io = quorum->io;
    job->image = image_ref(image);
    job->id = (struct snapshot_id){ image->offset, quorum_last_epoch(quorum, image->offset) };
    job->wall_ms = loop_wall_ms(quorum->loop);
    if (quorum->kraft_version >= 1) {
        job->control[job->control_count++] = (struct control_record){ CONTROL_KRAFT_VERSION,
            kraft_version_encode(&job->arena, quorum->kraft_version) };
        if (quorum->voters_record.data != NULL)
            job->control[job->control_count++] = (struct control_record){ CONTROL_VOTERS,
                { arena_copy(&job->arena, quorum->voters_record.data, quorum->voters_record.size),
                    quorum->voters_record.size } };
    }
    snprintf(job->directory, sizeof(job->directory), "%s", quorum->directory);
    snapshot_path(quorum->directory, job->id, "", job->path, sizeof(job->path));
    snapshot_path(quorum->directory, job->id, ".part", job->part, sizeof(job->part));
    quorum->snapshot_job = job;
    quorum->bytes_since_snapshot = 0;
    quorum->last_snapshot_ms = loop_now_ms(quorum->loop);
    worker_submit(quorum->io, quorum->loop, &job->job);
}

void quorum_consider_snapshot(struct quorum *quorum)
{
    const struct image *image = quorum->published;
    if (image == NULL || quorum->snapshot_job != NULL || quorum->failed)
        return;
    const struct snapshot_list *list = &quorum->snapshots;
    if (list->count > 0 && list->ids[list->count - 1].offset >= image->offset)
        return;
    bool enough = quorum->settings.snapshot_bytes > 0 &&
                  quorum->bytes_since_snapshot >= quorum->settings.snapshot_bytes;
    bool due = quorum->settings.snapshot_ms > 0 && quorum->bytes_since_snapshot > 0 &&
               loop_now_ms(quorum->loop) - quorum->last_snapshot_ms >= quorum->settings.snapshot_ms;
    if (enough || due || odd(early_snapshot))
        start(quorum);
}

void quorum_abandon_snapshot(struct quorum *quorum)
{
    if (quorum->snapshot_job != NULL)
        quorum->snapshot_job->quorum = NULL;
    quorum->snapshot_job = NULL;
}
