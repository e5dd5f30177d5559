/* SPDX-License-Identifier: Apache-2.0 */
/* Every message in both directions. The input chooses a schema and a version, and then either is the message's bytes, or
 * decides its fields. What decodes must print, and encode to bytes that decode and encode to themselves; what is built must
 * come back as it was; and what decoding takes is bounded by what came in. */
#include <assert.h>
#include <stdlib.h>

#include "fuzz/draw.h"
#include "wire/decode.h"
#include "wire/print.h"

enum { MAX_GROWTH = 64, MAX_START = 1024 };

static void decode_any(const struct message_schema *schema, int16_t version, struct bytes bytes, struct arena *arena)
{
    void *message = arena_take(arena, schema->shape->size), *again = arena_take(arena, schema->shape->size);
    size_t before = arena->taken, used;
    bool ok = message_decode(schema, version, bytes, arena, message, &used);
    assert(used <= bytes.size);
    assert(arena->taken - before <= MAX_GROWTH * bytes.size + MAX_START);
    if (!ok)
        return;
    free(message_print(schema, version, message));
    struct bytes first = message_bytes(schema, version, message, arena);
    assert(message_decode(schema, version, first, arena, again, &used) && used == first.size);
    assert(bytes_equal(first, message_bytes(schema, version, again, arena)));
}

static void come_back(const struct message_schema *schema, int16_t version, struct input *input, struct arena *arena)
{
    const void *message = message_draw(schema, version, input, NULL, arena);
    void *again = arena_take(arena, schema->shape->size);
    struct bytes bytes = message_bytes(schema, version, message, arena);
    size_t used;
    assert(message_decode(schema, version, bytes, arena, again, &used) && used == bytes.size);
    assert(bytes_equal(bytes, message_bytes(schema, version, again, arena)));
    char *text = message_print(schema, version, message), *text_again = message_print(schema, version, again);
    assert(strcmp(text, text_again) == 0);
    free(text);
    free(text_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = input_of(data, size);
    struct arena arena;
    arena_init(&arena);
    const struct message_schema *schema = schema_draw(&input);
    uint8_t choice = input_byte(&input);
    int16_t version = (int16_t)(schema->min_version + choice / 2 % (schema->max_version - schema->min_version + 1));
    if (choice % 2 == 0)
        decode_any(schema, version, input_rest(&input), &arena);
    else
        come_back(schema, version, &input, &arena);
    arena_deinit(&arena);
    return 0;
}
