/* SPDX-License-Identifier: Apache-2.0 */
/* The newest offset of each key, in memory of a fixed size. Keys themselves are not kept but a
 * digest of 128 bits: SipHash-2-4 under a secret that is drawn for each map and never leaves it.
 * Two keys with one digest would cost a record, so nobody may be able to make them: without the
 * secret that needs about 2^64 tries against this very map, where an unkeyed MD5, as in Kafka, has
 * collisions ready for use; and it takes 20 ns where a digest by OpenSSL takes 300. Comparing the
 * keys instead would need them in memory or read again. An entry is 24 bytes, as in Kafka, so the
 * same memory holds the same number of keys. Never deletes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct clean_map;

/* Holds at most keys_most keys, and as many as fit into `bytes` when load_factor of its slots are
 * taken, but at least one. A load_factor below 0.01, or that is no number, counts as 0.01. */
struct clean_map *clean_map_create(
    int64_t bytes, double load_factor, int64_t keys_most, const uint64_t secret[2]);
void clean_map_destroy(struct clean_map *map); /* NULL does nothing */

/* What stands for a key. Its slot is fetched into the cache meanwhile, so ask for some of them
 * before the first is put or found: with many keys a miss costs more than all else. */
struct clean_key {
    uint64_t low, high;
};
struct clean_key clean_map_key(const struct clean_map *map, struct bytes key);

/* False when the key is new and the map full: nothing was changed. Offsets only grow. */
bool clean_map_put(struct clean_map *map, struct clean_key key, int64_t offset);
int64_t clean_map_find(const struct clean_map *map, struct clean_key key); /* -1: not there */
int64_t clean_map_count(const struct clean_map *map);
