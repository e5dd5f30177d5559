/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated world: the second implementation of io/. One thread, virtual time, one heap of events, everything
 * drawn from one seed, so a run repeats itself exactly; the trace hash proves it. A machine has a name on the network
 * and a disk, and runs at most one process (a struct io) at a time. A killed process never runs again, and its memory
 * is left behind: only the world's own objects are freed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct io;
struct loop;
struct machine;
struct sim;

/* Chances are of a million; 0 switches a fault off. Change them at any time. */
struct sim_faults {
    uint32_t connection_reset;   /* for each write to a socket */
    uint32_t short_socket_write; /* the same */
    uint32_t pause;              /* a loop or worker is late by up to 20 ms, for each turn or step */
};

/* What is asked of a disk, by what may fail alone. */
enum disk_call { DISK_READ, DISK_WRITE, DISK_SYNC, DISK_OPEN, DISK_NAME /* make, rename, remove */, DISK_SYNC_NAMES, DISK_CALL_COUNT };

/* The same of one machine's disk, for each call. */
struct disk_faults {
    uint32_t fails[DISK_CALL_COUNT]; /* -EIO; what was to be synced never will be */
    int fails_with;                  /* another status: something passing, as -EMFILE; 0: -EIO */
    const char *fails_below;         /* only paths that begin so; NULL: all */
    uint32_t short_write;            /* a pwritev takes a part only */
    uint32_t cold_read;              /* file_is_cached() says no */
    uint32_t slow;                   /* the caller is held up for 1 to slow_us more */
    int64_t slow_us;
    int64_t sync_us;             /* a sync takes 1 to so much longer; 0: no longer than else */
    bool is_full;                /* -ENOSPC for what makes a name, or lets a file grow when there is no room left */
    int64_t room_left;           /* bytes by which files can still grow then: a write that does not fit is cut short first */
    int64_t changes_left;        /* with this change the disk dies: it and every later call are -EIO and do nothing; 0: never */
    int64_t names_left;          /* the same, counted is only what makes, renames or removes a name */
    bool is_dead;                /* it did; the next boot finds it well */
    const char *sync_lies_below; /* files whose path begins so: a sync says ok and does nothing; NULL: none */
    int64_t failures;            /* calls that failed for fails[] or for bad sectors: counted here */
};

/* Who looks at the world after each event; it must not change it. turned: the loop whose turn the event was, to compare only; NULL:
 * it was no turn. */
struct sim_watch {
    struct sim_watch *next;
    void (*looked)(struct sim_watch *watch, const struct loop *turned);
};

struct sim *sim_create(uint64_t seed);
void sim_destroy(struct sim *sim);
struct sim_faults *sim_faults(struct sim *sim);
int64_t sim_now_us(const struct sim *sim);
uint64_t sim_trace(const struct sim *sim);             /* hash of every event and every write so far */
uint64_t sim_draw(struct sim *sim, uint64_t bound);    /* for the workload: a stream of its own, below bound */
void sim_watch(struct sim *sim, struct sim_watch *watch); /* as long as the world lives */
uint64_t sim_draw_fault(struct sim *sim, uint64_t bound); /* the same for what goes wrong */
bool sim_step(struct sim *sim);                        /* one event; false: nothing will ever happen again */

/* Steps until is_done() says so; false: it did not within limit_us of virtual time, which has then passed. */
bool sim_run(struct sim *sim, int64_t limit_us, bool (*is_done)(void *context), void *context);

/* From here on links between machines are cut, one way or both, stall, and come back. */
void sim_disturb_network(struct sim *sim);
void sim_calm_network(struct sim *sim); /* no new trouble; what there is ends within half a minute */
int64_t sim_network_calm_from_us(const struct sim *sim); /* when that has ended, after sim_calm_network() */
int64_t sim_network_troubles(const struct sim *sim);

struct machine *machine_create(struct sim *sim, const char *name); /* the world's; name is its host name */
struct io *machine_boot(struct machine *machine, int worker_count); /* a new process; none is running */
void machine_kill(struct machine *machine);      /* kill -9: what it wrote stays, its connections end */
void machine_cut_power(struct machine *machine); /* and unsynced writes and names are kept, lost or torn */
/* Calls into a process from outside of its own events stand between these two; memory that is taken meanwhile is its own. */
void machine_enter(const struct machine *machine);
void machine_leave(void);
int machine_process(const struct machine *machine); /* a number for each boot of any machine */
int sim_running_process(void);                      /* 0: none */
bool machine_is_running(const struct machine *machine);
/* What its process still has open: the path of a file, NULL: none; and how many sockets and loops. */
struct machine_holdings {
    const char *file;
    int sockets, loops;
};
struct machine_holdings machine_holdings(const struct machine *machine);


/* ---- Disks. Files are taken here as a power cut that keeps nothing would leave them. ---- */
struct disk_faults *machine_disk_faults(struct machine *machine);
void machine_visit_files(struct machine *machine, void (*visit)(void *context, const char *path, int64_t size), void *context);
int64_t machine_read_file(struct machine *machine, const char *path, void *data, size_t size, int64_t position); /* its bytes */
/* Bits of one byte flip, or (flipped 0) a range cannot be read any more, until it is written again or restored. */
void machine_decay(struct machine *machine, const char *path, int64_t position, size_t size, uint8_t flipped);
/* Whether a file of the log ever did, also while it was moved or deleted: the node may remember what it said then. NULL: of any. */
bool machine_has_decayed(const struct machine *machine, const char *log);
void machine_flip(struct machine *machine, const char *path, int64_t position, uint8_t bits); /* for good: nobody has a copy */
int machine_restore(struct machine *machine); /* as from a copy: what decayed is as it was; returns in how many places */

/* ---- Time. ---- */
void machine_shift_clock(struct machine *machine, int64_t wall_ms); /* moves its wall clock */
void machine_set_drift(struct machine *machine, int32_t of_million); /* its clocks are so much faster than the world's; before it boots */
void machine_pause(struct machine *machine, int64_t for_us); /* SIGSTOP: nothing of its process runs; its kernel goes on */

/* From here on the loop's passes are events; before, nothing runs it. What a thread is in the real world. */
void sim_start_loop(struct loop *loop);
bool sim_loop_has_ended(const struct loop *loop); /* it stopped, and all it was asked for has run */
