/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is owned by exactly one parent. The machine running out is not an error anyone can answer,
 * so these never return NULL: they end the process with a report. Whatever a peer can size must pass
 * budget_reserve() before it comes here. */
#pragma once
#include <stddef.h>
#include <stdint.h>

void *memory_take(size_t size);                    /* zeroed; size 0 gives a valid pointer */
void *memory_take_raw(size_t size);                /* not zeroed */
void *memory_resize(void *memory, size_t size);    /* memory may be NULL; new bytes are not zeroed */
char *memory_copy_text(const char *text);          /* NUL-terminated copy, owned by the caller */
void memory_give(void *memory);                    /* NULL does nothing */

/* What the calling thread takes from now on is added to *total, and what it gives is subtracted, as the allocator rounds
 * it; NULL: nowhere. The result is the one before. So who owns a state that many hands change knows its size. Arenas are
 * left out: they belong to requests. */
int64_t *memory_count_in(int64_t *total);
