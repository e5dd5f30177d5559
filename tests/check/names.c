/* SPDX-License-Identifier: Apache-2.0 */
#include "check/names.h"

#include <string.h>

#include "base/memory.h"

enum { FIRST_SLOTS = 1024 };

static size_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
    return (size_t)(hash ^ (hash >> 32));
}

static size_t hash_pair(int64_t first, int64_t second)
{
    uint64_t hash = (uint64_t)first * 0x9e3779b97f4a7c15u ^ (uint64_t)second;
    hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9u;
    return (size_t)(hash ^ (hash >> 32));
}

static size_t name_slot(const struct names *names, const char *text)
{
    size_t slot = hash_text(text) % names->slot_count;
    while (names->slots[slot] != 0 && strcmp(names->texts[names->slots[slot] - 1], text) != 0)
        slot = (slot + 1) % names->slot_count;
    return slot;
}

static void names_grow(struct names *names)
{
    size_t slot_count = names->slot_count == 0 ? FIRST_SLOTS : names->slot_count * 2;
    memory_give(names->slots);
    names->slot_count = slot_count;
    names->slots = memory_take(slot_count * sizeof(*names->slots));
    names->texts = memory_resize(names->texts, slot_count / 2 * sizeof(*names->texts));
    for (int32_t i = 0; i < names->count; i++)
        names->slots[name_slot(names, names->texts[i])] = i + 1;
}

int32_t names_number(struct names *names, const char *text)
{
    if ((size_t)names->count >= names->slot_count / 2)
        names_grow(names);
    size_t slot = name_slot(names, text);
    if (names->slots[slot] == 0) {
        names->texts[names->count] = memory_copy_text(text);
        names->slots[slot] = ++names->count;
    }
    return names->slots[slot] - 1;
}

void names_deinit(struct names *names)
{
    for (int32_t i = 0; i < names->count; i++)
        memory_give(names->texts[i]);
    memory_give(names->texts);
    memory_give(names->slots);
}

static size_t pair_slot(const struct pairs *pairs, int64_t first, int64_t second)
{
    size_t slot = hash_pair(first, second) & (pairs->slot_count - 1);
    while (pairs->slots[slot] != 0) {
        const struct pair *pair = &pairs->entries[pairs->slots[slot] - 1];
        if (pair->first == first && pair->second == second)
            break;
        slot = (slot + 1) & (pairs->slot_count - 1);
    }
    return slot;
}

static void pairs_grow(struct pairs *pairs)
{
    size_t slot_count = pairs->slot_count == 0 ? FIRST_SLOTS : pairs->slot_count * 2;
    memory_give(pairs->slots);
    pairs->slot_count = slot_count;
    pairs->slots = memory_take(slot_count * sizeof(*pairs->slots));
    pairs->entries = memory_resize(pairs->entries, slot_count / 2 * sizeof(*pairs->entries));
    for (int32_t i = 0; i < pairs->count; i++)
        pairs->slots[pair_slot(pairs, pairs->entries[i].first, pairs->entries[i].second)] = i + 1;
}

int32_t pairs_number(struct pairs *pairs, int64_t first, int64_t second)
{
    if ((size_t)pairs->count >= pairs->slot_count / 2)
        pairs_grow(pairs);
    size_t slot = pair_slot(pairs, first, second);
    if (pairs->slots[slot] == 0) {
        pairs->entries[pairs->count] = (struct pair){ first, second };
        pairs->slots[slot] = ++pairs->count;
    }
    return pairs->slots[slot] - 1;
}

int32_t pairs_find(const struct pairs *pairs, int64_t first, int64_t second)
{
    if (pairs->slot_count == 0)
        return NO_PAIR;
    return pairs->slots[pair_slot(pairs, first, second)] - 1;
}

void pairs_deinit(struct pairs *pairs)
{
    memory_give(pairs->entries);
    memory_give(pairs->slots);
}
