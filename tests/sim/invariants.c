/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/invariants.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "broker/node_parts.h"
#include "replica/quorum_parts.h"
#include "sim/invariants_parts.h"
#include "sim/recorder.h"

enum { OFTEN_EVERY = 32, THOROUGH_EVERY = 1024 };

static const struct {
    const char *name, *sentence;
} rows[] = {
#define INVARIANT_ROW(name, sentence) { #name, sentence },
    INVARIANTS(INVARIANT_ROW)
#undef INVARIANT_ROW
};

void invariants_list(void)
{
    for (int i = 0; i < INVARIANT_COUNT; i++)
        printf("%-34s %s\n", rows[i].name, rows[i].sentence);
}

void invariant_fell(
    struct invariants *invariants, enum invariant invariant, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    recorder_fall(invariants->recorder, rows[invariant].name, format, arguments);
    va_end(arguments);
}

static const struct shard *shard_of_loop(const struct node *node, const struct loop *loop)
{
    for (int32_t i = 0; i < node->shards.count; i++)
        if (node->shards.list[i]->loop == loop)
            return node->shards.list[i];
    return NULL;
}

static void look_at_shard(
    struct invariants *invariants, const struct shard *shard, bool is_thorough)
{
    int64_t wall_ms = loop_wall_ms(shard->loop);
    if (wall_ms > invariants->latest_wall_ms)
        invariants->latest_wall_ms = wall_ms;
    for (const struct partition *partition = shard->partitions; partition != NULL;
         partition = partition->hh.next)
        look_at_partition(invariants, partition, is_thorough);
    look_at_holdings(invariants, shard);
    look_at_shard_metadata(invariants, shard);
    if (is_thorough)
        look_at_coordinators(invariants, shard);
}

/* Only a turn of a node's own loop changes what belongs to that loop. */
static void looked(struct sim_watch *watch, const struct loop *turned)
{
    struct invariants *invariants = container_of(watch, struct invariants, watch);
    if (invariants->node != NULL && machine_disk_faults(invariants->machine)->is_full)
        invariants->full_life = invariants->life; /* a worker may meet it, and no loop until there is room again */
    if (turned == NULL || invariants->node == NULL)
        return;
    const struct shard *shard = shard_of_loop(invariants->node, turned);
    bool is_thorough = ++invariants->look_count % THOROUGH_EVERY == 0;
    if (shard != NULL)
        look_at_shard(invariants, shard, is_thorough);
    else if (turned == invariants->node->control.loop)
        look_at_quorum(invariants, invariants->node->control.quorum, is_thorough);
    else
        return;
    look_at_budget(invariants, invariants->node, invariants->look_count % OFTEN_EVERY == 0);
    if (is_thorough)
        look_at_directories(invariants, invariants->node);
}

struct invariants *invariants_create(
    struct sim *sim, struct machine *machine, struct recorder *recorder)
{
    struct invariants *invariants = memory_take(sizeof(*invariants));
    *invariants = (struct invariants){
        .watch.looked = looked, .recorder_watch.noted = look_at_line, .sim = sim, .machine = machine, .recorder = recorder
    };
    metadata_past_init(&invariants->metadata);
    sim_watch(sim, &invariants->watch);
    recorder->watch = &invariants->recorder_watch;
    return invariants;
}

void invariants_destroy(struct invariants *invariants)
{
    pasts_deinit(invariants);
    metadata_past_deinit(&invariants->metadata);
    memory_give(invariants->blocks);
    memory_give(invariants);
}

void invariants_begin(struct invariants *invariants, const struct node *node)
{
    invariants->node = node;
    invariants->life++;
    invariants->failures_before_last = invariants->failures_before;
    invariants->failures_before = machine_disk_faults(invariants->machine)->failures;
    memset(invariants->image_offsets, 0, sizeof(invariants->image_offsets));
    look_at_quorum(invariants, node->control.quorum, false);
    look_at_clean_marks(invariants, node);
}

static void look_up_all(struct invariants *invariants, const struct node *node)
{
    struct disk_faults *faults = machine_disk_faults(invariants->machine), before = *faults;
    *faults = (struct disk_faults){ 0 };
    for (int32_t i = 0; i < node->shards.count; i++)
        for (const struct partition *partition = node->shards.list[i]->partitions;
             partition != NULL; partition = partition->hh.next)
            look_up_offsets(invariants, partition);
    *faults = before;
}

static void note_directories(struct invariants *invariants, const struct node *node)
{
    memset(invariants->directories, 0, sizeof(invariants->directories));
    for (int i = 0; i < node->directory_count && i < DIRECTORIES_MOST; i++) {
        const struct log_dir *dir = node->directories[i].dir;
        snprintf(invariants->directories[i], sizeof(invariants->directories[i]), "%s", log_dir_path(dir));
        invariants->has_failed[i] = log_dir_failure(dir) != 0 && !is_marked_clean(invariants, log_dir_path(dir));
    }
}

bool invariants_see_leader(const struct invariants *invariants)
{
    return invariants->node != NULL && invariants->node->control.quorum->active;
}

void invariants_end(struct invariants *invariants, enum ending ending)
{
    const struct node *node = invariants->node;
    invariants->ending = ending;
    if (ending == ENDING_POWER_CUT)
        invariants->cut_life = invariants->life;
    if (node == NULL)
        return;
    for (int32_t i = 0; i < node->shards.count; i++)
        look_at_shard(invariants, node->shards.list[i], true);
    if (ending != ENDING_STOP && !invariants->recorder->expects_damage &&
        !machine_disk_faults(invariants->machine)->is_dead)
        look_up_all(invariants, node);
    look_at_quorum(invariants, node->control.quorum, true);
    look_at_budget(invariants, node, true);
    look_at_directories(invariants, node);
    note_directories(invariants, node);
    invariants->node = NULL;
}

void invariants_look_behind(struct invariants *invariants)
{
    struct machine_holdings holdings = machine_holdings(invariants->machine);
    if (holdings.file != NULL || holdings.sockets > 0 || holdings.loops > 0)
        invariant_fell(invariants, INVARIANT_nothing_stays_open,
            "file=%s sockets=%d loops=%d life=%d", holdings.file == NULL ? "none" : holdings.file,
            holdings.sockets, holdings.loops, invariants->life);
    look_at_leaks(invariants);
    bool has_died = machine_disk_faults(invariants->machine)->is_dead; /* while the last files were written */
    bool may_be_damaged = invariants->recorder->expects_damage || has_died;
    bool was_clean = invariants->ending == ENDING_STOP; /* else it failed meanwhile, as on a full disk */
    for (int i = 0; was_clean && !may_be_damaged && i < DIRECTORIES_MOST && invariants->directories[i][0] != 0;
         i++)
        look_at_stopped_directory(invariants, invariants->directories[i]);
    for (int i = 0; i < DIRECTORIES_MOST && invariants->directories[i][0] != 0; i++)
        if (invariants->has_failed[i] && is_marked_clean(invariants, invariants->directories[i]))
            invariant_fell(invariants, INVARIANT_no_failure_counts_as_clean, "directory=%s", invariants->directories[i]);
}
