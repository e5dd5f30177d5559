/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, for main only: one per loop. The simulator has none; it turns the loops itself. */
#pragma once
#include "io/loop.h"

struct thread;

/* Runs the loop's passes until loop_stop(). In name at most 15 bytes. 0 or -errno. */
int thread_start(struct io *io, const char *name, struct loop *loop, struct thread **out_thread);
void thread_join(struct thread *thread); /* waits and frees */
