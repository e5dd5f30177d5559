/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the invariants, shared by the files that look: invariants.c (when, and at what),
 * invariants_partition.c (one partition and what it promised). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "replica/partition.h"
#include "sim/invariants.h"
#include "sim/sim.h"

#define INVARIANTS(INVARIANT)                                                                      \
    INVARIANT(positions_are_ordered,                                                               \
        "log start <= durable end <= log end, recovery point <= durable end, and log start <= "    \
        "last stable offset <= high watermark <= log end")                                         \
    INVARIANT(high_watermark_is_durable,                                                           \
        "but for a page-cache topic, what is below the high watermark survives a power cut")       \
    INVARIANT(high_watermark_follows,                                                              \
        "after an event the high watermark is as far as what is durable (page-cache: written)")    \
    INVARIANT(high_watermark_never_falls,                                                          \
        "in one life never; in the next it is not below what was promised to survive")             \
    INVARIANT(log_start_never_falls, "records that are gone do not come back, also after a crash") \
    INVARIANT(epochs_never_fall,                                                                   \
        "leader epoch and partition epoch of a partition never fall, also after a crash")          \
    INVARIANT(recovery_keeps_what_was_promised,                                                    \
        "a log ends where it did after a stop or kill, and after a power cut not below "           \
        "what was durable or below a durable high watermark")                                      \
    INVARIANT(nobody_waits_for_what_is_there,                                                      \
        "an append whose acks are met was answered in the same pass")                              \
    INVARIANT(nothing_stays_staged, "what is staged in a pass is written or taken back in it")     \
    INVARIANT(nothing_stays_open,                                                                  \
        "after a clean stop the process has no file, no connection and no loop left")

#define INVARIANT_NUMBER(name, sentence) INVARIANT_##name,
enum invariant { INVARIANTS(INVARIANT_NUMBER) INVARIANT_COUNT };
#undef INVARIANT_NUMBER

struct loop;

/* What is remembered of a partition, over all lives. */
struct past {
    struct partition_key key;
    UT_hash_handle hh;
    int life; /* in which it was last seen */
    int64_t end, durable_end, high_watermark, log_start;
    int64_t promised;       /* below this everything survives a power cut */
    int64_t page_cache_end; /* below this the topic had ack.durability=page-cache */
    int32_t leader_epoch;
};

struct invariants {
    struct sim_watch watch; /* first */
    struct sim *sim;
    struct machine *machine;
    struct recorder *recorder;
    const struct node *node; /* NULL: down */
    int life;                /* 1: the first */
    enum ending ending;      /* of the life before */
    struct past *pasts;      /* map by key */
};

void invariant_fell(struct invariants *invariants, enum invariant invariant, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/* invariants_partition.c */
void look_at_partition(struct invariants *invariants, const struct partition *partition);
void pasts_deinit(struct invariants *invariants);
