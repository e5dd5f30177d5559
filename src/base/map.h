/* SPDX-License-Identifier: Apache-2.0 */
/* Hash maps: uthash with memory of ours and a hash that a peer cannot predict (SipHash-1-3 with a key that the
 * program draws once at start). Include this instead of <uthash.h>. Iteration is in order of insertion, whatever
 * the key, so a simulated run stays the same. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

void map_set_key(uint64_t first, uint64_t second); /* by main, once, before the first map */
unsigned map_hash(const void *key, size_t size);

#define uthash_malloc(size) memory_take_raw(size)
#define uthash_free(memory, size) memory_give(memory)
#define HASH_FUNCTION(key, size, hash_value) ((hash_value) = map_hash((key), (size)))
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <uthash.h>
#pragma GCC diagnostic pop
