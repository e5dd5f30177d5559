/* SPDX-License-Identifier: Apache-2.0 */
/* The log directories against the shards, while the node lives, and against what was known last,
 * when it has stopped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "broker/node_parts.h"
#include "replica/move.h"
#include "sim/invariants_parts.h"
#include "sim/recorder.h"
#include "sim/see.h"
#include "storage/log_state.h"

enum { PATH_SIZE = 1200 };

struct walk {
    struct invariants *invariants;
    const struct node *node; /* NULL: it has stopped */
    const char *directory;
    const struct log_dir *dir; /* NULL: it has stopped */
    bool is_marked;   /* as one that was stopped cleanly */
    bool is_unopened; /* the node stopped before it had opened all that is here */
};

static size_t size_without_id(const char *name)
{
    static const char suffix[] = "-future";
    size_t size = strlen(name), marked = sizeof(suffix) - 1 + 33;
    bool is_future = size > marked && strcmp(name + size - sizeof(suffix) + 1, suffix) == 0;
    return is_future ? size - marked : size;
}

/* TOPIC-N, or TOPIC-N.ID-future, and the topic id in it. False: no such directory, or none that says whose it is. */
static bool find_key(const struct walk *walk, const char *name, struct partition_key *out_key)
{
    char path[PATH_SIZE], base[PATH_SIZE];
    snprintf(base, sizeof(base), "%.*s", (int)size_without_id(name), name);
    const char *dash = strrchr(base, '-');
    if (dash == NULL || dash[1] < '0' || dash[1] > '9')
        return false;
    snprintf(path, sizeof(path), "%s/%s/partition.metadata", walk->directory, name);
    struct bytes text = see_file(walk->invariants->machine, path);
    static const char word[] = "topic_id: ";
    const uint8_t *at =
        text.data == NULL ? NULL : memmem(text.data, text.size, word, sizeof(word) - 1);
    out_key->index = (int32_t)strtol(dash + 1, NULL, 10);
    if (at == NULL || text.data + text.size < at + sizeof(word) - 1 + UUID_TEXT_SIZE)
        return false;
    return uuid_parse(
        (struct str){ (const char *)at + sizeof(word) - 1, UUID_TEXT_SIZE }, &out_key->topic_id);
}

static const struct partition *find_partition(const struct node *node, struct partition_key key)
{
    const struct shard *owner = shard_of(node->shards.list[0], key.topic_id, key.index);
    return shard_partition(owner, key.topic_id, key.index);
}

/* Of its log, or of the one that it moves to. */
static bool is_path_of(const struct partition *partition, const char *path)
{
    return strcmp(log_path(partition->log), path) == 0 ||
           (partition->move != NULL && strcmp(log_path(partition->move->future), path) == 0);
}

/* A start that has no room to open a future log leaves it to the next one. */
static bool may_be_left(const struct walk *walk, const char *name, const char *path)
{
    bool is_future = name[size_without_id(name)] != 0, was_there = false;
    for (int32_t i = 0; is_future && i < log_dir_place_count(walk->dir); i++)
        was_there = was_there || strcmp(log_dir_place(walk->dir, i)->path, path) == 0;
    return was_there && walk->invariants->full_life == walk->invariants->life;
}

static void visit_living(void *context, const char *name)
{
    struct walk *walk = context;
    char path[PATH_SIZE];
    struct partition_key key;
    bool is_metadata = strncmp(name, "__cluster_metadata-", 19) == 0;
    if (is_metadata || !find_key(walk, name, &key))
        return;
    snprintf(path, sizeof(path), "%s/%s", walk->directory, name);
    const struct partition *partition = find_partition(walk->node, key);
    bool is_its_own = partition != NULL && (partition->log == NULL || is_path_of(partition, path));
    if (!is_its_own && (partition == NULL || !may_be_left(walk, name, path)))
        invariant_fell(walk->invariants, INVARIANT_disk_matches_shards,
            "directory=%s partition=%s log=%s", path, partition == NULL ? "none" : "some",
            partition == NULL || partition->log == NULL ? "none" : log_path(partition->log));
}

static bool is_serving(const struct node *node)
{
    bool serves = node->stage == NODE_SERVING;
    for (int32_t i = 0; i < node->shards.count; i++)
        serves = serves && node->shards.list[i]->image != NULL && !node->shards.list[i]->stopping;
    return serves;
}

static void look_at_paths(struct invariants *invariants, const struct shard *shard)
{
    for (const struct partition *partition = shard->partitions; partition != NULL;
         partition = partition->hh.next) {
        struct partition_key key;
        const char *path = partition->log == NULL ? NULL : log_path(partition->log);
        const char *slash = path == NULL ? NULL : strrchr(path, '/');
        char parent[PATH_SIZE];
        if (slash == NULL)
            continue;
        snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
        struct walk walk = { .invariants = invariants, .directory = parent };
        if (!find_key(&walk, slash + 1, &key) || memcmp(&key, &partition->key, sizeof(key)) != 0)
            invariant_fell(invariants, INVARIANT_disk_matches_shards,
                "partition=%s path=%s: its partition.metadata is missing or of another topic",
                log_label(partition->log), path);
    }
}

void look_at_directories(struct invariants *invariants, const struct node *node)
{
    const struct disk_faults *faults = machine_disk_faults(invariants->machine);
    bool has_failed = faults->is_dead || faults->failures > invariants->failures_before;
    if (!is_serving(node) || invariants->recorder->expects_damage || has_failed)
        return; /* what could not be deleted stays */
    for (int i = 0; i < node->directory_count; i++) {
        const struct log_dir *dir = node->directories[i].dir;
        struct walk walk = { .invariants = invariants, .node = node, .directory = dir == NULL ? NULL : log_dir_path(dir), .dir = dir };
        if (dir != NULL && log_dir_failure(dir) == 0)
            see_names(invariants->machine, walk.directory, visit_living, &walk);
    }
    for (int32_t i = 0; i < node->shards.count; i++)
        look_at_paths(invariants, node->shards.list[i]);
}

bool is_marked_clean(const struct invariants *invariants, const char *directory)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/.kafka_cleanshutdown", directory);
    return see_durable_file(invariants->machine, path).data != NULL;
}

void look_at_clean_marks(struct invariants *invariants, const struct node *node)
{
    for (int i = 0; i < node->directory_count; i++) {
        const struct log_dir *dir = node->directories[i].dir;
        if (dir != NULL && log_dir_failure(dir) == 0 && is_marked_clean(invariants, log_dir_path(dir)))
            invariant_fell(invariants, INVARIANT_no_start_counts_as_clean, "directory=%s", log_dir_path(dir));
    }
}

/* ---- Checkpoint files. ---- */

/* What a checkpoint file says of a partition; -1: nothing. */
static int64_t checkpoint_of(
    const struct invariants *invariants, const char *directory, const char *file, const char *name)
{
    char path[PATH_SIZE], line[PATH_SIZE];
    const char *dash = strrchr(name, '-');
    snprintf(path, sizeof(path), "%s/%s", directory, file);
    struct bytes text = see_durable_file(invariants->machine, path);
    int size = snprintf(line, sizeof(line), "\n%.*s %s ", (int)(dash - name), name, dash + 1);
    const uint8_t *at = text.data == NULL ? NULL : memmem(text.data, text.size, line, (size_t)size);
    return at == NULL ? -1 : strtoll((const char *)at + size, NULL, 10);
}

int64_t durable_checkpoint(const struct invariants *invariants, const struct log *log, const char *file)
{
    char directory[PATH_SIZE];
    snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(log->path, '/') - log->path), log->path);
    return checkpoint_of(invariants, directory, file, log_label(log));
}

/* ---- After a clean stop. ---- */

static void look_at_snapshot(const struct walk *walk, const char *name, const struct past *past)
{
    char path[PATH_SIZE];
    snprintf(
        path, sizeof(path), "%s/%s/%020lld.snapshot", walk->directory, name, (long long)past->end);
    struct bytes snapshot = see_durable_file(walk->invariants->machine, path);
    look_at_producer_snapshot(walk->invariants, name, past, snapshot);
}

static void look_at_stopped_log(const struct walk *walk, const char *name, const struct past *past)
{
    int64_t point = checkpoint_of(walk->invariants, walk->directory, "recovery-point-offset-checkpoint", name);
    int64_t watermark = checkpoint_of(walk->invariants, walk->directory, "replication-offset-checkpoint", name);
    if (point != past->end || watermark > past->end || (watermark < past->end && !past->is_moving))
        invariant_fell(walk->invariants, INVARIANT_checkpoints_say_what_was,
            "partition=%s log_end=%lld recovery_point=%lld high_watermark=%lld", name,
            (long long)past->end, (long long)point, (long long)watermark);
    look_at_snapshot(walk, name, past);
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%s", walk->directory, name);
    /* A swap that could not end is done by the next start; what decayed may have been read and written again. */
    if (past->was_swapped || machine_has_decayed(walk->invariants->machine, name))
        return;
    look_at_index_files(walk->invariants, path, name, past);
    if (walk->is_marked) /* then the next start believes the active one's, too; else it looks */
        look_at_durable_indexes(walk->invariants, path, past);
}

static void visit_stopped(void *context, const char *name)
{
    struct walk *walk = context;
    struct partition_key key;
    bool is_future = name[size_without_id(name)] != 0;
    if (is_future) /* as may_be_left() */
        walk->is_unopened = walk->is_unopened || walk->invariants->full_life == walk->invariants->life;
    if (!find_key(walk, name, &key))
        return;
    const struct past *past = past_find(walk->invariants, key);
    if (past == NULL || past->life != walk->invariants->life)
        walk->is_unopened = walk->is_unopened || strncmp(name, "__cluster_metadata-", 19) != 0;
    else if (!is_future)
        look_at_stopped_log(walk, name, past);
}

void look_at_stopped_directory(struct invariants *invariants, const char *directory)
{
    struct walk walk = { .invariants = invariants, .directory = directory, .is_marked = is_marked_clean(invariants, directory) };
    see_names(invariants->machine, directory, visit_stopped, &walk);
    if (!walk.is_marked && !walk.is_unopened)
        invariant_fell(invariants, INVARIANT_checkpoints_say_what_was,
            "directory=%s: it was stopped cleanly, and nothing durable says so", directory);
}
