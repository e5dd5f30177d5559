/* SPDX-License-Identifier: Apache-2.0 */
/* The clients of a simulated run: an administrator who creates topics, producers (acks=all; the idempotent ones send a
 * batch again until they hear of it, the plain ones never do), and readers that follow the partitions of one topic.
 * Everything they learn goes into the history. */
#pragma once
#include "sim/history.h"

struct sim;
struct workload;

/* On a machine of its own, against host:port. */
struct workload *workload_create(struct sim *sim, const char *host, int port, struct history *history);
void workload_destroy(struct workload *workload);

void workload_drain(struct workload *workload);           /* finish what is under way, then read all from offset 0 */
bool workload_is_drained(const struct workload *workload);
void workload_tell(const struct workload *workload);      /* on standard error: who still waits, for a run that hangs */
