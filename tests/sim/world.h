/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the simulator share. An event is embedded in what it happens to; the world runs it at its time,
 * events of one time in the order in which they were set. Each kind of draw has its own stream of random numbers, so
 * that a change in one does not reshuffle the others. */
#pragma once
#include <assert.h>
#include <string.h>
#include <utlist.h>

#include "base/container.h"
#include "base/heap.h"
#include "base/memory.h"
#include "base/prng.h"
#include "io/job_queue.h"
#include "io/pass.h"
#include "sim/sim.h"

struct inode;
struct name_change;
struct socket;
struct file;
struct links;

/* What the world keeps of a process, its sockets and files and what is on its way, is not memory of that process. */
extern int running_process;
static inline void *world_take(size_t size)
{
    int process = running_process;
    running_process = 0;
    void *memory = memory_take(size);
    running_process = process;
    return memory;
}
static inline void *world_take_raw(size_t size)
{
    int process = running_process;
    running_process = 0;
    void *memory = memory_take_raw(size);
    running_process = process;
    return memory;
}
static inline void *world_resize(void *memory, size_t size)
{
    return memory == NULL ? world_take_raw(size) : memory_resize(memory, size);
}
static inline char *world_copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(world_take_raw(size), text, size);
}
#define memory_take world_take
#define memory_take_raw world_take_raw
#define memory_resize world_resize
#define memory_copy_text world_copy_text

enum event_kind { EVENT_TURN = 1, EVENT_STEP, EVENT_ARRIVAL, EVENT_CONNECT, EVENT_RESET, EVENT_DISK, EVENT_HEARD, EVENT_TROUBLE };

struct event {
    struct heap_entry entry; /* key: virtual microseconds */
    enum event_kind kind;
    void (*run)(struct event *event);
};

struct sim {
    struct heap events;
    int64_t now_us;
    int64_t held_us; /* how long the running event's calls of the disk hold up whoever made them */
    uint64_t trace;
    struct prng schedule, network, disk, entropy, workload, fault;
    struct sim_faults faults;
    struct machine *machines;
    struct sim_watch *watches;
    struct links *links; /* between machines, and their troubles */
};

/* Files and names as the running system sees them, and as they would be found after a power cut. */
struct disk {
    struct sim *sim;
    struct disk_faults faults;
    struct inode *root;
    struct inode *inodes;      /* all of them */
    struct name_change *names; /* not yet durable, oldest first */
    uint64_t next_number;
    uint64_t habit; /* of its power cuts: what they mostly keep */
};

/* The directory of a file that decayed once. */
struct decayed_directory {
    struct decayed_directory *next;
    char name[];
};

struct machine {
    struct machine *next;
    struct sim *sim;
    char *name;
    struct disk disk;
    struct decayed_directory *decayed_directories;
    struct io *process; /* NULL: down */
    int64_t clock_shift_ms;
    int32_t drift;           /* of a million */
    int64_t monotonic_zero;  /* of the drifting clock: when the machine was last switched on */
    int64_t paused_until_us; /* of the world's time */
    int boot_count;
    bool is_dark; /* without power: nothing that comes is answered */
};

struct worker {
    struct event event;
    struct io *io;
    struct job *job; /* NULL: idle */
    bool is_done;    /* the job's last call is still on its way back */
};

struct io {
    struct machine *machine;
    int number; /* of the process, of all there ever were */
    struct sim *sim;
    struct loop *loops;
    struct socket *sockets;
    struct file *files;
    struct worker *workers;
    int worker_count;
    struct job_queue jobs;
};

struct loop {
    struct event turn; /* set while there is something to do, or a timer */
    struct pass pass;
    struct io *io;
    struct loop *next; /* of this io */
    struct mail *first_mail, *last_mail;
    struct socket *ready; /* to be called in this pass, or in the next when added meanwhile */
    struct socket *running;
    uint64_t socket_run;
    int64_t job_count;
    int64_t held_until_us; /* by the disk */
    bool started, stopping, ended;
};

void sim_set(struct sim *sim, struct event *event, enum event_kind kind, int64_t at_us); /* moves it when set */
void sim_cancel(struct sim *sim, struct event *event);
void sim_mix(struct sim *sim, uint64_t value); /* into the trace */
int64_t draw_between(struct prng *prng, int64_t least, int64_t most);
int64_t draw_lateness(struct sim *sim, int64_t usual_us); /* 1 to usual_us, sometimes a pause */

int64_t machine_sim_us(const struct machine *machine, int64_t monotonic_us); /* when its clock will say so, or just after */

void loop_has_work(struct loop *loop); /* a pass soon, when it is started */
void sockets_run(struct loop *loop);
void sockets_drop(struct io *io, bool power_cut); /* the process is gone: peers will notice */

void disk_init(struct disk *disk, struct sim *sim);
void disk_deinit(struct disk *disk);
void disk_crash(struct disk *disk);
void decayed_directories_forget(struct machine *machine);
const char *files_first_path(const struct io *io); /* of what is open; NULL: nothing */
int sockets_count(const struct io *io);
void files_drop(struct io *io); /* closes what a dead process had open */
