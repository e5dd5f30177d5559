/* SPDX-License-Identifier: Apache-2.0 */
/* The leader epochs of a log: at which offset each began. Epochs and offsets both strictly
 * increase. It is a cache of what the batches say, kept in leader-epoch-checkpoint; whoever changes
 * it writes the file before the recovery point. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct epoch_entry {
    int32_t epoch;
    int64_t start_offset;
};
struct epochs {
    struct epoch_entry *entries; /* owned */
    int32_t count, capacity;
    bool dirty; /* differs from the file */
};

void epochs_deinit(struct epochs *epochs);
void epochs_assign(struct epochs *epochs, int32_t epoch,
    int64_t start_offset); /* does nothing for the current or an older epoch */
void epochs_truncate_from(
    struct epochs *epochs, int64_t offset); /* forgets what begins at or above offset */
void epochs_start_at(struct epochs *epochs,
    int64_t offset); /* the log now begins there: the epoch that covers it stays */
int32_t epochs_latest(const struct epochs *epochs);             /* -1 when there is none */
int32_t epochs_at(const struct epochs *epochs, int64_t offset); /* -1 when it is not known */

/* Where the largest epoch at or below `epoch` ends (OffsetForLeaderEpoch): its number and end
 * offset, log_end for the latest; (-1, -1) when it is not known. */
void epochs_end(const struct epochs *epochs, int32_t epoch, int64_t log_end, int32_t *out_epoch,
    int64_t *out_end);

bool epochs_parse(
    struct epochs *epochs, struct str text); /* false: not a checkpoint; epochs is then empty */
char *epochs_print(const struct epochs *epochs, int32_t *out_size); /* heap */
