/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/clean_map.h"

#include <assert.h>

#include "base/memory.h"

struct slot {
    struct clean_key key;
    int64_t offset_above; /* offset + 1, so that zeroed memory is free slots */
};

struct clean_map {
    uint64_t secret[2];
    struct slot *slots;
    uint64_t slot_count;
    int64_t count, capacity;
};

_Static_assert(sizeof(struct slot) == 24, "as many keys as in Kafka");

struct clean_map *clean_map_create(
    int64_t bytes, double load_factor, int64_t keys_most, const uint64_t secret[2])
{
    struct clean_map *map = memory_take(sizeof(*map));
    assert(keys_most >= 0);
    double load = load_factor < 0.99 ? load_factor : 0.99; /* one slot stays free: probing ends */
    load = load_factor >= 0.01 ? load : 0.01;              /* also when it is no number */
    int64_t slot_count = bytes / (int64_t)sizeof(struct slot);
    map->capacity = (int64_t)((double)slot_count * load);
    if (map->capacity > keys_most)
        map->capacity = keys_most;
    if (map->capacity < 1)
        map->capacity = 1;
    int64_t enough = (int64_t)((double)map->capacity / load) + 2;
    map->slot_count =
        (uint64_t)(slot_count < enough && slot_count > map->capacity ? slot_count : enough);
    map->slots = memory_take(map->slot_count * sizeof(*map->slots));
    memcpy(map->secret, secret, sizeof(map->secret));
    return map;
}

void clean_map_destroy(struct clean_map *map)
{
    if (map == NULL)
        return;
    memory_give(map->slots);
    memory_give(map);
}

static inline uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline void sip_rounds(struct sip *sip, int count)
{
    for (int i = 0; i < count; i++) {
        sip->v0 += sip->v1;
        sip->v1 = rotate_left(sip->v1, 13) ^ sip->v0;
        sip->v0 = rotate_left(sip->v0, 32);
        sip->v2 += sip->v3;
        sip->v3 = rotate_left(sip->v3, 16) ^ sip->v2;
        sip->v0 += sip->v3;
        sip->v3 = rotate_left(sip->v3, 21) ^ sip->v0;
        sip->v2 += sip->v1;
        sip->v1 = rotate_left(sip->v1, 17) ^ sip->v2;
        sip->v2 = rotate_left(sip->v2, 32);
    }
}

static inline void sip_take(struct sip *sip, uint64_t word)
{
    sip->v3 ^= word;
    sip_rounds(sip, 2);
    sip->v0 ^= word;
}

/* SipHash-2-4 with 128 bits of output. Words are taken as the machine has them: digests stay here.
 */
static struct clean_key digest_of(const uint64_t secret[2], struct bytes key)
{
    struct sip sip = { secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du ^ 0xee,
        secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u };
    const uint8_t *at = key.data;
    size_t left = key.size;
    uint64_t word;
    for (; left >= 8; at += 8, left -= 8) {
        memcpy(&word, at, 8);
        sip_take(&sip, word);
    }
    word = 0;
    if (left > 0)
        memcpy(&word, at, left);
    sip_take(&sip, word | (uint64_t)key.size << 56);
    sip.v2 ^= 0xee;
    sip_rounds(&sip, 4);
    struct clean_key digest = { .low = sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3 };
    sip.v1 ^= 0xdd;
    sip_rounds(&sip, 4);
    digest.high = sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
    return digest;
}

static inline uint64_t place_of(const struct clean_map *map, struct clean_key key)
{
    return (uint64_t)(((unsigned __int128)key.high * map->slot_count) >> 64);
}

struct clean_key clean_map_key(const struct clean_map *map, struct bytes key)
{
    struct clean_key digest = digest_of(map->secret, key);
    __builtin_prefetch(&map->slots[place_of(map, digest)]);
    return digest;
}

/* The slot of the key, or the free one where it would stand. */
static struct slot *slot_of(const struct clean_map *map, struct clean_key key)
{
    uint64_t place = place_of(map, key);
    for (;;) {
        struct slot *slot = &map->slots[place];
        if (slot->offset_above == 0 || (slot->key.low == key.low && slot->key.high == key.high))
            return slot;
        place = place + 1 == map->slot_count ? 0 : place + 1;
    }
}

bool clean_map_put(struct clean_map *map, struct clean_key key, int64_t offset)
{
    struct slot *slot = slot_of(map, key);
    if (slot->offset_above == 0) {
        if (map->count == map->capacity)
            return false;
        map->count++;
        slot->key = key;
    }
    assert(offset >= slot->offset_above);
    slot->offset_above = offset + 1;
    return true;
}

int64_t clean_map_find(const struct clean_map *map, struct clean_key key)
{
    return slot_of(map, key)->offset_above - 1;
}

int64_t clean_map_count(const struct clean_map *map)
{
    return map->count;
}
