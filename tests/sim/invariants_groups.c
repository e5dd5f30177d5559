/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinators of groups: each is what a replay of its partition makes, and the targets of
 * groups are whole. */
#include "base/arena.h"
#include "base/buffer.h"
#include "broker/group_home.h"
#include "broker/shard.h"
#include "coordinator/group_consumer_state.h"
#include "replica/partition.h"
#include "sim/group_offsets.h"
#include "sim/invariants_parts.h"
#include "sim/see.h"
#include "storage/cleaning.h"
#include "storage/flusher.h"
#include "storage/log_state.h"
#include "wire/compress.h"
#include "wire/record.h"

enum { BATCH_SIZE_MOST = 4 << 20 };

static bool replay_batch(struct coordinator *coordinator, struct decompressor *decompressor,
    const uint8_t *batch, const struct batch_header *header)
{
    struct bytes records;
    struct buffer *owner = NULL;
    struct record_reader reader;
    struct record record;
    if (batch_records(decompressor, batch, header, BATCH_SIZE_MOST, &records, &owner) != 0)
        return false;
    bool is_good = true;
    records_begin(&reader, header, records);
    while (is_good && records_next(&reader, &record) == RECORD_OK)
        is_good = coordinator_replay(
            coordinator, record.offset, (struct rsm_record){ record.key, record.value }, -1);
    buffer_unref(owner);
    return is_good;
}

/* False: something is damaged. */
static bool replay_log(
    const struct invariants *invariants, const struct log *log, struct coordinator *coordinator)
{
    struct decompressor *decompressor = decompressor_create();
    bool is_good = true;
    for (int32_t i = 0; i < log->segment_count && is_good; i++) {
        char path[SEGMENT_PATH_SIZE];
        struct batch_header header;
        segment_path(path, log->path, log->segments[i].base_offset, ".log");
        struct bytes rest = see_file(invariants->machine, path);
        while (is_good && rest.size > 0 && batch_parse(rest, &header) == BATCH_OK &&
               header.base_offset < log_end(log)) {
            is_good = header.size <= rest.size &&
                      replay_batch(coordinator, decompressor, rest.data, &header);
            rest = (struct bytes){ rest.data + header.size, rest.size - header.size };
        }
    }
    decompressor_destroy(decompressor);
    return is_good;
}

static int32_t first_difference(const struct rsm_decision *one, const struct rsm_decision *other)
{
    int32_t i = 0;
    while (i < one->record_count && i < other->record_count &&
           bytes_equal(one->records[i].key, other->records[i].key) &&
           bytes_equal(one->records[i].value, other->records[i].value))
        i++;
    return i == one->record_count && i == other->record_count ? -1 : i;
}

static void compare(struct invariants *invariants, struct group_home *home, const struct log *log)
{
    struct coordinator replayed;
    struct arena arena;
    arena_init(&arena);
    coordinator_init(&replayed, &home->coordinator.settings);
    bool is_good = replay_log(invariants, log, &replayed);
    struct rsm_decision lives = { .arena = &arena }, is_told = { .arena = &arena };
    coordinator_dump(&home->coordinator, &lives);
    coordinator_dump(&replayed, &is_told);
    int32_t place = first_difference(&lives, &is_told);
    if (!is_good || place >= 0)
        invariant_fell(invariants, INVARIANT_coordinators_equal_a_replay,
            "partition=%s log_end=%lld damaged=%d records=%d replayed=%d differs_at=%d",
            log_label(log), (long long)log_end(log), !is_good, lives.record_count,
            is_told.record_count, place);
    coordinator_deinit(&replayed);
    arena_deinit(&arena);
}

/* All members of a group of the consumer protocol read all of the one topic of groups. */
static void look_at_target(
    struct invariants *invariants, const struct group *group, const struct log *log)
{
    const struct consumer_group *kept = group->consumer;
    int32_t owners[GROUP_PARTITIONS] = { 0 };
    if (kept->members == NULL || kept->epoch != kept->assignment_epoch)
        return;
    for (const struct consumer_member *member = kept->members; member != NULL;
         member = member->hh.next)
        for (int32_t i = 0; i < member->target.topic_count; i++)
            for (int32_t k = 0; k < member->target.topics[i].count; k++)
                owners[member->target.topics[i].partitions[k] % GROUP_PARTITIONS]++;
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++)
        if (owners[i] != 1)
            invariant_fell(invariants, INVARIANT_targets_are_whole,
                "log=%s group=%s epoch=%d members=%u partition=%d owners=%d", log_label(log),
                group->id, kept->epoch, HASH_COUNT(kept->members), i, owners[i]);
}

/* Not while something is between memory and the files, or they decay. */
void look_at_coordinators(struct invariants *invariants, const struct shard *shard)
{
    for (struct group_home *home = shard->group_homes; home != NULL; home = home->next) {
        const struct partition *partition = home->machine.watch.partition;
        const struct log *log = partition == NULL ? NULL : partition->log;
        if (log == NULL || home->machine.state != MACHINE_READY ||
            invariants->recorder->expects_damage || flusher_is_failed(log_flusher(log)))
            continue;
        bool is_written =
            home->machine.rsm.seen == log_end(log) && log_staged_end(log) == log_end(log);
        bool swaps = log->cleaning != NULL && log->cleaning->stage == CLEANING_SWAPS;
        if (is_written && !swaps)
            compare(invariants, home, log);
        for (const struct group *group = home->coordinator.groups; group != NULL;
             group = group->hh.next)
            if (group->kept != NULL && group->kind == &consumer_kind)
                look_at_target(invariants, group, log);
    }
}
