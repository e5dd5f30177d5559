/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <assert.h>
#include <string.h>

/* Written once before any thread starts; read by all. */
static uint64_t map_key[2] = { 0x736f6d6570736575u, 0x646f72616e646f6du };

void map_set_key(uint64_t first, uint64_t second)
{
    map_key[0] = first;
    map_key[1] = second;
}

static uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

/* Inline, so that the four words stay in registers. */
static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

static inline __attribute__((always_inline)) void take_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

unsigned map_hash(const void *key, size_t size)
{
    uint64_t v[4] = { map_key[0] ^ 0x736f6d6570736575u, map_key[1] ^ 0x646f72616e646f6du,
        map_key[0] ^ 0x6c7967656e657261u, map_key[1] ^ 0x7465646279746573u };
    const uint8_t *at = key;
    uint64_t word, rest = 0;
    size_t left = size;
    for (; left >= sizeof(word); left -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        take_word(v, word);
    }
    if (left > 0 && size >= sizeof(rest)) { /* the end of its last eight bytes */
        memcpy(&rest, at + left - sizeof(rest), sizeof(rest));
        rest >>= 8 * (sizeof(rest) - left);
    } else {
        memcpy(&rest, at, left);
    }
    take_word(v, rest | (uint64_t)size << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    uint64_t hash = v[0] ^ v[1] ^ v[2] ^ v[3];
    return (unsigned)(hash ^ hash >> 32);
}

static void put(UT_hash_bucket *bucket, UT_hash_handle *entry)
{
    entry->hh_prev = NULL;
    entry->hh_next = bucket->hh_head;
    if (bucket->hh_head != NULL)
        bucket->hh_head->hh_prev = entry;
    bucket->hh_head = entry;
    bucket->count++;
}

/* The array doubles when it is full; that copies 16 bytes for each of its buckets and touches no entry. */
static void add_bucket(UT_hash_table *table)
{
    unsigned count = table->num_buckets;
    if ((count & (count - 1)) == 0)
        table->buckets = memory_resize(table->buckets, 2 * (size_t)count * sizeof(*table->buckets));
    table->buckets[count] = (UT_hash_bucket){ 0 };
    table->num_buckets++;
}

void map_split_bucket(UT_hash_table *table)
{
    unsigned power = 0x80000000u >> __builtin_clz(table->num_buckets);
    unsigned from = table->num_buckets - power, to = table->num_buckets;
    assert(table->num_buckets < 0x80000000u);
    add_bucket(table);
    UT_hash_handle *entry = table->buckets[from].hh_head, *next;
    table->buckets[from] = (UT_hash_bucket){ 0 };
    for (; entry != NULL; entry = next) {
        unsigned bucket = map_bucket(entry->hashv, table->num_buckets);
        next = entry->hh_next;
        assert(bucket == from || bucket == to);
        put(&table->buckets[bucket], entry);
    }
}
