/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that the input decides, field by field as the tables have them: so a mutation of the input is another message, not
 * another malformed one. */
#pragma once
#include "base/arena.h"
#include "fuzz/input.h"
#include "wire/schema.h"

/* Texts and bytes that mean something to whoever gets the message; NULL, 0: none. */
struct draw_words {
    const char *const *texts;
    int text_count;
    struct bytes (*records)(struct input *input, struct arena *arena); /* NULL: any bytes */
    struct uuid (*uuid)(struct input *input);                          /* NULL: any */
};

/* Any of all requests, answers, record keys and values. */
const struct message_schema *schema_draw(struct input *input);

/* In the arena; never null where null is not allowed. With words, fields that the version lacks keep their defaults; without,
 * they are drawn too, and must make no difference. */
void *message_draw(const struct message_schema *schema, int16_t version, struct input *input, const struct draw_words *words,
    struct arena *arena);

struct bytes message_bytes(const struct message_schema *schema, int16_t version, const void *message, struct arena *arena);
