/* SPDX-License-Identifier: Apache-2.0 */
/* Hash maps: uthash with memory of ours and a hash that a peer cannot predict (SipHash-1-3 with a key that the
 * program draws once at start). Include this instead of <uthash.h>. Iteration is in order of insertion, whatever
 * the key, so a simulated run stays the same. A map grows by linear hashing, one bucket an insertion, where uthash
 * would move all that it holds in one of them: 10^6 entries are 25 ms of a loop's pass. */
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

/* Buckets below the last power of two are found with as many bits of the hash as that has, and those that were split
 * since with one more. */
static inline unsigned map_bucket(unsigned hash, unsigned bucket_count)
{
    unsigned mask = ~0u >> __builtin_clz(bucket_count - 1);
    unsigned bucket = hash & mask;
    return bucket < bucket_count ? bucket : hash & (mask >> 1);
}
void map_split_bucket(struct UT_hash_table *table); /* the next one in turn */

#undef HASH_INITIAL_NUM_BUCKETS
#define HASH_INITIAL_NUM_BUCKETS 4U
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U
#undef HASH_BKT_CAPACITY_THRESH /* in a bucket: the next one is split */
#define HASH_BKT_CAPACITY_THRESH 5U
#undef HASH_TO_BKT
#define HASH_TO_BKT(hash, bucket_count, bucket) ((bucket) = map_bucket((hash), (bucket_count)))
#undef HASH_EXPAND_BUCKETS
#define HASH_EXPAND_BUCKETS(handle, table, failed) map_split_bucket(table)
