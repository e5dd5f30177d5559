/* SPDX-License-Identifier: Apache-2.0 */
/* The process around the nodes, for main only; the simulator has none of it. */
#pragma once
#include <stdint.h>

struct loop;
struct task;

/* Enqueues task on the loop each time the signal arrives, instead of its usual effect. Before any other thread
 * starts, or the signal may hit a thread that does not block it. Lasts as long as the loop. 0 or -errno. */
int io_signal_watch(struct loop *loop, int signal, struct task *task);
int64_t io_raise_file_limit(void); /* RLIMIT_NOFILE to its hard limit; the limit that holds now */
