/* SPDX-License-Identifier: Apache-2.0 */
/* Producer ids, for all simulated clients that are idempotent: nobody may get one that another has. And their
 * sequences, reckoned here without the product's help: after INT32_MAX comes 0. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct actor;

void producer_id_ask(struct actor *actor); /* its hear() is set before; the answer is an init_producer_id_response */
void producer_id_note(struct actor *actor, const char *owner, int64_t producer_id); /* in the history, an owner for each id */

/* Where a new id begins, in all partitions: they do not know it, so they take any. Near the end of the sequences, or 0. */
int32_t producer_id_draw_sequence(struct actor *actor);
int32_t sequence_behind(int32_t sequence, int32_t count);
bool sequence_is_before(int32_t sequence, int32_t other); /* by less than half of all */
