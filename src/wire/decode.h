/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to messages, for every schema. Never reads beyond the input, and takes from the arena at
 * most a small multiple of the bytes that are there, whatever the counts in them claim: what a
 * claimed count could fill is checked against the bytes that remain before anything is taken.
 * Refused are arrays over a million entries, arrays that together hold more than two million that
 * are no plain numbers, tag sections of more than ten thousand, and more than the arena may take,
 * where every entry of an array counts besides for what a handler will make of it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct arena;
struct message_schema;

enum {
    MESSAGE_MAX_ARRAY = 1000000,
    MESSAGE_MAX_ELEMENTS = 2000000,
    MESSAGE_MAX_TAGS = 10000,
    MESSAGE_ENTRY_COST = 64
};

/* False: malformed. out_message is a struct of the schema, of any content; its texts and bytes
 * point into the input. out_used (may be NULL): how much of the input the message was; more may
 * follow. The version must be one of the schema's. */
bool message_decode(const struct message_schema *schema, int16_t version, struct bytes input,
    struct arena *arena, void *out_message, size_t *out_used);
