/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that the simulator must see broken. `broken(RULE)` stands in one line at the spot that keeps a rule, and is false: in the product
 * it leaves nothing behind. Only the second compilation of the rooms, which the simulator links (tests/sim/meson.build), can break one
 * of them for a run. A rule that no seed misses when it is broken shows what the simulated clients do not ask for. */
#pragma once
#include <stdbool.h>

#include "base/str.h"

/* Name; the rule of the design that it stands for; what is left out. */
#define BROKEN_RULES(RULE)                                                                                     \
    RULE(flush, "S1", "what was written counts as durable without a sync")                                     \
    RULE(watermark_before_durable, "S1", "the high watermark follows what is written, not what is durable")    \
    RULE(directory_sync, "S3", "new names of files count as durable without a sync of their directory")        \
    RULE(duplicate_as_new, "T2", "a batch that was taken before is appended once more")                        \
    RULE(producer_snapshot, "T7", "what is known of the producers is forgotten when a log is opened")          \
    RULE(recovery_crc, "S4", "recovery takes batches whose CRC is wrong")

#ifdef STROM_BREAKABLE
struct broken_rule {
    const char *name, *id, *sentence;
};
#define BROKEN_NUMBER(name, id, sentence) BROKEN_##name,
enum { BROKEN_RULES(BROKEN_NUMBER) BROKEN_COUNT };
#undef BROKEN_NUMBER
extern const struct broken_rule broken_rules[];
extern int broken_chosen; /* BROKEN_COUNT: none */
int broken_find(struct str name); /* -1: there is no such rule */
#define broken(RULE) (broken_chosen == BROKEN_##RULE)
#else
#define broken(RULE) false
#endif
