/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes to any message. The first two bytes choose the schema, the third the version, the rest
 * is the message. What decodes must print, and encode to bytes that decode and encode to
 * themselves; and what it takes is bounded by what came in. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/print.h"
#include "wire/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_GROWTH = 64, MAX_START = 1024 };

static const struct message_schema *choose(unsigned number)
{
    unsigned api_count = (unsigned)api_schema_count, record_count = (unsigned)record_schema_count;
    unsigned index = number / 2 % (api_count + record_count);
    bool second = number % 2 != 0;
    if (index < api_count)
        return second ? api_schemas[index].response : api_schemas[index].request;
    const struct record_schema *record = &record_schemas[index - api_count];
    return record->key == NULL || second ? record->value : record->key;
}

static struct bytes encode(
    const struct message_schema *schema, int16_t version, const void *message, struct arena *arena)
{
    struct message_extent extent = message_measure(schema, version, message);
    assert(extent.hole_count == 0);
    uint8_t *out = arena_take(arena, extent.wire_size);
    size_t written = message_encode(schema, version, message, out, extent.wire_size, NULL);
    assert(written == extent.wire_size);
    return (struct bytes){ out, written };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    const struct message_schema *schema = choose((unsigned)data[0] << 8 | data[1]);
    int16_t version =
        (int16_t)(schema->min_version + data[2] % (schema->max_version - schema->min_version + 1));
    struct bytes input = { data + 3, size - 3 };
    struct arena arena;
    arena_init(&arena);
    void *message = arena_take(&arena, schema->shape->size);
    void *again = arena_take(&arena, schema->shape->size);
    size_t before = arena.taken, used;
    bool ok = message_decode(schema, version, input, &arena, message, &used);
    assert(used <= input.size);
    assert(arena.taken - before <= MAX_GROWTH * input.size + MAX_START);
    if (ok) {
        free(message_print(schema, version, message));
        struct bytes first = encode(schema, version, message, &arena);
        assert(message_decode(schema, version, first, &arena, again, &used) && used == first.size);
        assert(bytes_equal(first, encode(schema, version, again, &arena)));
    }
    arena_deinit(&arena);
    return 0;
}
