/* SPDX-License-Identifier: Apache-2.0 */
/* The target of a large consumer group, computed beside the coordinator. A heartbeat that finds its
 * group in need of one leaves it to a copy of what an assignor reads; that is taken behind the
 * decision, run anywhere, and brought back as COORDINATOR_ASSIGNED, which writes it at the group
 * epoch that it was computed for, a large one in several decisions of which the last one has the
 * epoch. One at a time is under way for a group; what came meanwhile is for the next one. It owns its memory, which is reserved from a budget, and may be brought
 * back, or destroyed, after the group or the coordinator's state is gone. */
#pragma once
#include <stdint.h>

struct assignment;
struct budget;
struct coordinator;
struct image;

/* Behind each request. NULL: none is wanted (and nothing is missing), or the budget lacks so many
 * bytes, and the group is looked at again a little later. The budget outlives it. */
struct assignment *coordinator_take_assignment(struct coordinator *coordinator,
    const struct image *image, struct budget *budget, int64_t steady_ms, int64_t *out_missing);
void assignment_destroy(struct assignment *assignment);
int64_t assignment_bytes(const struct assignment *assignment); /* that are reserved for it */

/* On any thread: it touches nothing else. Its time is bounded. */
void assignment_run(struct assignment *assignment);
