/* SPDX-License-Identifier: Apache-2.0 */
/* One log in the simulated world, without a broker around it: batches are staged, written and flushed, its machine is
 * killed, loses power or stops, and the log is opened again. What was durable must be there with the same bytes, after a
 * kill all that was written, and the producers' state must fit what the log holds. Opening twice changes nothing. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/broken.h"
#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "io/file.h"
#include "io/io.h"
#include "io/loop.h"
#include "sim/sim.h"
#include "storage/flusher.h"
#include "storage/log.h"
#include "storage/log_dir.h"
#include "storage/producers.h"
#include "wire/record.h"

enum { MOST_BATCHES = 20000, MOST_VALUE = 3000, PRODUCER_ID = 7 };

struct appended {
    int64_t base_offset, end_offset;
    uint32_t crc;
    int32_t last_sequence;
};

struct run {
    struct sim *sim;
    struct machine *machine;
    struct loop *loop;
    struct log_dir *dir;
    struct flusher *flusher;
    struct log *log;
    struct task durable, stopped;
    bool has_stopped;
    struct appended *batches;
    int batch_count;
    int32_t next_sequence;
    int64_t durable_end, written_end; /* of this life, and to be found in the next */
    int cuts, kills, stops, failures, lost_batches;
};

static void fail(const struct run *run, const char *what, int64_t a, int64_t b)
{
    fprintf(stderr, "violation=%s a=%" PRId64 " b=%" PRId64 " time_us=%" PRId64 "\n", what, a, b, sim_now_us(run->sim));
    exit(1);
}

static void note_durable(struct task *task)
{
    struct run *run = container_of(task, struct run, durable);
    int64_t durable_end = log_durable_end(run->log);
    if (durable_end < run->durable_end)
        fail(run, "durable_end_went_back", durable_end, run->durable_end);
    run->durable_end = durable_end;
}

static void note_stopped(struct task *task) { container_of(task, struct run, stopped)->has_stopped = true; }

static void open_log(struct run *run)
{
    struct log_dir_settings dir_settings;
    struct log_settings settings;
    char reason[512];
    struct log_dir_identity identity = { .cluster_id = "simulated", .node_id = 1, .directory_id = { { 1 } } };
    struct io *io = machine_boot(run->machine, 2);
    run->loop = loop_create(io, "loop");
    log_dir_settings_defaults(&dir_settings);
    log_settings_defaults(&settings);
    settings.segment_bytes = 30000;
    settings.index_interval_bytes = 1000;
    int status = log_dir_identify(io, "/data", &identity, reason, sizeof(reason));
    if (status == -ENOENT && run->written_end > 0)
        fail(run, "directory_is_gone", run->durable_end, run->written_end);
    if (status == -ENOENT)
        status = log_dir_format(io, "/data", &identity);
    if (status < 0)
        fail(run, "directory_is_not_formatted", status, 0);
    status = log_dir_open(run->loop, "/data", &dir_settings, &run->dir, reason, sizeof(reason));
    if (status < 0)
        fail(run, reason, status, 0);
    run->flusher = flusher_create(run->loop, run->dir);
    const struct log_place *place = log_dir_find(run->dir, "topic", 0);
    if (place != NULL)
        status = log_open(run->flusher, place, &settings, &run->log);
    else
        status = log_create(run->flusher, "/data", "topic", 0, (struct uuid){ { 2 } }, &settings, &run->log);
    if (status < 0)
        fail(run, "log_does_not_open", status, place != NULL);
    log_set_durable_task(run->log, &run->durable);
    sim_start_loop(run->loop);
}

/* One batch that the log holds against the one that was appended in its place. What was not durable may be gone after a
 * power cut, and a batch there that was taken back: its write failed half way, and what came later is lost. */
static void compare_batch(struct run *run, int found, const uint8_t *batch, const struct batch_header *header,
                          int64_t least_end)
{
    struct appended *appended = &run->batches[found];
    bool is_same = found < run->batch_count && header->base_offset == appended->base_offset && header->crc == appended->crc;
    bool follows = header->base_offset == (found == 0 ? 0 : run->batches[found - 1].end_offset);
    if (!batch_crc_is_right(batch, header) || !follows || (!is_same && header->base_offset < least_end))
        fail(run, "batch_is_not_the_one_appended", header->base_offset, found);
    *appended = (struct appended){ header->base_offset, batch_next_offset(header), header->crc, batch_last_sequence(header) };
}

/* Every batch, in order. Forgets what a power cut took. */
static void compare(struct run *run, int64_t least_end)
{
    int64_t end = log_end(run->log), offset = log_start(run->log);
    uint8_t *bytes = memory_take(MOST_VALUE * 8);
    int found = 0;
    if (end < least_end)
        fail(run, "durable_records_are_lost", end, least_end);
    while (offset < end) {
        struct log_slice slice;
        struct batch_header header;
        int status = log_read(run->log, offset, end, MOST_VALUE * 4, true, true, &slice);
        if (status < 0 || slice.file == NULL)
            fail(run, "log_cannot_be_read", status, offset);
        int64_t size = file_pread(slice.file, bytes, (size_t)slice.size, slice.position);
        log_slice_release(&slice);
        struct bytes rest = { bytes, (size_t)size };
        for (; rest.size > 0 && batch_parse(rest, &header) == BATCH_OK; found++) {
            compare_batch(run, found, rest.data, &header, least_end);
            offset = batch_next_offset(&header);
            rest = (struct bytes){ rest.data + header.size, rest.size - header.size };
        }
        if (rest.data == bytes)
            fail(run, "slice_holds_no_batch", offset, size);
    }
    memory_give(bytes);
    run->lost_batches += run->batch_count > found ? run->batch_count - found : 0;
    run->batch_count = found;
    run->durable_end = log_durable_end(run->log);
    run->written_end = end;
    run->next_sequence = found == 0 ? 0 : run->batches[found - 1].last_sequence + 1;
    const struct producer *producer = producers_find(log_producers(run->log), PRODUCER_ID);
    if ((producer == NULL) != (found == 0) ||
        (producer != NULL && producer->batches[producer->batch_count - 1].last_sequence != run->next_sequence - 1))
        fail(run, "producer_state_differs", producer == NULL ? -1 : producer->batch_count, run->next_sequence);
}

static void append(struct run *run)
{
    static uint8_t value[MOST_VALUE];
    struct record records[3] = { 0 };
    struct batch_options options = batch_options_plain();
    struct batch_header header;
    int32_t count = 1 + (int32_t)sim_draw(run->sim, 3);
    memset(value, run->batch_count % 251, 16); /* no two batches that follow each other are the same */
    for (int32_t i = 0; i < count; i++)
        records[i] = (struct record){ .timestamp = loop_wall_ms(run->loop),
                                      .value = { value, 1 + (size_t)sim_draw(run->sim, MOST_VALUE) } };
    options.producer_id = PRODUCER_ID;
    options.producer_epoch = 0;
    options.base_sequence = run->next_sequence;
    struct buffer *buffer = batch_build(&options, records, count);
    struct appended *appended = &run->batches[run->batch_count++];
    if (batch_parse((struct bytes){ buffer->data, buffer->size }, &header) != BATCH_OK)
        fail(run, "batch_is_not_built", count, 0);
    log_stage(run->log, buffer, buffer->data, &header, 0, loop_wall_ms(run->loop), &appended->base_offset);
    buffer_unref(buffer);
    run->next_sequence += count;
    appended->end_offset = appended->base_offset + count;
    appended->crc = header.crc;
    appended->last_sequence = run->next_sequence - 1;
}

static void take_back(struct run *run)
{
    const struct appended *last = &run->batches[--run->batch_count];
    run->next_sequence = last->last_sequence + 1 - (int32_t)(last->end_offset - last->base_offset);
}

static void write_group(struct run *run)
{
    machine_disk_faults(run->machine)->is_full = sim_draw(run->sim, 20) == 0;
    for (uint64_t left = 1 + sim_draw(run->sim, 4); left > 0; left--)
        append(run);
    int status = log_write(run->log);
    run->written_end = log_end(run->log);
    if (status < 0) /* a short write: the whole group is taken back, but for what a roll has put below the end */
        while (run->batch_count > 0 && run->batches[run->batch_count - 1].end_offset > run->written_end)
            take_back(run);
    if (run->batch_count > 0 && run->batches[run->batch_count - 1].end_offset != run->written_end)
        fail(run, "end_is_not_the_last_batch's", run->written_end, run->batches[run->batch_count - 1].end_offset);
    if (sim_draw(run->sim, 3) > 0)
        log_want_flush(run->log);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static void live(struct run *run)
{
    int64_t end_us = sim_now_us(run->sim) + 20000 + (int64_t)sim_draw(run->sim, 3000000);
    int64_t most_wait_us = 1 + (int64_t)sim_draw(run->sim, 100000);
    machine_disk_faults(run->machine)->fails[DISK_SYNC] = sim_draw(run->sim, 4) == 0 ? 5000 : 0;
    while (sim_now_us(run->sim) < end_us && !flusher_is_failed(run->flusher) && run->batch_count < MOST_BATCHES - 10) {
        write_group(run);
        sim_run(run->sim, 200 + (int64_t)sim_draw(run->sim, (uint64_t)most_wait_us), never, run);
    }
    machine_disk_faults(run->machine)->fails[DISK_SYNC] = 0;
    machine_disk_faults(run->machine)->is_full = false;
}

static bool stopped(void *context) { return ((struct run *)context)->has_stopped; }
static bool ended(void *context) { return sim_loop_has_ended(((struct run *)context)->loop); }

static void stop_cleanly(struct run *run)
{
    run->has_stopped = false;
    flusher_stop(run->flusher, &run->stopped);
    if (!sim_run(run->sim, 60000000, stopped, run))
        fail(run, "flusher_does_not_stop", 0, 0);
    log_close(run->log);
    flusher_destroy(run->flusher);
    loop_stop(run->loop);
    if (!sim_run(run->sim, 60000000, ended, run))
        fail(run, "loop_does_not_end", 0, 0);
    int status = log_dir_close(run->dir, 5);
    if (status < 0)
        fail(run, "directory_does_not_close", status, 0);
    loop_destroy(run->loop);
}

static void one_life(struct run *run)
{
    int64_t failed_before = machine_disk_faults(run->machine)->failures;
    live(run);
    int64_t least_end = run->written_end;
    bool is_failed = machine_disk_faults(run->machine)->failures > failed_before;
    run->failures += is_failed;
    switch (is_failed ? 3 : sim_draw(run->sim, 4)) { /* what a failed sync left in memory, no process can save */
    case 0:
        run->kills++;
        machine_kill(run->machine);
        break;
    case 1:
        run->stops++;
        stop_cleanly(run);
        machine_cut_power(run->machine); /* a clean stop is durable */
        break;
    default:
        run->cuts++;
        least_end = run->durable_end;
        machine_cut_power(run->machine);
        break;
    }
    open_log(run);
    compare(run, least_end);
    if (sim_draw(run->sim, 4) == 0) { /* recovery itself is interrupted: nothing changes */
        least_end = log_end(run->log);
        machine_kill(run->machine);
        open_log(run);
        compare(run, least_end);
    }
}

static uint64_t simulate(uint64_t seed)
{
    struct run run = { .sim = sim_create(seed), .durable.run = note_durable, .stopped.run = note_stopped };
    run.machine = machine_create(run.sim, "machine");
    run.batches = memory_take(MOST_BATCHES * sizeof(*run.batches));
    machine_disk_faults(run.machine)->short_write = 3000;
    open_log(&run);
    for (int life = 0; life < 12; life++)
        one_life(&run);
    uint64_t trace = sim_trace(run.sim);
    printf("seed=%" PRIu64 " trace=%016" PRIx64 " batches=%d end=%" PRId64 " cuts=%d kills=%d stops=%d disk_failures=%d "
           "lost_unflushed=%d\n",
           seed, trace, run.batch_count, run.written_end, run.cuts, run.kills, run.stops, run.failures, run.lost_batches);
    memory_give(run.batches);
    sim_destroy(run.sim);
    return trace;
}

static void drop_report(enum report_level level, const char *event, const char *text)
{
    (void)level;
    (void)event;
    (void)text;
}

int main(int count, char **words)
{
    uint64_t first = count > 1 ? strtoull(words[1], NULL, 10) : 1, seeds = count > 2 ? strtoull(words[2], NULL, 10) : 1;
    int rule = count > 4 && strcmp(words[3], "--break") == 0 ? broken_find(str_from(words[4])) : BROKEN_COUNT;
    if (rule < 0) {
        fprintf(stderr, "there is no rule %s\n", words[4]);
        return 2;
    }
    broken_chosen = rule;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getenv("SIMULATE_REPORTS") == NULL)
        report_set_sink(drop_report);
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        uint64_t trace = simulate(seed);
        if (seed == first && simulate(seed) != trace) {
            fprintf(stderr, "seed=%" PRIu64 ": two runs left different traces\n", seed);
            return 1;
        }
    }
    printf("%" PRIu64 " passed, 0 failed\n", seeds);
    return 0;
}
