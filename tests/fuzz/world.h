/* SPDX-License-Identifier: Apache-2.0 */
/* A machine in the simulated world with a disk, one process and one loop at a time, for targets that read files. The same for every
 * input, and nothing of one is left for the next. */
#pragma once
#include "base/bytes.h"
#include "io/loop.h"
#include "sim/sim.h"

struct world {
    struct sim *sim;
    struct machine *machine;
    struct io *io;
    struct loop *loop;
};

void world_begin(struct world *world);
void world_end(struct world *world);
void world_start_loop(struct world *world);
void world_stop_loop(struct world *world); /* after all it was asked for; then loop_destroy() is the caller's */
void world_put(struct world *world, const char *path, struct bytes content); /* a new file, in directories that are made */
bool world_run(struct world *world, bool (*is_done)(void *context), void *context); /* false: it did not in a minute */
void world_quiet(void); /* reports go nowhere, unless FUZZ_REPORTS is set */
