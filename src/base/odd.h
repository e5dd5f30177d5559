/* SPDX-License-Identifier: Apache-2.0 */
/* What is legal and hardly ever happens. `odd(BRANCH)` stands where the product may go that way at any time without being wrong, and
 * is false there: it leaves nothing behind. In the second compilation of the rooms (base/broken.h) each seed draws which of them it
 * goes, and how often, and counts. */
#pragma once
#include <stdbool.h>

#define ODD_BRANCHES(BRANCH)                                                                          \
    BRANCH(small_read, "a connection reads one byte")                                                 \
    BRANCH(full_queue, "a connection with one request in work is not read on, as if it had too many") \
    BRANCH(short_gather, "an answer is sent in pieces, each by a call of its own")                    \
    BRANCH(short_group, "the batches of a pass are written one by one")                               \
    BRANCH(early_roll, "a batch begins a segment though there is room in the last")                   \
    BRANCH(early_index_entry, "a batch gets an index entry though the last one is near")              \
    BRANCH(early_checkpoint, "a checkpoint is taken as if much had been written")                     \
    BRANCH(early_trim, "a log gives back all pages that its readers are past")                        \
    BRANCH(early_rest, "logs go to rest after 20 ms")                                                 \
    BRANCH(sync_of_all, "the whole file system is synced for one file")                               \
    BRANCH(many_logs, "a checkpoint writes its files as it would for many logs")                      \
    BRANCH(small_scan, "a scan reads no more than it needs")                                          \
    BRANCH(no_hint, "a reader finds no place remembered, and looks in the index")                     \
    BRANCH(small_window, "compressed records are looked at seven bytes at a time")                    \
    BRANCH(early_snapshot, "a metadata snapshot is written though little has changed")                \
    BRANCH(what_is_ready_lingers, "a move waits though all is there, and a large group's assignment") \
    BRANCH(answer_early, "a fetch is answered though it could wait")                                  \
    BRANCH(no_copy, "few records are sent from the file, not from memory")                            \
    BRANCH(resolve_beside, "a worker matches an expression of topics, as if it took long")            \
    BRANCH(dear_publish, "the lines of the checkpoint files cost 10 ms, as those of many logs do")

#ifdef STROM_BREAKABLE
#include <stdint.h>

#define ODD_NUMBER(name, sentence) ODD_##name,
enum { ODD_BRANCHES(ODD_NUMBER) ODD_COUNT };
#undef ODD_NUMBER
struct odd_branch {
    const char *name, *sentence;
};
extern const struct odd_branch odd_branches[];
extern int64_t odd_taken[ODD_COUNT]; /* since the last odd_draw() */
void odd_draw(uint64_t seed);        /* before it, none is taken */
bool odd_take(int branch);
#define odd(BRANCH) odd_take(ODD_##BRANCH)
#else
#define odd(BRANCH) false
#endif
