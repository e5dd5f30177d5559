/* SPDX-License-Identifier: Apache-2.0 */
/* How the files of a cleaned segment take the place of the segments that it was made of, so that a
 * crash at any step leaves either the old ones or what can be finished. Written beside, they end in
 * .cleaned; a swap renames them in four durable steps, the directory synced after each:
 *   1. X.cleaned -> X.swap         from here on the new segment counts, and the rest is only done;
 *   2. the old segments but the first, and the first one's .txnindex, -> .deleted;
 *   3. BASE.log.swap -> BASE.log   over the old one: that name is there at every moment;
 *   4. the indexes, .swap -> without.
 * While BASE.log.swap is there, no index has its last name. Kafka's own swaps are finished too. */
#pragma once
#include <stdint.h>

#include "storage/work.h"

struct io;

void swap_add_claim(struct work *work, const char *path, int64_t base_offset); /* step 1 */
/* Steps 2 to 4. bases[0] is the new segment's, too; the others are of those that go. Their producer
 * snapshots stay: the newest one may be among them. */
void swap_add_finish(
    struct work *work, const char *path, const int64_t *bases, int32_t base_count);

/* At the opening of a log, whose directory holds names that end in .cleaned or .swap: finishes the
 * swaps that count, takes the files of the others away. Again after a crash, it ends the same.
 * -EUCLEAN: a segment to be swapped in is damaged; nothing was changed for it. */
int swap_settle(struct io *io, const char *path);
