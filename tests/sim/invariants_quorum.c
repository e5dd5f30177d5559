/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata: the quorum's promises, and the image against a replay of snapshot and log. The
 * replay goes on with the log in a life, and begins from the disk in each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/node_parts.h"
#include "metadata/apply.h"
#include "replica/quorum_parts.h"
#include "sim/invariants_parts.h"
#include "sim/recorder.h"
#include "sim/see.h"
#include "storage/flusher.h"
#include "storage/log_state.h"
#include "wire/record.h"

void metadata_past_init(struct metadata_past *past)
{
    *past = (struct metadata_past){
        .vote = { RAFT_NOBODY, 0, RAFT_NOBODY, UUID_ZERO }, .led_epoch = -1, .next_producer_id = -1
    };
}

static void forget_replay(struct metadata_past *past)
{
    if (past->is_replayed)
        controller_deinit(&past->replay);
    past->is_replayed = false;
}

void metadata_past_deinit(struct metadata_past *past)
{
    ledger_deinit(&past->log.ledger);
    forget_replay(past);
}

/* ---- The quorum. ---- */

static void look_at_positions(struct invariants *invariants, const struct quorum *quorum)
{
    const struct log *log = quorum->log;
    int64_t committed = quorum->raft.high_watermark;
    int64_t published = quorum->published == NULL ? -1 : quorum->published->offset;
    if (committed > quorum->raft.end.offset || quorum->raft.end.offset > log->durable_end ||
        published > committed || log->recovery_point > log->durable_end ||
        log->durable_end > log_end(log))
        invariant_fell(invariants, INVARIANT_published_is_committed,
            "published=%lld high_watermark=%lld end_of_voter=%lld durable_end=%lld log_end=%lld",
            (long long)published, (long long)committed, (long long)quorum->raft.end.offset,
            (long long)log->durable_end, (long long)log_end(log));
    if (log_has_staged(log))
        invariant_fell(invariants, INVARIANT_nothing_stays_staged, "log=%s", log_path(log));
}

static void look_at_promises(
    struct invariants *invariants, const struct quorum *quorum, struct metadata_past *past)
{
    const struct log *log = quorum->log;
    const struct raft_vote *vote = &quorum->raft.vote;
    bool is_new_life = past->log.life != invariants->life;
    int64_t least =
        is_new_life && invariants->cut_life < past->log.life ? past->log.end : past->log.promised;
    if (log_end(log) < least)
        invariant_fell(invariants, INVARIANT_recovery_keeps_what_was_promised,
            "log=%s log_end=%lld least=%lld ending=%d", log_path(log), (long long)log_end(log),
            (long long)least, invariants->ending);
    if (log->start < past->log.log_start && !is_new_life)
        invariant_fell(invariants, INVARIANT_log_start_never_falls,
            "log=%s log_start=%lld before=%lld", log_path(log), (long long)log->start,
            (long long)past->log.log_start);
    if (vote->leader_epoch < past->vote.leader_epoch)
        invariant_fell(invariants, INVARIANT_one_leader_an_epoch, "epoch=%d before=%d",
            vote->leader_epoch, past->vote.leader_epoch);
    if (vote->leader_epoch == past->vote.leader_epoch && past->vote.voted_id != RAFT_NOBODY &&
        vote->voted_id != past->vote.voted_id)
        invariant_fell(invariants, INVARIANT_one_leader_an_epoch, "epoch=%d voted=%d before=%d",
            vote->leader_epoch, vote->voted_id, past->vote.voted_id);
    if (raft_leads(&quorum->raft) && past->led_epoch == vote->leader_epoch &&
        past->led_life != invariants->life)
        invariant_fell(invariants, INVARIANT_one_leader_an_epoch,
            "epoch=%d leads_in_life=%d led_in_life=%d", vote->leader_epoch, invariants->life,
            past->led_life);
}

/* Whoever has heard of a vote or an epoch must never hear of another one, so it is on the disk. */
static void look_at_vote(struct invariants *invariants, const struct quorum *quorum)
{
    char path[QUORUM_PATH_SIZE + 32], text[64];
    const struct raft_vote *vote = &quorum->raft.vote;
    snprintf(path, sizeof(path), "%s/quorum-state", quorum->directory);
    struct bytes state = see_durable_file(invariants->machine, path);
    int size = snprintf(text, sizeof(text), "\"leaderEpoch\":%d,\"votedId\":%d,",
        vote->leader_epoch, vote->voted_id);
    bool is_new = state.data == NULL && vote->voted_id == RAFT_NOBODY && !raft_leads(&quorum->raft); /* the epoch is the log's */
    if (is_new || quorum->failed)
        return; /* it could not be written, and the node says nothing any more */
    if (state.data == NULL || memmem(state.data, state.size, text, (size_t)size) == NULL)
        invariant_fell(invariants, INVARIANT_vote_is_durable, "epoch=%d voted=%d file=\"%.*s\"",
            vote->leader_epoch, vote->voted_id, (int)state.size,
            state.data == NULL ? "" : (const char *)state.data);
}

static void remember(
    struct invariants *invariants, const struct quorum *quorum, struct metadata_past *past)
{
    const struct log *log = quorum->log;
    past->log.promised = log->durable_end;
    past->log.end = log_end(log);
    past->log.log_start = log->start;
    past->log.life = invariants->life;
    past->vote = quorum->raft.vote;
    if (raft_leads(&quorum->raft)) {
        past->led_epoch = past->vote.leader_epoch;
        past->led_life = invariants->life;
    }
}

/* ---- The replay. ---- */

/* False: not a whole run of batches. */
static bool replay_bytes(struct controller *replay, struct bytes bytes, int64_t from)
{
    struct batch_header header;
    size_t at = 0;
    for (; at < bytes.size; at += header.size) {
        const uint8_t *batch = bytes.data + at;
        struct record_reader reader;
        struct record record;
        if (batch_parse((struct bytes){ batch, bytes.size - at }, &header) != BATCH_OK)
            return false;
        records_begin(&reader, &header,
            (struct bytes){ batch + BATCH_HEADER_SIZE, header.size - BATCH_HEADER_SIZE });
        while (!batch_is_control(&header) && records_next(&reader, &record) == RECORD_OK)
            if (record.offset >= from)
                controller_apply(replay, record.offset, record.value);
    }
    return true;
}

struct newest {
    int64_t offset, below;
    char name[64];
};

static void visit_snapshot(void *context, const char *name)
{
    struct newest *newest = context;
    if (strlen(name) != 42 || strcmp(name + 31, ".checkpoint") != 0)
        return;
    int64_t offset = strtoll(name, NULL, 10);
    if (offset > newest->offset && offset < newest->below) {
        newest->offset = offset;
        snprintf(newest->name, sizeof(newest->name), "%s", name);
    }
}

static struct newest newest_snapshot(
    const struct invariants *invariants, const struct quorum *quorum, int64_t below)
{
    struct newest newest = { .below = below };
    see_names(invariants->machine, quorum->directory, visit_snapshot, &newest);
    return newest;
}

/* The newest that is whole. Returns its offset; 0: none. */
static int64_t replay_snapshot(
    const struct invariants *invariants, const struct quorum *quorum, struct controller *replay)
{
    char path[QUORUM_PATH_SIZE + 80];
    struct newest newest = newest_snapshot(invariants, quorum, INT64_MAX);
    while (newest.offset > 0) {
        snprintf(path, sizeof(path), "%s/%s", quorum->directory, newest.name);
        if (replay_bytes(replay, see_file(invariants->machine, path), 0))
            break;
        controller_reset(replay);
        newest = newest_snapshot(invariants, quorum, newest.offset);
    }
    return newest.offset;
}

/* When the log has lost what was replayed; else the replay of the life before goes on, and sees
 * what a snapshot has forgotten. */
static void begin_replay(
    const struct invariants *invariants, const struct quorum *quorum, struct metadata_past *past)
{
    struct controller_settings settings = quorum->controller.settings;
    settings.hooks = (struct controller_hooks){ 0 };
    forget_replay(past);
    controller_init(&past->replay, &settings, 1);
    past->is_replayed = true;
    past->replayed = replay_snapshot(invariants, quorum, &past->replay);
}

static void look_at_snapshots(struct invariants *invariants, const struct quorum *quorum)
{
    int64_t newest = newest_snapshot(invariants, quorum, INT64_MAX).offset;
    if (quorum->log->start > newest)
        invariant_fell(invariants, INVARIANT_snapshot_covers_log_start,
            "log_start=%lld snapshot=%lld", (long long)quorum->log->start, (long long)newest);
}

/* Once for each. */
static void look_at_newest_snapshot(struct invariants *invariants, const struct quorum *quorum,
    struct metadata_past *past)
{
    char path[QUORUM_PATH_SIZE];
    const struct snapshot_list *list = &quorum->snapshots;
    if (past->log.life != invariants->life)
        past->snapshot_offset = -1;
    if (list->count == 0 || list->ids[list->count - 1].offset == past->snapshot_offset)
        return;
    past->snapshot_offset = list->ids[list->count - 1].offset;
    snapshot_path(quorum->directory, list->ids[list->count - 1], "", path, sizeof(path));
    struct bytes seen = see_file(invariants->machine, path), durable = see_durable_file(invariants->machine, path);
    if (durable.data == NULL || durable.size != seen.size || memcmp(durable.data, seen.data, seen.size) != 0)
        invariant_fell(invariants, INVARIANT_snapshots_are_durable, "file=%s size=%zu durable_size=%zu", path,
            seen.size, durable.size);
}

static void go_on_with_replay(
    struct invariants *invariants, const struct quorum *quorum, struct metadata_past *past)
{
    char path[SEGMENT_PATH_SIZE];
    const struct ledger *ledger = &past->log.ledger;
    while (past->replayed < ledger->end) {
        const struct ledger_batch *batch = ledger_at(ledger, past->replayed);
        if (batch == NULL)
            return;
        segment_path(path, quorum->log->path, batch->segment_base, ".log");
        struct bytes file = see_file(invariants->machine, path);
        if (file.size < (size_t)batch->position + batch->header.size)
            return;
        struct bytes bytes = { file.data + batch->position, batch->header.size };
        replay_bytes(&past->replay, bytes, past->replayed);
        past->replayed = batch_next_offset(&batch->header);
    }
}

/* ---- Comparing. ---- */

static void hash_record(void *context, struct bytes record)
{
    uint64_t *hash = context;
    for (size_t i = 0; i < record.size; i++)
        *hash = (*hash ^ record.data[i]) * 1099511628211u;
    *hash = (*hash ^ record.size) * 1099511628211u;
}

static void hash_items(const struct tree *tree, uint64_t *hash)
{
    struct bytes key = { NULL, 0 };
    const struct image_item *item;
    while ((item = (const struct image_item *)tree_after(tree, key)) != NULL) {
        hash_record(hash, item->record);
        key = item->key;
    }
}

static void hash_topics(const struct image *image, uint64_t *hash)
{
    const struct image_topic *topic = image_topic_after(image, (struct str){ 0 });
    for (; topic != NULL; topic = image_topic_after(image, topic->name)) {
        hash_record(hash, topic->record->record);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            const struct image_partition *partition = image_partition(topic, i);
            const int32_t numbers[] = { i, partition->leader, partition->leader_epoch,
                partition->partition_epoch };
            hash_record(hash, (struct bytes){ (const uint8_t *)numbers, sizeof(numbers) });
        }
    }
}

/* Of what a snapshot would say, and of what it must not forget to say. */
static uint64_t hash_of(const struct image *image)
{
    uint64_t hash = 14695981039346656037u;
    struct arena scratch;
    arena_init(&scratch);
    image_snapshot(image, &scratch, hash_record, &hash);
    arena_deinit(&scratch);
    hash_topics(image, &hash);
    const struct tree *trees[] = { &image->settings, &image->features, &image->acls, &image->tokens,
        &image->scram, &image->quotas, &image->controllers };
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
        hash_items(trees[i], &hash);
    return hash;
}

static void compare_images(
    struct invariants *invariants, const struct quorum *quorum, const struct metadata_past *past)
{
    const struct image *working = quorum->controller.working, *replay = past->replay.working;
    if (past->replayed != log_end(quorum->log) || past->replay.failure != NULL ||
        hash_of(working) != hash_of(replay) ||
        working->next_producer_id != replay->next_producer_id)
        invariant_fell(invariants, INVARIANT_image_equals_its_replay,
            "log_end=%lld replayed=%lld topics=%lld replayed_topics=%lld partitions=%lld "
            "replayed_partitions=%lld next_producer_id=%lld replayed_next=%lld failure=%s",
            (long long)log_end(quorum->log), (long long)past->replayed,
            (long long)image_topic_count(working), (long long)image_topic_count(replay),
            (long long)working->partition_total, (long long)replay->partition_total,
            (long long)working->next_producer_id, (long long)replay->next_producer_id,
            past->replay.failure == NULL ? "none" : past->replay.failure);
}

/* ---- What is published. ---- */

static void look_at_image(struct invariants *invariants, const struct image *image)
{
    const struct image_topic *topic = image_topic_after(image, (struct str){ 0 });
    for (; topic != NULL; topic = image_topic_after(image, topic->name))
        for (int32_t i = 0; i < topic->partition_count; i++) {
            const struct image_partition *partition = image_partition(topic, i);
            struct past *past = past_of(invariants, (struct partition_key){ topic->id, i });
            if (partition->leader_epoch < past->published_leader_epoch ||
                partition->partition_epoch < past->partition_epoch)
                invariant_fell(invariants, INVARIANT_epochs_never_fall,
                    "partition=%.*s-%d leader_epoch=%d before=%d partition_epoch=%d before=%d",
                    topic->name.size, topic->name.data, i, partition->leader_epoch,
                    past->published_leader_epoch, partition->partition_epoch,
                    past->partition_epoch);
            past->published_leader_epoch = partition->leader_epoch;
            past->partition_epoch = partition->partition_epoch;
        }
    if (image->next_producer_id < invariants->metadata.next_producer_id)
        invariant_fell(invariants, INVARIANT_producer_ids_are_given_once,
            "next_producer_id=%lld before=%lld", (long long)image->next_producer_id,
            (long long)invariants->metadata.next_producer_id);
    invariants->metadata.next_producer_id = image->next_producer_id;
}

/* What is on the disk; it may have decayed. */
static void look_at_files(struct invariants *invariants, const struct quorum *quorum,
    struct metadata_past *past, bool is_thorough)
{
    bool is_new_life = past->log.life != invariants->life;
    if (is_new_life || memcmp(&past->vote, &quorum->raft.vote, sizeof(past->vote)) != 0)
        look_at_vote(invariants, quorum);
    if (!past->is_replayed || past->replayed > log_end(quorum->log))
        begin_replay(invariants, quorum, past);
    go_on_with_replay(invariants, quorum, past);
    look_at_newest_snapshot(invariants, quorum, past);
    if (!is_new_life && !is_thorough)
        return;
    look_at_snapshots(invariants, quorum);
    compare_images(invariants, quorum, past);
}

void look_at_quorum(struct invariants *invariants, const struct quorum *quorum, bool is_thorough)
{
    struct metadata_past *past = &invariants->metadata;
    bool is_new_life = past->log.life != invariants->life;
    if (quorum == NULL || quorum->failed || flusher_is_failed(quorum->log->flusher))
        return; /* it ends: as look_at_log() */
    look_at_positions(invariants, quorum);
    look_at_promises(invariants, quorum, past);
    look_at_log(invariants, quorum->log, &past->log, is_thorough);
    if (!invariants->recorder->expects_damage)
        look_at_files(invariants, quorum, past, is_thorough);
    else
        forget_replay(past); /* it would miss what the log drops meanwhile */
    if (quorum->published != NULL && (is_new_life || quorum->published != past->published))
        look_at_image(invariants, quorum->published);
    past->published = quorum->published;
    remember(invariants, quorum, past);
}

/* ---- What shards have of it. ---- */

static void look_at_producer_ids(struct invariants *invariants, const struct shard *shard)
{
    int64_t end = shard->producer_ids.end;
    for (int32_t i = invariants->block_count - 1; i >= 0 && end > 0; i--) {
        const struct producer_id_block_seen *seen = &invariants->blocks[i];
        if (seen->end != end)
            continue;
        if (seen->shard != shard->index || seen->life != invariants->life)
            invariant_fell(invariants, INVARIANT_producer_ids_are_given_once,
                "block_end=%lld shard=%d life=%d and shard=%d life=%d", (long long)end, seen->shard,
                seen->life, shard->index, invariants->life);
        return;
    }
    if (end <= 0)
        return;
    invariants->blocks = memory_resize(
        invariants->blocks, (size_t)(invariants->block_count + 1) * sizeof(*invariants->blocks));
    invariants->blocks[invariants->block_count++] =
        (struct producer_id_block_seen){ end, shard->index, invariants->life };
}

void look_at_shard_metadata(struct invariants *invariants, const struct shard *shard)
{
    const struct quorum *quorum = invariants->node->control.quorum;
    if (shard->image == NULL || quorum == NULL || quorum->published == NULL ||
        shard->index >= SHARDS_MOST)
        return;
    int64_t *before = &invariants->image_offsets[shard->index];
    if (shard->image->offset < *before || shard->image->offset > quorum->published->offset)
        invariant_fell(invariants, INVARIANT_images_go_forward,
            "shard=%d offset=%lld before=%lld published=%lld", shard->index,
            (long long)shard->image->offset, (long long)*before,
            (long long)quorum->published->offset);
    *before = shard->image->offset;
    look_at_producer_ids(invariants, shard);
}
