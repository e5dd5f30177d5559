/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of a simulated node after every event, by name: each is looked at in the memory of
 * the node itself, as far as the event can have touched it, and some are dear and looked at now and
 * then, and at the end of each life. One that falls is told on standard error, `invariant NAME:
 * ...`, and counts as a violation of the run. What was promised in one life of the machine is
 * remembered for the next. Looking changes nothing: the run is the same without. */
#pragma once
#include <stdbool.h>

#include "base/uuid.h"

struct invariants;
struct machine;
struct node;
struct recorder;
struct sim;

/* How a life of a node ends. */
enum ending { ENDING_KILL, ENDING_POWER_CUT, ENDING_STOP };

/* Who hears where a log begins since retention has moved its start, or a crash has set it back. */
struct start_watch {
    void (*begins)(
        struct start_watch *watch, struct uuid topic_id, int32_t partition, int64_t start);
};
#define RETENTION_PROCESS "retention" /* in the history */

struct invariants *invariants_create(
    struct sim *sim, struct machine *machine, struct recorder *recorder);
void invariants_destroy(struct invariants *invariants);
void invariants_tell_starts(struct invariants *invariants, struct start_watch *watch);
int64_t invariants_retained_count(
    const struct invariants *invariants); /* so often, retention took something */

void invariants_begin(
    struct invariants *invariants, const struct node *node); /* created, not started */
/* While the node is still there: it will be killed, or has stopped. */
void invariants_end(struct invariants *invariants, enum ending ending);
/* Whether the node leads the quorum; before that it must write, and stops on a full disk. */
bool invariants_see_leader(const struct invariants *invariants);
/* While the node is down: what a partition promised from the offset on is damaged beyond what it must survive. */
void invariants_lose(
    struct invariants *invariants, struct uuid topic_id, int32_t partition, int64_t from);
void invariants_look_behind(
    struct invariants *invariants); /* it has stopped, and its memory was given back */

void invariants_list(void); /* on standard output: names, and what they say */
