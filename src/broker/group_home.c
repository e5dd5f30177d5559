/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/group_home.h"

#include <utlist.h>

#include "base/broken.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "broker/group_reports.h"
#include "broker/settings.h"
#include "broker/shard.h"
#include "io/worker.h"

enum {
    LOAD_STEP = 64 << 10, /* bytes */
    LOAD_REPORT_EVERY_US = 60 * 1000 * 1000,
};

/* ---- What it takes of the node. ---- */

static void move_charge(struct budget *budget, int64_t from, int64_t to)
{
    if (to > from)
        budget_charge(budget, to - from);
    else if (to < from)
        budget_release(budget, from - to);
}

void group_home_charge(struct group_home *home)
{
    struct group_load *load = home->shard->group_load;
    int64_t memory = home->coordinator.memory;
    int32_t members = home->coordinator.consumer_members + home->coordinator.classic_members;
    move_charge(&load->memory, home->charged, memory);
    move_charge(&load->members, home->members, members);
    home->charged = memory;
    home->members = members;
}

enum coordinator_memory group_load_left(const struct group_load *load)
{
    int64_t used = budget_used(&load->memory), limit = load->memory.limit;
    if (used >= limit)
        return MEMORY_OUT;
    return used >= limit - limit / 8 ? MEMORY_SHORT : MEMORY_AMPLE;
}

static enum coordinator_memory look_at_memory(struct shard *shard)
{
    const struct budget *memory = &shard->group_load->memory;
    enum coordinator_memory left = group_load_left(shard->group_load);
    if (left == MEMORY_AMPLE || loop_now_us(shard->loop) < shard->next_load_report_us)
        return left;
    shard->next_load_report_us = loop_now_us(shard->loop) + LOAD_REPORT_EVERY_US;
    report_warn("group_memory_short",
        "bytes=%lld limit=%lld setting=strom.group.memory.bytes consequence=\"%s\"",
        (long long)budget_used(memory), (long long)memory->limit,
        left == MEMORY_SHORT ? "new groups, members and offsets are refused"
                             : "what would take more is refused");
    return left;
}

static int32_t member_total(const struct shard *shard)
{
    int64_t count = budget_used(&shard->group_load->members);
    return count < INT32_MAX ? (int32_t)count : INT32_MAX;
}

/* ---- What is asked. ---- */

static int64_t now_ms(const struct group_home *home)
{
    return loop_now_ms(home->shard->loop);
}

static bool is_ready(const struct group_home *home)
{
    return home->machine.state == MACHINE_READY;
}

/* The coordinator's next deadline moves with every request. */
static void set_tick(struct group_home *home)
{
    struct loop *loop = home->shard->loop;
    int64_t due_ms = is_ready(home) ? coordinator_deadline(&home->coordinator) : INT64_MAX;
    if (due_ms == INT64_MAX)
        timer_cancel(loop, &home->tick.timer);
    else if (!home->tick.is_out)
        timer_set(loop, &home->tick.timer, due_ms * 1000);
}

void group_home_submit(struct group_home *home, struct coordinator_request *request)
{
    request->steady_ms = now_ms(home);
    request->wall_ms = loop_wall_ms(home->shard->loop);
    request->image = home->shard->image;
    request->memory = look_at_memory(home->shard);
    request->member_total = member_total(home->shard);
    request->record_most = partition_machine_record_most(&home->machine);
    rsm_submit(&home->machine.rsm, &request->rsm);
    group_home_charge(home);
    if (home->coordinator.to_assign != NULL)
        group_assigning_look(home);
    if (home->coordinator.to_resolve != NULL)
        group_resolving_look(home);
    set_tick(home);
}

/* ---- What it asks of itself. ---- */

static void ask(struct home_wish *wish)
{
    wish->is_wanted = wish->is_out;
    if (wish->is_out || !is_ready(wish->home))
        return;
    wish->is_out = true;
    arena_reset(&wish->arena);
    group_home_submit(wish->home, &wish->ask);
}

static void time_is_up(struct timer *timer)
{
    ask(container_of(timer, struct home_wish, timer));
}

/* One home after the other: a topic that is deleted is for all of them, and they have passes of one
 * shard. */
static void look_for_lost_topics(struct shard *shard)
{
    struct group_home *home, *next = NULL;
    DL_FOREACH(shard->group_homes, home)
    {
        if (home->topics.is_out || timer_is_set(&home->topics.timer))
            return;
        if (next == NULL && is_ready(home) && home->coordinator.has_lost_more)
            next = home;
    }
    if (next != NULL)
        timer_set(shard->loop, &next->topics.timer, loop_now_us(shard->loop));
}

/* An error is the log's, and nothing was changed then: it is asked again at its time. */
static void wish_is_done(struct rsm_request *rsm, enum error error)
{
    struct coordinator_request *request = container_of(rsm, struct coordinator_request, rsm);
    struct home_wish *wish = container_of(request, struct home_wish, ask);
    struct group_home *home = wish->home;
    struct loop *loop = home->shard->loop;
    wish->is_out = false;
    if (error == ERROR_NONE)
        group_report_conversions(home->shard, &wish->arena, request->conversions);
    if (!is_ready(home))
        return;
    if (error == ERROR_NONE && (request->has_more || wish->is_wanted))
        timer_set(loop, &wish->timer, loop_now_us(loop));
    else if (wish == &home->topics)
        look_for_lost_topics(home->shard);
    else if (wish == &home->tick)
        set_tick(home);
    else if (wish == &home->expire)
        timer_set_in(loop, &wish->timer, home->shard->settings->offsets_check_interval_ms);
}

static void wish_init(
    struct home_wish *wish, struct group_home *home, enum coordinator_request_type type)
{
    arena_init(&wish->arena);
    wish->home = home;
    wish->timer.run = time_is_up;
    wish->ask = (struct coordinator_request){ .type = type,
        .rsm = { .arena = &wish->arena, .done = wish_is_done } };
}

static void wish_deinit(struct home_wish *wish)
{
    timer_cancel(wish->home->shard->loop, &wish->timer);
    arena_deinit(&wish->arena);
}

/* ---- What the machine tells. ---- */

static struct group_home *home_of(struct partition_machine *machine)
{
    return container_of(machine, struct group_home, machine);
}

static bool replay(struct partition_machine *machine, int64_t offset, struct rsm_record record,
    int64_t producer_id)
{
    struct group_home *home = home_of(machine);
    if (broken(load_skips_tombstones) && record.value.data == NULL)
        return true;
    bool is_good = coordinator_replay(&home->coordinator, offset, record, producer_id);
    if (home->coordinator.memory - home->charged >= LOAD_STEP)
        group_home_charge(home);
    return is_good;
}

static void replay_marker(struct partition_machine *machine, int64_t producer_id, bool committed)
{
    coordinator_replay_marker(&home_of(machine)->coordinator, producer_id, committed);
}

static bool prepare(struct partition_machine *machine)
{
    struct group_home *home = home_of(machine);
    bool is_ready = coordinator_begin(&home->coordinator, now_ms(home), home->shard->image);
    group_home_charge(home);
    return is_ready;
}

static void loaded(struct partition_machine *machine)
{
    struct group_home *home = home_of(machine);
    if (home->coordinator.skipped > 0)
        report_warn("group_records_unknown",
            "partition=" GROUP_TOPIC "-%d records=%lld: of a later release; they stay in the log, "
            "and what they say is not known here",
            machine->watch.partition->key.index, (long long)home->coordinator.skipped);
    set_tick(home);
    timer_set_in(
        home->shard->loop, &home->expire.timer, home->shard->settings->offsets_check_interval_ms);
    home->coordinator.has_lost_more = true; /* some may have gone while nobody looked */
    look_for_lost_topics(home->shard);
}

/* What a coordinator had. To free 10^6 offsets is too long for a pass, so a worker does it. */
struct remains {
    struct job job;
    struct coordinator *coordinator;
    struct budget *memory;
    int64_t charged; /* until it is freed */
};

static enum job_progress free_some(struct job *job)
{
    return coordinator_free_some(container_of(job, struct remains, job)->coordinator) ? JOB_DONE
                                                                                      : JOB_AGAIN;
}

static void remains_are_gone(struct job *job)
{
    struct remains *remains = container_of(job, struct remains, job);
    budget_release(remains->memory, remains->charged);
    memory_give(remains);
}

static void free_elsewhere(struct group_home *home, struct coordinator *all)
{
    struct remains *remains = memory_take(sizeof(*remains));
    *remains = (struct remains){ .job = { .step = free_some, .done = remains_are_gone },
        .coordinator = all,
        .memory = &home->shard->group_load->memory,
        .charged = home->charged };
    home->charged = 0;
    worker_submit(loop_io(home->shard->loop), home->shard->loop, &remains->job);
}

static void forget(struct group_home *home)
{
    struct coordinator *all = coordinator_detach(&home->coordinator);
    if (all->groups == NULL)
        coordinator_free_some(all); /* at once */
    else
        free_elsewhere(home, all);
    group_home_charge(home);
}

static void lost(struct partition_machine *machine)
{
    struct group_home *home = home_of(machine);
    if (!home->shard->stopping) /* else it ends with the home, and with the loop */
        forget(home);
    set_tick(home);
    timer_cancel(home->shard->loop, &home->topics.timer);
    look_for_lost_topics(home->shard);
    if (machine->watch.partition != NULL)
        shard_tell_damage(home->shard, machine->watch.partition);
}

static const struct partition_machine_type machine_type = { replay, replay_marker, prepare, loaded,
    lost };

/* ---- Life. ---- */

void group_home_open(struct shard *shard, struct partition *partition)
{
    struct group_home *home = memory_take(sizeof(*home));
    home->shard = shard;
    struct coordinator_settings settings;
    coordinator_settings_resolve(shard->settings, shard->image, &settings);
    coordinator_init(&home->coordinator, &settings);
    wish_init(&home->tick, home, COORDINATOR_TICK);
    wish_init(&home->expire, home, COORDINATOR_EXPIRE);
    wish_init(&home->topics, home, COORDINATOR_TOPICS_DELETED);
    DL_APPEND(shard->group_homes, home);
    partition_machine_init(
        &home->machine, &machine_type, &home->coordinator.machine, partition, &shard->replay_turns);
    home->machine.codec = (enum codec)shard->settings->offsets_topic_codec;
}

static void close_home(struct group_home *home)
{
    group_assigning_abandon(home);
    group_resolving_abandon(home);
    partition_machine_deinit(&home->machine);
    wish_deinit(&home->tick);
    wish_deinit(&home->expire);
    wish_deinit(&home->topics);
    coordinator_deinit(&home->coordinator);
    group_home_charge(home);
    DL_DELETE(home->shard->group_homes, home);
    memory_give(home);
}

struct group_home *group_home_of(const struct partition *partition)
{
    if (partition->machine == NULL)
        return NULL;
    return home_of(container_of(partition->machine, struct partition_machine, watch));
}

void group_home_close(struct partition *partition)
{
    struct group_home *home = group_home_of(partition);
    if (home != NULL)
        close_home(home);
}

void group_homes_close(struct shard *shard)
{
    while (shard->group_homes != NULL)
        close_home(shard->group_homes);
}

void group_homes_topics_deleted(struct shard *shard)
{
    struct group_home *home;
    DL_FOREACH(shard->group_homes, home)
    {
        home->coordinator.has_lost_more = true;
    }
    look_for_lost_topics(shard);
}

void group_homes_set_settings(struct shard *shard)
{
    struct group_home *home;
    DL_FOREACH(shard->group_homes, home)
    {
        coordinator_settings_resolve(shard->settings, shard->image, &home->coordinator.settings);
    }
}
