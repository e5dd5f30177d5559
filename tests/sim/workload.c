/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/workload.h"

#include "base/memory.h"
#include "io/io.h"
#include "sim/sim.h"

struct workload *workload_create(struct sim *sim, const char *host, int port, struct recorder *recorder)
{
    struct workload *workload = memory_take(sizeof(*workload));
    workload->sim = sim;
    workload->recorder = recorder;
    workload->host = host;
    workload->port = port;
    workload->io = machine_boot(machine_create(sim, "clients"), 1);
    workload->loop = loop_create(workload->io, "clients");
    workload->by_name = sim_draw(sim, 2) == 0;
    workload->producer_count = 2 + (int)sim_draw(sim, PRODUCERS_MOST - 1);
    workload->reader_count = 1 + (int)sim_draw(sim, READERS_MOST);
    sim_start_loop(workload->loop);
    admin_start(&workload->admin, workload);
    changer_start(&workload->changer, workload);
    for (int i = 0; i < CONFIGURERS; i++)
        configurer_start(&workload->configurers[i], workload, i);
    for (int i = 0; i < workload->producer_count; i++)
        producer_start(&workload->producers[i], workload, i);
    for (int i = 0; i < workload->reader_count; i++)
        reader_start(&workload->readers[i], workload, i);
    return workload;
}

void workload_destroy(struct workload *workload)
{
    actor_stop(&workload->admin.actor);
    actor_stop(&workload->changer.actor);
    for (int i = 0; i < CONFIGURERS; i++)
        actor_stop(&workload->configurers[i].actor);
    for (int i = 0; i < workload->producer_count; i++)
        producer_stop(&workload->producers[i]);
    for (int i = 0; i < workload->reader_count; i++)
        actor_stop(&workload->readers[i].actor);
    topics_deinit(&workload->topics);
    loop_destroy(workload->loop);
    io_destroy(workload->io);
    memory_give(workload);
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
    return false;
}

bool workload_is_drained(const struct workload *workload)
{
    bool drained = workload->draining && workload->admin.is_done && !workload_has_producers_under_way(workload);
    for (int i = 0; i < workload->reader_count; i++)
        drained = drained && workload->readers[i].is_done;
    return drained;
}

void workload_tell(const struct workload *workload)
{
    actor_tell(&workload->admin.actor);
    actor_tell(&workload->changer.actor);
    for (int i = 0; i < CONFIGURERS; i++)
        actor_tell(&workload->configurers[i].actor);
    for (int i = 0; i < workload->producer_count; i++)
        actor_tell(&workload->producers[i].actor);
    for (int i = 0; i < workload->reader_count; i++)
        actor_tell(&workload->readers[i].actor);
}
