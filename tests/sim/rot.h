/* SPDX-License-Identifier: Apache-2.0 */
/* Decay of a simulated node's files: flipped bits and unreadable sectors. Of a log only what is below its recovery point
 * decays: what is there the node has confirmed, and must know from a torn tail. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct machine;
struct sim;

/* A bit flips, or a sector becomes unreadable, in a file of a kind that is drawn first; false: there is none. */
bool rot_strike(struct sim *sim, struct machine *machine, bool flips);
