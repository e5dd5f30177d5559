/* SPDX-License-Identifier: Apache-2.0 */
/* usage: load [OFFSETS [GROUPS [RECORDS_PER_BATCH [CODEC]]]]     (1000000 1000 1 none) How long a
 * coordinator takes to load: writes so many committed offsets to a partition in the current
 * directory, in segments of 100 MiB, and loads them as a shard would; tells the seconds of that,
 * the processor time of the longest pass of its loop, and the memory of an offset; then how long it
 * takes to forget them, at once and in pieces. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/container.h"
#include "coordinator/coordinator.h"
#include "coordinator/offsets.h"
#include "io/io.h"
#include "replica/partition_machine.h"
#include "storage/flusher.h"
#include "storage/log_dir.h"
#include "wire/record.h"

enum { PARTITIONS_PER_TOPIC = 100, SEGMENT_BYTES = 100 << 20, BATCH_RECORDS_MOST = 10000 };

#define USAGE "usage: load [OFFSETS [GROUPS [RECORDS_PER_BATCH [CODEC]]]]\n"

static const char path[] = "load-offsets";

struct load {
    struct io *io;
    struct loop *loop;
    struct log_dir *dir;
    struct flusher *flusher;
    struct partition *partition;
    struct replay_turns turns;
    struct coordinator coordinator;
    struct partition_machine machine;
    struct task stopped;
    bool is_stopped;
    int64_t told, longest_ns, total_ns, passes;
};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static bool replay(struct partition_machine *machine, int64_t offset, struct rsm_record record,
    int64_t producer_id)
{
    struct load *load = container_of(machine, struct load, machine);
    load->told++;
    return coordinator_replay(&load->coordinator, offset, record, producer_id);
}

static void replay_marker(struct partition_machine *machine, int64_t producer_id, bool committed)
{
    struct load *load = container_of(machine, struct load, machine);
    coordinator_replay_marker(&load->coordinator, producer_id, committed);
}

static bool prepare(struct partition_machine *machine)
{
    struct load *load = container_of(machine, struct load, machine);
    return coordinator_begin(&load->coordinator, loop_now_ms(load->loop), NULL);
}

static void loaded(struct partition_machine *machine)
{
    (void)machine;
}

static void lost(struct partition_machine *machine)
{
    (void)machine; /* the whole of it goes at the end */
}

static const struct partition_machine_type machine_type = { replay, replay_marker, prepare, loaded, lost };

static void note_stopped(struct task *task)
{
    container_of(task, struct load, stopped)->is_stopped = true;
}

static void open_log(struct load *load)
{
    const struct partition_key key = { { { 9 } }, 0 };
    const struct partition_settings settings = {
        .rules.max_message_bytes = 1 << 20, .codec = -1, .segment_bytes = SEGMENT_BYTES
    };
    struct log_dir_identity identity = {
        .cluster_id = "AAAAAAAAAAAAAAAAAAAAAQ", .node_id = 1, .directory_id = { { 7 } }
    };
    struct log_dir_settings dir_settings;
    struct log_settings log_settings;
    struct log *log;
    char reason[256];
    load->io = io_create(2);
    load->loop = loop_create(load->io, "load");
    log_dir_settings_defaults(&dir_settings);
    log_settings_defaults(&log_settings);
    log_settings.segment_bytes = SEGMENT_BYTES;
    log_settings.deletes = false;
    if (log_dir_format(load->io, path, &identity) < 0 ||
        log_dir_open(load->loop, path, &dir_settings, &load->dir, reason, sizeof(reason)) < 0) {
        fprintf(stderr, "load: cannot make %s here, or it is of an earlier run\n", path);
        exit(2);
    }
    load->flusher = flusher_create(load->loop, load->dir);
    int status =
        log_create(load->flusher, path, "__consumer_offsets", 0, key.topic_id, &log_settings, &log);
    assert(status == 0);
    load->partition = partition_create(load->loop, key, log, &settings);
}

/* In turn one of each group, so that no two of one batch are neighbours in memory. */
static void add_offset(struct rsm_decision *records, int64_t number, int64_t groups)
{
    char group[32], topic[32];
    int64_t place = number / groups;
    snprintf(group, sizeof(group), "group-%lld", (long long)(number % groups));
    snprintf(topic, sizeof(topic), "topic-%lld", (long long)(place / PARTITIONS_PER_TOPIC));
    const struct committed_offset offset = { .partition = (int32_t)(place % PARTITIONS_PER_TOPIC),
        .leader_epoch = -1,
        .is_committed = true,
        .offset = number * 7,
        .commit_ms = 1760000000000 + number,
        .expire_ms = -1 };
    offset_record(records, str_from(group), str_from(topic), &offset);
}

static void append_batch(struct load *load, const struct rsm_decision *from, enum codec codec)
{
    static struct record records[BATCH_RECORDS_MOST];
    struct batch_options options = batch_options_plain();
    struct batch_header header;
    for (int32_t i = 0; i < from->record_count; i++)
        records[i] = (struct record){
            .timestamp = 1760000000000, .key = from->records[i].key, .value = from->records[i].value
        };
    options.codec = codec;
    struct buffer *batch = batch_build(&options, records, from->record_count);
    batch_parse((struct bytes){ batch->data, batch->size }, &header);
    partition_stage(load->partition, batch, batch->data, &header);
    buffer_unref(batch);
}

static void write_offsets(
    struct load *load, int64_t offsets, int64_t groups, int64_t in_a_batch, enum codec codec)
{
    struct arena arena;
    arena_init(&arena);
    for (int64_t number = 0; number < offsets;) {
        for (int64_t staged = 0; staged < 1000 && number < offsets; staged += in_a_batch) {
            struct rsm_decision records = { .arena = &arena };
            for (int64_t i = 0; i < in_a_batch && number < offsets; i++)
                add_offset(&records, number++, groups);
            append_batch(load, &records, codec);
        }
        arena_reset(&arena);
        loop_turn(load->loop);
    }
    arena_deinit(&arena);
    while (load->partition->high_watermark < offsets)
        loop_turn(load->loop);
}

static void turn(struct load *load)
{
    int64_t began_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    loop_turn(load->loop);
    int64_t took_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns;
    load->total_ns += took_ns;
    load->passes++;
    if (took_ns > load->longest_ns)
        load->longest_ns = took_ns;
}

/* As a shard does when the log is lost: the pass is as long as the detaching, a worker does the
 * rest in pieces. */
static void forget(struct load *load)
{
    int64_t began_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), now_ns, longest_ns = 0;
    struct coordinator *all = coordinator_detach(&load->coordinator);
    int64_t detached_ns = now_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (bool is_free = false; !is_free;) {
        int64_t before_ns = now_ns;
        is_free = coordinator_free_some(all);
        now_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        if (now_ns - before_ns > longest_ns)
            longest_ns = now_ns - before_ns;
    }
    coordinator_deinit(&load->coordinator);
    printf("forgotten detach_us=%.0f free_core_seconds=%.3f longest_free_us=%.0f\n",
        (double)(detached_ns - began_ns) / 1e3, (double)(now_ns - detached_ns) / 1e9,
        (double)longest_ns / 1e3);
}

static void measure(struct load *load, int64_t offsets, int64_t bytes)
{
    const struct coordinator_settings settings = { .offset_metadata_max_bytes = 4096 };
    coordinator_init(&load->coordinator, &settings);
    replay_turns_init(&load->turns, load->loop);
    partition_machine_init(
        &load->machine, &machine_type, &load->coordinator.machine, load->partition, &load->turns);
    int64_t began_ns = clock_ns(CLOCK_MONOTONIC);
    partition_lead(load->partition, true, 1);
    while (load->machine.state != MACHINE_READY)
        turn(load);
    assert(load->told == offsets);
    double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - began_ns) / 1e9;
    printf("offsets=%lld log_mb=%.0f seconds=%.3f core_seconds=%.3f passes=%lld longest_us=%.0f "
           "memory_mb=%.0f bytes_each=%.0f\n",
        (long long)offsets, (double)bytes / 1e6, seconds, (double)load->total_ns / 1e9,
        (long long)load->passes, (double)load->longest_ns / 1e3,
        (double)load->coordinator.memory / 1e6,
        (double)load->coordinator.memory / (double)offsets);
    partition_machine_deinit(&load->machine);
    replay_turns_deinit(&load->turns);
    forget(load);
}

static int64_t number_argument(int argc, char **argv, int index, int64_t usual, int64_t most)
{
    int64_t value = usual;
    if (index < argc &&
        (!str_to_int64(str_from(argv[index]), &value) || value < 1 || value > most)) {
        fprintf(
            stderr, "load: %s is no number from 1 to %lld\n" USAGE, argv[index], (long long)most);
        exit(2);
    }
    return value;
}

static void close_log(struct load *load)
{
    load->stopped.run = note_stopped;
    flusher_stop(load->flusher, &load->stopped);
    while (!load->is_stopped)
        loop_turn(load->loop);
    partition_destroy(load->partition, ERROR_NOT_LEADER_OR_FOLLOWER, false);
    flusher_destroy(load->flusher);
    loop_stop(load->loop);
    while (loop_turn(load->loop))
        continue;
    log_dir_close(load->dir, 1);
    loop_destroy(load->loop);
    io_destroy(load->io);
}

int main(int argc, char **argv)
{
    static struct load load;
    enum codec codec = CODEC_NONE;
    int64_t offsets = number_argument(argc, argv, 1, 1000000, 100000000);
    int64_t groups = number_argument(argc, argv, 2, 1000, 100000000);
    int64_t in_a_batch = number_argument(argc, argv, 3, 1, BATCH_RECORDS_MOST);
    if (argc > 4 && !codec_by_name(str_from(argv[4]), &codec)) {
        fprintf(stderr, "load: %s is no CODEC\n" USAGE, argv[4]);
        return 2;
    }
    open_log(&load);
    write_offsets(&load, offsets, groups, in_a_batch, codec);
    measure(&load, offsets, log_size(load.partition->log));
    close_log(&load);
    return 0;
}
