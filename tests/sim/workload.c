/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/workload.h"

#include <utlist.h>

#include "base/container.h"
#include "base/memory.h"
#include "io/io.h"
#include "sim/sim.h"

static void boot(struct client_machine *client)
{
    client->io = machine_boot(client->machine, 1);
    client->loop = loop_create(client->io, "clients");
    sim_start_loop(client->loop);
}

static void shut_down(struct client_machine *client)
{
    loop_destroy(client->loop);
    io_destroy(client->io);
}

/* ---- Strangers ---- */

static void plan_end_of_stranger(struct workload *workload)
{
    struct loop *loop = workload->machines[0].loop;
    timer_set(loop, &workload->stranger_ends, loop_now_us(loop) + 1000000 + (int64_t)sim_draw(workload->sim, 20000000));
}

static void start_strangers(struct workload *workload)
{
    boot(&workload->stranger);
    for (int i = 0; i < workload->hostile_count; i++)
        hostile_start(&workload->hostiles[i], workload, workload->stranger.loop);
}

/* The node keeps connections that have no other end. */
static void end_stranger(struct timer *timer)
{
    struct workload *workload = container_of(timer, struct workload, stranger_ends);
    machine_cut_power(workload->stranger.machine);
    for (int i = 0; i < workload->hostile_count; i++)
        hostile_forget(&workload->hostiles[i]);
    start_strangers(workload);
    plan_end_of_stranger(workload);
}

/* ---- Retention ---- */

/* Nobody was promised that what retention took stays away: a power cut may bring it back. */
static void hear_start(struct start_watch *watch, struct uuid topic_id, int32_t partition, int64_t start)
{
    struct workload *workload = container_of(watch, struct workload, start_watch);
    struct event event = { .process = RETENTION_PROCESS, .phase = "invoke", .name = "delete", .offset = start };
    struct topic *topic;
    DL_FOREACH (workload->topics.list, topic) {
        if (!uuid_equal(topic->id, topic_id) || partition >= PARTITIONS_MOST)
            continue;
        event.key = topic->keys[partition];
        recorder_note(workload->recorder, &event);
        event.phase = "info";
        recorder_note(workload->recorder, &event);
        topic->deleted_below[partition] = start;
        if (topic->retained_from[partition] < start)
            topic->retained_from[partition] = start;
        return;
    }
}

/* ---- All ---- */

static void start_sometimes(struct workload *workload)
{
    struct sim *sim = workload->sim;
    if (sim_draw(sim, 2) == 0)
        changer_start(&workload->changer, workload);
    for (int i = (int)sim_draw(sim, CONFIGURERS_MOST + 1); i > 0; i--)
        configurer_start(&workload->configurers[i - 1], workload, i - 1);
    for (int i = (int)sim_draw(sim, LIMITERS_MOST + 1); i > 0; i--)
        limiter_start(&workload->limiters[i - 1], workload, i - 1);
    if (sim_draw(sim, 2) == 0)
        mover_start(&workload->mover, workload);
    if (workload->by_name)
        prober_start(&workload->prober, workload);
    if (sim_draw(sim, 4) == 0)
        wisher_start(&workload->wisher, workload);
    if (sim_draw(sim, 3) == 0)
        inspector_start(&workload->inspector, workload);
    if (sim_draw(sim, 3) > 0)
        scholar_start(&workload->scholar, workload);
    workload->streamer_count = (int)sim_draw(sim, STREAMERS_MOST + 1);
    for (int i = 0; i < workload->streamer_count; i++)
        streamer_start(&workload->streamers[i], workload, i);
    for (int i = (int)sim_draw(sim, SUBSCRIBERS_MOST + 1); i > 0; i--)
        subscriber_start(&workload->subscribers[i - 1], workload, i - 1);
    if (sim_draw(sim, 3) == 0)
        pipeliner_start(&workload->pipeliner, workload, workload->machines[0].loop);
    workload->hostile_count = sim_draw(sim, 2) == 0 ? 0 : 1 + (int)sim_draw(sim, HOSTILES_MOST);
    start_strangers(workload);
    plan_end_of_stranger(workload);
}

struct workload *workload_create(struct sim *sim, const char *host, int port, struct recorder *recorder)
{
    static const char *const names[CLIENT_MACHINES] = { "clients", "others" };
    struct workload *workload = memory_take(sizeof(*workload));
    workload->sim = sim;
    workload->recorder = recorder;
    workload->host = host;
    workload->port = port;
    workload->stranger_ends.run = end_stranger;
    workload->start_watch.begins = hear_start;
    for (int i = 0; i < CLIENT_MACHINES; i++) {
        workload->machines[i].machine = machine_create(sim, names[i]);
        boot(&workload->machines[i]);
    }
    workload->stranger.machine = machine_create(sim, "stranger");
    workload->by_name = sim_draw(sim, 2) == 0;
    workload->producer_count = 2 + (int)sim_draw(sim, PRODUCERS_MOST - 1);
    workload->reader_count = 1 + (int)sim_draw(sim, READERS_MOST);
    admin_start(&workload->admin, workload);
    for (int i = 0; i < workload->producer_count; i++)
        producer_start(&workload->producers[i], workload, i);
    for (int i = 0; i < workload->reader_count; i++)
        reader_start(&workload->readers[i], workload, i);
    start_sometimes(workload);
    keeper_start(&workload->keeper, workload);
    return workload;
}

void workload_add_groups(struct workload *workload)
{
    workload->groups = groups_create(workload);
}

void workload_destroy(struct workload *workload)
{
    struct actor *actor;
    LL_FOREACH (workload->actors, actor)
        actor_stop(actor);
    groups_destroy(workload->groups);
    keeper_stop(&workload->keeper);
    for (int i = 0; i < workload->producer_count; i++)
        producer_stop(&workload->producers[i]);
    for (int i = 0; i < workload->streamer_count; i++)
        streamer_stop(&workload->streamers[i]);
    if (workload->pipeliner.loop != NULL)
        pipeliner_stop(&workload->pipeliner);
    for (int i = 0; i < workload->hostile_count; i++)
        hostile_stop(&workload->hostiles[i]);
    timer_cancel(workload->machines[0].loop, &workload->stranger_ends);
    topics_deinit(&workload->topics);
    for (int i = 0; i < CLIENT_MACHINES; i++)
        shut_down(&workload->machines[i]);
    shut_down(&workload->stranger);
    memory_give(workload);
}

/* What it has under way, the node judges by what it knows of it. */
static bool depends_on(const struct workload *workload, const struct topic *topic)
{
    for (int i = 0; i < workload->producer_count; i++) {
        const struct producer *producer = &workload->producers[i];
        if (producer->topic == topic && producer->count > 0 && producer->kind != BATCH_NORMAL)
            return true;
    }
    for (int i = 0; i < workload->streamer_count; i++)
        if (workload->streamers[i].topic == topic)
            return true;
    return false;
}

const char *workload_lose(struct workload *workload, struct uuid topic_id, int32_t partition, int64_t from)
{
    struct topic *topic;
    DL_FOREACH (workload->topics.list, topic)
        if (uuid_equal(topic->id, topic_id) && partition < PARTITIONS_MOST && !depends_on(workload, topic)) {
            topic_lose(topic, partition, from);
            return topic->keys[partition];
        }
    return NULL;
}

bool workload_may_forget(const struct workload *workload, const struct topic *topic, int32_t partition)
{
    return workload->recorder->damaged_life > 0 && topic_farthest_start(topic, partition) > 0;
}

void workload_calm(struct workload *workload)
{
    workload->is_calm = true;
}

void workload_drain(struct workload *workload)
{
    workload->draining = true;
}

bool workload_has_producers_under_way(const struct workload *workload)
{
    for (int i = 0; i < workload->producer_count; i++)
        if (!workload->producers[i].actor.idle || workload->producers[i].count > 0)
            return true;
    for (int i = 0; i < workload->streamer_count; i++)
        if (streamer_is_under_way(&workload->streamers[i]))
            return true;
    return false;
}

bool workload_is_drained(const struct workload *workload)
{
    bool drained = workload->draining && workload->admin.is_done && workload->keeper.is_done && !workload_has_producers_under_way(workload);
    for (int i = 0; i < workload->reader_count; i++)
        drained = drained && workload->readers[i].is_done;
    return workload->draining && groups_are_drained(workload->groups) && drained;
}

void workload_tell(const struct workload *workload)
{
    const struct actor *actor;
    LL_FOREACH (workload->actors, actor)
        actor_tell(actor);
}
