/* SPDX-License-Identifier: Apache-2.0 */
/* Workers run what blocks: fsync, create, rename, unlink, truncate, cold reads. A job is a struct with a step;
 * each call makes at most one file operation, bounded in bytes, and returns, so that in the simulator a crash can
 * fall between any two, and so that a job with more to do can go behind those that wait by then. What only
 * computes, and would hold its loop for long, is a job as well: flushes may wait behind it, so its time is bounded,
 * and a loop has one of a kind at a time. done() runs on the owner's loop. A job that must be ignored when its log has
 * changed meanwhile carries the log's generation and compares it in done(). */
#pragma once
#include "io/loop.h"

enum job_progress { JOB_AGAIN, JOB_DONE };

struct job {
    enum job_progress (*step)(struct job *job); /* on a worker; must not touch what the owner's loop owns */
    void (*done)(struct job *job);              /* on the owner's loop; may submit the job again or free it */
    struct loop *owner;
    struct mail mail;                           /* used by the workers */
};

/* From the owner's thread. Jobs of one io start in order of submission. The job must stay where it is until done() ran. */
void worker_submit(struct io *io, struct loop *owner, struct job *job);
