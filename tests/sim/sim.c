/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim.h"

#include <string.h>

#include "io/io.h"
#include "sim/link.h"
#include "sim/world.h"

/* A node that is killed gives no memory back: leaks are no fault of a simulated run, everything else that the address
 * sanitizer finds is. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

int running_process;
static int process_count;

int sim_running_process(void) { return running_process; }
void machine_enter(const struct machine *machine) { running_process = machine_process(machine); }
void machine_leave(void) { running_process = 0; }
int machine_process(const struct machine *machine) { return machine->process == NULL ? 0 : machine->process->number; }

struct sim *sim_create(uint64_t seed)
{
    struct sim *sim = memory_take(sizeof(*sim));
    struct prng root;
    prng_init(&root, seed);
    prng_init(&sim->schedule, prng_next(&root));
    prng_init(&sim->network, prng_next(&root));
    prng_init(&sim->disk, prng_next(&root));
    prng_init(&sim->entropy, prng_next(&root));
    prng_init(&sim->workload, prng_next(&root));
    prng_init(&sim->fault, prng_next(&root));
    sim->links = links_create(sim, prng_next(&root));
    heap_init(&sim->events);
    sim->now_us = 1000000;
    sim->trace = 0x9e3779b97f4a7c15u ^ seed;
    sim->faults = (struct sim_faults){ .short_socket_write = 20000, .pause = 2000 };
    return sim;
}

void sim_destroy(struct sim *sim)
{
    struct machine *machine, *next;
    sim_calm_network(sim);
    LL_FOREACH(sim->machines, machine) {
        machine_kill(machine);
        machine->is_dark = false; /* so that nothing waits for its power */
    }
    while (heap_first(&sim->events) != NULL) /* what is on its way to nobody frees itself */
        sim_step(sim);
    LL_FOREACH_SAFE(sim->machines, machine, next) {
        disk_deinit(&machine->disk);
        decayed_directories_forget(machine);
        memory_give(machine->name);
        memory_give(machine);
    }
    links_destroy(sim->links);
    heap_deinit(&sim->events);
    memory_give(sim);
}

struct sim_faults *sim_faults(struct sim *sim) { return &sim->faults; }
int64_t sim_now_us(const struct sim *sim) { return sim->now_us; }
uint64_t sim_trace(const struct sim *sim) { return sim->trace; }
uint64_t sim_draw(struct sim *sim, uint64_t bound) { return prng_below(&sim->workload, bound); }
uint64_t sim_draw_fault(struct sim *sim, uint64_t bound) { return prng_below(&sim->fault, bound); }

void sim_mix(struct sim *sim, uint64_t value)
{
    uint64_t mixed = (sim->trace ^ value) * 0xff51afd7ed558ccdu;
    mixed ^= mixed >> 33;
    sim->trace = mixed * 0xc4ceb9fe1a85ec53u + value;
}

void sim_set(struct sim *sim, struct event *event, enum event_kind kind, int64_t at_us)
{
    assert(event->run != NULL);
    heap_remove(&sim->events, &event->entry);
    event->kind = kind;
    heap_insert(&sim->events, &event->entry, at_us > sim->now_us ? at_us : sim->now_us);
}

void sim_cancel(struct sim *sim, struct event *event)
{
    heap_remove(&sim->events, &event->entry);
}

void sim_watch(struct sim *sim, struct sim_watch *watch)
{
    LL_APPEND(sim->watches, watch);
}

bool sim_step(struct sim *sim)
{
    struct heap_entry *first = heap_first(&sim->events);
    if (first == NULL)
        return false;
    heap_remove(&sim->events, first);
    struct event *event = container_of(first, struct event, entry);
    assert(first->key >= sim->now_us);
    sim->now_us = first->key;
    sim->held_us = 0;
    sim_mix(sim, (uint64_t)sim->now_us << 4 | event->kind);
    const struct loop *turned = event->kind == EVENT_TURN ? container_of(event, struct loop, turn) : NULL;
    const struct io *io = turned != NULL                ? turned->io
                          : event->kind == EVENT_STEP ? container_of(event, struct worker, event)->io
                                                      : NULL;
    running_process = io == NULL ? 0 : io->number;
    event->run(event);
    running_process = 0;
    for (struct sim_watch *watch = sim->watches; watch != NULL; watch = watch->next)
        watch->looked(watch, turned);
    return true;
}

bool sim_run(struct sim *sim, int64_t limit_us, bool (*is_done)(void *context), void *context)
{
    int64_t end_us = sim->now_us + limit_us;
    while (!is_done(context)) {
        const struct heap_entry *first = heap_first(&sim->events);
        if (first == NULL || first->key > end_us) {
            sim->now_us = end_us;
            return false;
        }
        sim_step(sim);
    }
    return true;
}

int64_t draw_between(struct prng *prng, int64_t least, int64_t most)
{
    return least + (int64_t)prng_below(prng, (uint64_t)(most - least + 1));
}

int64_t draw_lateness(struct sim *sim, int64_t usual_us)
{
    bool pauses = prng_chance(&sim->schedule, sim->faults.pause);
    return draw_between(&sim->schedule, 1, pauses ? 20000 : usual_us);
}

struct machine *machine_create(struct sim *sim, const char *name)
{
    struct machine *machine = memory_take(sizeof(*machine));
    machine->sim = sim;
    machine->name = memory_copy_text(name);
    disk_init(&machine->disk, sim);
    LL_APPEND(sim->machines, machine);
    return machine;
}

bool machine_is_running(const struct machine *machine) { return machine->process != NULL; }

struct machine_holdings machine_holdings(const struct machine *machine)
{
    struct machine_holdings holdings = { 0 };
    if (machine->process == NULL)
        return holdings;
    struct loop *loop;
    holdings.file = files_first_path(machine->process);
    holdings.sockets = sockets_count(machine->process);
    LL_FOREACH (machine->process->loops, loop)
        holdings.loops++;
    return holdings;
}

struct disk_faults *machine_disk_faults(struct machine *machine) { return &machine->disk.faults; }
void machine_shift_clock(struct machine *machine, int64_t wall_ms) { machine->clock_shift_ms += wall_ms; }

void machine_set_drift(struct machine *machine, int32_t of_million)
{
    assert(machine->process == NULL);
    machine->drift = of_million;
}

void machine_pause(struct machine *machine, int64_t for_us) { machine->paused_until_us = machine->sim->now_us + for_us; }

/* What a clock says that was set to 0 when the world began, and drifts. */
static int64_t drifting_us(const struct machine *machine, int64_t sim_us)
{
    return sim_us + sim_us * machine->drift / 1000000;
}

static int64_t monotonic_us(const struct machine *machine, int64_t sim_us)
{
    return drifting_us(machine, sim_us) - machine->monotonic_zero;
}

int64_t machine_sim_us(const struct machine *machine, int64_t us)
{
    int64_t drifting = us + machine->monotonic_zero, rate = 1000000 + machine->drift;
    int64_t sim_us = drifting / rate * 1000000 + drifting % rate * 1000000 / rate;
    while (monotonic_us(machine, sim_us) < us)
        sim_us++;
    return sim_us;
}

void machine_kill(struct machine *machine)
{
    if (machine->process != NULL)
        io_destroy(machine->process);
}

void machine_cut_power(struct machine *machine)
{
    if (machine->process != NULL)
        sockets_drop(machine->process, true);
    machine_kill(machine);
    machine->is_dark = true;
    disk_crash(&machine->disk);
    machine->monotonic_zero = drifting_us(machine, machine->sim->now_us) - 1000000;
}

static void step_worker(struct event *event);

struct io *machine_boot(struct machine *machine, int worker_count)
{
    assert(machine->process == NULL && worker_count > 0);
    struct io *io = memory_take(sizeof(*io));
    *io = (struct io){ .machine = machine, .sim = machine->sim, .worker_count = worker_count };
    io->workers = memory_take(sizeof(*io->workers) * (size_t)worker_count);
    for (int i = 0; i < worker_count; i++)
        io->workers[i] = (struct worker){ .event.run = step_worker, .io = io };
    io->number = ++process_count;
    machine->process = io;
    machine->paused_until_us = 0;
    machine->disk.faults.is_dead = false;
    machine->disk.faults.changes_left = 0;
    machine->boot_count++;
    machine->is_dark = false;
    return io;
}

/* The end of a process, orderly or not: nothing that belongs to it may run or be seen again. */
void io_destroy(struct io *io)
{
    if (io == NULL)
        return;
    assert(io->machine->process == io);
    io->machine->process = NULL;
    sockets_drop(io, false);
    files_drop(io);
    for (struct loop *loop = io->loops; loop != NULL; loop = loop->next) {
        sim_cancel(io->sim, &loop->turn);
        pass_deinit(&loop->pass);
    }
    for (int i = 0; i < io->worker_count; i++)
        sim_cancel(io->sim, &io->workers[i].event);
    struct loop *loop, *next;
    LL_FOREACH_SAFE(io->loops, loop, next)
        memory_give(loop);
    memory_give(io->workers);
    memory_give(io);
}

static void finish_job(struct mail *mail)
{
    struct job *job = container_of(mail, struct job, mail);
    job->owner->job_count--;
    job->done(job);
}

static void set_worker(struct worker *worker, int64_t held_us, int64_t usual_us)
{
    struct sim *sim = worker->io->sim;
    sim_set(sim, &worker->event, EVENT_STEP, sim->now_us + held_us + draw_lateness(sim, usual_us));
}

static void start_worker(struct io *io, struct worker *worker)
{
    if (worker->job != NULL || (worker->job = job_queue_take(&io->jobs)) == NULL)
        return;
    worker->is_done = false;
    set_worker(worker, 0, 300);
}

/* Each step is an event of its own, so that a crash can fall between any two; the last one, when the disk held it up, is not
 * told before its time. */
static void step_worker(struct event *event)
{
    struct worker *worker = container_of(event, struct worker, event);
    struct io *io = worker->io;
    struct job *job = worker->job;
    if (io->sim->now_us < io->machine->paused_until_us) {
        set_worker(worker, io->machine->paused_until_us - io->sim->now_us, 300);
        return;
    }
    bool again = !worker->is_done && job->step(job) == JOB_AGAIN;
    worker->is_done = !again;
    if (again) { /* it goes behind those that wait */
        job_queue_put(&io->jobs, job);
        worker->job = job_queue_take(&io->jobs);
    }
    if (again || io->sim->held_us > 0) {
        set_worker(worker, io->sim->held_us, 500);
        return;
    }
    worker->job = NULL;
    job->mail.deliver = finish_job;
    mail_send(NULL, job->owner, &job->mail);
    start_worker(io, worker);
}

void worker_submit(struct io *io, struct loop *owner, struct job *job)
{
    assert(job->step != NULL && job->done != NULL && owner->io == io);
    job->owner = owner;
    owner->job_count++;
    job_queue_put(&io->jobs, job);
    for (int i = 0; i < io->worker_count; i++)
        start_worker(io, &io->workers[i]);
}

void io_random(struct io *io, void *data, size_t size) { prng_fill(&io->sim->entropy, data, size); }
int64_t io_monotonic_us(struct io *io) { return monotonic_us(io->machine, io->sim->now_us); }

int64_t io_wall_ms(struct io *io)
{
    return 1760000000000 + drifting_us(io->machine, io->sim->now_us) / 1000 + io->machine->clock_shift_ms;
}

int64_t io_memory_size(struct io *io)
{
    (void)io;
    return INT64_C(4) << 30;
}

int io_cpu_count(struct io *io)
{
    (void)io;
    return 4;
}

int io_process_id(struct io *io) { return 100 + io->machine->boot_count; }
