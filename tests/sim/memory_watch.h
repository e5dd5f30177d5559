/* SPDX-License-Identifier: Apache-2.0 */
/* Counts the blocks that each simulated process has taken and not given back. The program that
 * wants it is linked with --wrap for the functions of base/memory.h. */
#pragma once
#include <stdint.h>

struct machine;

/* Blocks of the process that runs on the machine, and their bytes. */
int64_t memory_of_process(const struct machine *machine, int64_t *out_bytes);
