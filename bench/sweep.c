/* SPDX-License-Identifier: Apache-2.0 */
/* usage: sweep [SEGMENTS]     (10000) How long the loop that owns a log is held when as many segments go at
 * once: writes them to the current directory, and lets all of them go by age, by size, and as records that
 * a client deletes; for each, the processor time of the longest pass, and of all of them together. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "base/container.h"
#include "io/io.h"
#include "io/loop.h"
#include "storage/flusher.h"
#include "storage/log.h"
#include "storage/log_dir.h"
#include "wire/record.h"

enum reason { BY_AGE, BY_SIZE, BY_DELETION, REASON_COUNT };

struct sweep {
    struct io *io;
    struct loop *loop;
    struct log_dir *dir;
    struct flusher *flusher;
    struct log *log;
    struct task stopped;
    bool is_stopped;
    int64_t longest_ns, total_ns;
};

static int64_t processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void note_stopped(struct task *task)
{
    container_of(task, struct sweep, stopped)->is_stopped = true;
}

static void turn(struct sweep *sweep)
{
    int64_t began_ns = processor_ns();
    loop_turn(sweep->loop);
    int64_t took_ns = processor_ns() - began_ns;
    sweep->total_ns += took_ns;
    if (took_ns > sweep->longest_ns)
        sweep->longest_ns = took_ns;
}

static void open_sweep(struct sweep *sweep, const char *path, const struct log_settings *settings)
{
    struct log_dir_settings dir_settings;
    char reason[256];
    log_dir_settings_defaults(&dir_settings);
    dir_settings.retention_first_ms = 0;
    dir_settings.retention_check_ms = 1000;
    dir_settings.checkpoint_ms = 1;
    *sweep = (struct sweep){ .io = io_create(2), .stopped.run = note_stopped };
    sweep->loop = loop_create(sweep->io, "sweep");
    int status = log_dir_open(sweep->loop, path, &dir_settings, &sweep->dir, reason, sizeof(reason));
    assert(status == 0);
    sweep->flusher = flusher_create(sweep->loop, sweep->dir);
    const struct log_place *place = log_dir_find(sweep->dir, "topic", 0);
    status = place == NULL ? log_create(sweep->flusher, path, "topic", 0, (struct uuid){ { 1 } },
                                 settings, &sweep->log)
                           : log_open(sweep->flusher, place, settings, &sweep->log);
    assert(status == 0);
    log_set_high_watermark(sweep->log, log_end(sweep->log));
}

static void close_sweep(struct sweep *sweep)
{
    flusher_stop(sweep->flusher, &sweep->stopped);
    while (!sweep->is_stopped)
        loop_turn(sweep->loop);
    log_close(sweep->log);
    flusher_destroy(sweep->flusher);
    loop_stop(sweep->loop);
    while (loop_turn(sweep->loop))
        continue;
    int status = log_dir_close(sweep->dir, 1);
    assert(status == 0);
    loop_destroy(sweep->loop);
    io_destroy(sweep->io);
}

static void append(struct log *log)
{
    struct batch_options options = batch_options_plain();
    struct record record = { .timestamp = 1000, .value = { (const uint8_t *)"value", 5 } };
    struct batch_header header;
    int64_t offset;
    struct buffer *batch = batch_build(&options, &record, 1);
    enum batch_status parsed =
        batch_parse((struct bytes){ batch->data, batch->size }, &header);
    assert(parsed == BATCH_OK);
    log_stage(log, batch, batch->data, &header, 0, 1000, &offset);
    buffer_unref(batch);
    int status = log_write(log);
    assert(status == 0);
}

static void write_segments(const char *path, int count)
{
    struct log_dir_identity identity = { .cluster_id = "sweep", .node_id = 1,
        .directory_id = { { 1 } } };
    struct log_settings settings;
    struct sweep sweep;
    log_settings_defaults(&settings);
    settings.segment_bytes = 1; /* each batch has a segment of its own */
    settings.retention_ms = -1;
    struct io *io = io_create(1);
    int status = log_dir_format(io, path, &identity);
    assert(status == 0);
    io_destroy(io);
    open_sweep(&sweep, path, &settings);
    for (int i = 0; i <= count; i++) {
        append(sweep.log);
        if (i % 50 == 0) /* descriptors go with the checkpoints */
            turn(&sweep);
    }
    close_sweep(&sweep);
}

static void run(enum reason reason, int count)
{
    static const char *const names[REASON_COUNT] = { "by age", "by size", "deleted" };
    struct log_settings settings;
    struct sweep sweep;
    char path[64], command[80];
    snprintf(path, sizeof(path), "sweep-%d", (int)reason);
    write_segments(path, count);
    log_settings_defaults(&settings);
    settings.retention_ms = reason == BY_AGE ? 1 : -1;
    settings.retention_bytes = reason == BY_SIZE ? 0 : -1;
    settings.file_delete_delay_ms = 0;
    open_sweep(&sweep, path, &settings);
    if (reason == BY_DELETION) {
        int status = log_delete_records(sweep.log, count);
        assert(status == 0);
    }
    while (log_start(sweep.log) < count || log_size(sweep.log) > 200)
        turn(&sweep);
    printf("%d segments %s: longest pass %.2f ms, all %.1f ms\n", count, names[reason],
        (double)sweep.longest_ns / 1e6, (double)sweep.total_ns / 1e6);
    close_sweep(&sweep);
    snprintf(command, sizeof(command), "rm -rf %s", path);
    if (system(command) != 0)
        printf("%s is left\n", path);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 10000;
    for (int reason = 0; reason < REASON_COUNT; reason++)
        run((enum reason)reason, count);
    return 0;
}
