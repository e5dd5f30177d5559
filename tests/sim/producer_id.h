/* SPDX-License-Identifier: Apache-2.0 */
/* Producer ids, for all simulated clients that are idempotent: nobody may get one that another has. */
#pragma once
#include <stdint.h>

struct actor;

void producer_id_ask(struct actor *actor); /* its hear() is set before; the answer is an init_producer_id_response */
void producer_id_note(struct actor *actor, const char *owner, int64_t producer_id); /* in the history, an owner for each id */
