/* SPDX-License-Identifier: Apache-2.0 */
/* One partition: its positions now, and what it promised before. */
#include <stdio.h>

#include "replica/move.h"
#include "sim/invariants_parts.h"
#include "sim/recorder.h"
#include "storage/log_state.h"

enum { LABEL_SIZE = 300 };

void pasts_deinit(struct invariants *invariants)
{
    struct past *past, *next;
    HASH_ITER(hh, invariants->pasts, past, next)
    {
        HASH_DEL(invariants->pasts, past);
        ledger_deinit(&past->ledger);
        memory_give(past);
    }
}

/* Ids of topics are drawn at random: a piece of one is a hash of it. This is asked of each partition after each event. */
static unsigned hash_of(const struct partition_key *key)
{
    return load_u32(key->topic_id.bytes) + (unsigned)key->index;
}

struct past *past_find(const struct invariants *invariants, struct partition_key key)
{
    struct past *past;
    HASH_FIND_BYHASHVALUE(hh, invariants->pasts, &key, sizeof(key), hash_of(&key), past);
    return past;
}

struct past *past_of(struct invariants *invariants, struct partition_key key)
{
    struct past *past = past_find(invariants, key);
    if (past == NULL) {
        past = memory_take(sizeof(*past));
        past->key = key;
        past->leader_epoch = -1;
        HASH_ADD_BYHASHVALUE(hh, invariants->pasts, key, sizeof(past->key), hash_of(&key), past);
    }
    return past;
}

const char *log_label(const struct log *log)
{
    static char label[LABEL_SIZE];
    snprintf(label, sizeof(label), "%s-%d", log_topic(log), log_partition(log));
    return label;
}

static void look_at_positions(struct invariants *invariants, const struct partition *partition)
{
    const struct log *log = partition->log;
    int64_t stable = log_last_stable_offset(log), watermark = partition->high_watermark;
    bool ordered = log->start <= log->durable_end && log->durable_end <= log_end(log) &&
                   log->recovery_point <= log->durable_end && log->start <= stable &&
                   stable <= watermark && watermark <= log_end(log) &&
                   watermark == log->high_watermark;
    if (!ordered)
        invariant_fell(invariants, INVARIANT_positions_are_ordered,
            "partition=%s log_start=%lld recovery_point=%lld durable_end=%lld log_end=%lld "
            "last_stable_offset=%lld high_watermark=%lld high_watermark_of_log=%lld",
            log_label(partition->log), (long long)log->start, (long long)log->recovery_point,
            (long long)log->durable_end, (long long)log_end(log), (long long)stable,
            (long long)watermark, (long long)log->high_watermark);
    int64_t safe = partition->settings.page_cache ? log_end(log) : log_durable_end(log);
    if (partition->move != NULL && move_limit(partition->move) < safe)
        safe = move_limit(partition->move);
    if (watermark < safe)
        invariant_fell(invariants, INVARIANT_high_watermark_follows,
            "partition=%s high_watermark=%lld could_be=%lld page_cache=%d",
            log_label(partition->log), (long long)watermark, (long long)safe,
            partition->settings.page_cache);
}

/* Once a life: what the log was found to be when the node came back. */
static void look_at_recovery(
    struct invariants *invariants, const struct partition *partition, const struct past *past)
{
    const struct log *log = partition->log;
    int64_t least = invariants->cut_life >= past->life ? past->promised : past->end;
    bool is_exact = invariants->ending == ENDING_STOP && past->life == invariants->life - 1;
    if (past->life == 0)
        return;
    if (log_end(log) < least || (is_exact && log_end(log) != past->end))
        invariant_fell(invariants, INVARIANT_recovery_keeps_what_was_promised,
            "partition=%s log_end=%lld promised=%lld log_end_before=%lld durable_end_before=%lld "
            "high_watermark_before=%lld ending=%d",
            log_label(partition->log), (long long)log_end(log), (long long)past->promised,
            (long long)past->end, (long long)past->durable_end, (long long)past->high_watermark,
            invariants->ending);
}

static void look_at_falls(
    struct invariants *invariants, const struct partition *partition, const struct past *past)
{
    const struct log *log = partition->log;
    bool is_new_life = past->life != invariants->life;
    int64_t watermark = is_new_life ? past->promised : past->high_watermark;
    if (partition->high_watermark < watermark)
        invariant_fell(invariants, INVARIANT_high_watermark_never_falls,
            "partition=%s high_watermark=%lld before=%lld promised=%lld new_life=%d",
            log_label(partition->log), (long long)partition->high_watermark,
            (long long)past->high_watermark, (long long)past->promised, is_new_life);
    bool may_come_back = past->is_retained && is_new_life;
    if (log->start < past->log_start && !may_come_back)
        invariant_fell(invariants, INVARIANT_log_start_never_falls,
            "partition=%s log_start=%lld before=%lld new_life=%d", log_label(partition->log),
            (long long)log->start, (long long)past->log_start, is_new_life);
    if (partition->leader_epoch < past->leader_epoch)
        invariant_fell(invariants, INVARIANT_epochs_never_fall,
            "partition=%s leader_epoch=%d before=%d new_life=%d", log_label(partition->log),
            partition->leader_epoch, past->leader_epoch, is_new_life);
}

/* A high watermark is a promise to consumers, unless the topic says that the page cache is enough;
 * what is durable is one. */
static void remember(
    struct invariants *invariants, const struct partition *partition, struct past *past)
{
    const struct log *log = partition->log;
    int64_t watermark = partition->high_watermark, durable_end = log_durable_end(log);
    if (partition->settings.page_cache)
        past->page_cache_end = log_end(log);
    bool is_durable = watermark <= durable_end || watermark > past->page_cache_end;
    if (watermark > durable_end && is_durable)
        invariant_fell(invariants, INVARIANT_high_watermark_is_durable,
            "partition=%s high_watermark=%lld durable_end=%lld log_end=%lld",
            log_label(partition->log), (long long)watermark, (long long)durable_end,
            (long long)log_end(log));
    int64_t promised = is_durable && watermark > durable_end ? watermark : durable_end;
    if (promised > past->promised_ever)
        past->promised_ever = promised;
    const struct move *move = partition->move;
    bool may_be_left = move != NULL && (move->stage != MOVE_COPYING || move->may_be_named);
    if (may_be_left && move->future->durable_end < promised)
        promised = move->future->durable_end;
    if (promised > past->promised || past->life != invariants->life)
        past->promised = promised;
    past->end = log_end(log);
    past->durable_end = durable_end;
    past->high_watermark = watermark;
    past->is_moving = partition->move != NULL;
    past->log_start = log->start;
    past->leader_epoch = partition->leader_epoch;
    past->life = invariants->life;
}

static void lower(int64_t *offset, int64_t to)
{
    if (*offset > to)
        *offset = to;
}

void invariants_lose(
    struct invariants *invariants, struct uuid topic_id, int32_t partition, int64_t from)
{
    struct past *past = past_of(invariants, (struct partition_key){ topic_id, partition });
    lower(&past->promised, from);
    lower(&past->end, from);
    lower(&past->durable_end, from);
    lower(&past->high_watermark, from);
    ledger_forget(&past->ledger, from);
    past->was_damaged = true; /* snapshots of producers above it go, too */
}

static void look_at_waiting(struct invariants *invariants, const struct partition *partition)
{
    const struct append *first = partition->waiting;
    if (first != NULL && first->last_offset < partition->high_watermark)
        invariant_fell(invariants, INVARIANT_nobody_waits_for_what_is_there,
            "partition=%s last_offset=%lld high_watermark=%lld", log_label(partition->log),
            (long long)first->last_offset, (long long)partition->high_watermark);
    if (partition->staged != NULL || log_has_staged(partition->log))
        invariant_fell(
            invariants, INVARIANT_nothing_stays_staged, "partition=%s", log_label(partition->log));
}

/* Failures of the life before count as well: it may have failed when this one began, before anybody looked. */
static void look_at_absence(struct invariants *invariants, const struct partition *partition)
{
    const struct disk_faults *faults = machine_disk_faults(invariants->machine);
    bool is_well = invariants->full_life != invariants->life && !faults->is_dead &&
                   faults->failures == invariants->failures_before_last && !machine_has_decayed(invariants->machine, NULL);
    if (is_well)
        invariant_fell(invariants, INVARIANT_partitions_are_online, "topic_id=%016llx partition=%d",
            (unsigned long long)load_i64(partition->key.topic_id.bytes), partition->key.index);
}

/* What the files say of an older topic of that name the next start would believe of this one. In the last file bits
 * may flip: then a name is that of another topic. A disk that fails takes neither the lines away nor the new topic in. */
static void look_at_birth(struct invariants *invariants, const struct log *log)
{
    static const char *const files[] = { "recovery-point-offset-checkpoint",
        "log-start-offset-checkpoint", "replication-offset-checkpoint" };
    size_t count = sizeof(files) / sizeof(files[0]) - machine_has_decayed(invariants->machine, NULL);
    bool has_failed = machine_disk_faults(invariants->machine)->failures > invariants->failures_before_last;
    for (size_t i = 0; log_end(log) == 0 && !has_failed && i < count; i++) {
        int64_t offset = durable_checkpoint(invariants, log, files[i]);
        if (offset > 0)
            invariant_fell(invariants, INVARIANT_new_topics_are_unknown, "partition=%s file=%s offset=%lld",
                log_label(log), files[i], (long long)offset);
    }
}

void look_at_partition(
    struct invariants *invariants, const struct partition *partition, bool is_thorough)
{
    if (partition->log == NULL) {
        look_at_absence(invariants, partition);
        return;
    }
    struct past *past = past_of(invariants, partition->key);
    if (past->life == 0)
        look_at_birth(invariants, partition->log);
    if (past->life != invariants->life) {
        look_at_recovery(invariants, partition, past);
        look_for_leftovers(invariants, partition->log);
    }
    look_at_positions(invariants, partition);
    look_at_falls(invariants, partition, past);
    look_at_waiting(invariants, partition);
    past->has_moved = past->log_dir_index != partition->log_dir_index;
    past->log_dir_index = partition->log_dir_index;
    if (!partition->damaged)
        look_at_log(invariants, partition->log, past, is_thorough);
    look_at_retention(invariants, partition->log, past);
    if (partition->move != NULL && !partition->damaged && !invariants->recorder->expects_damage)
        look_at_move(invariants, partition, past, is_thorough);
    remember(invariants, partition, past);
}
