/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/record.h"

#include "base/arena.h"
#include "wire/decode.h"
#include "wire/encode.h"

enum { PREFIX = 2 }; /* an int16 before the fields: type or version */

static struct bytes encode(struct arena *arena, int16_t prefix, const struct message_schema *schema,
    int16_t version, const void *message)
{
    uint8_t head[PREFIX];
    store_i16(head, prefix);
    return message_in_arena(arena, (struct bytes){ head, PREFIX }, schema, version, message);
}

struct rsm_record coordinator_record_encode(struct arena *arena, const struct record_schema *schema,
    const void *key, int16_t version, const void *value)
{
    struct rsm_record record = { .key = encode(arena, schema->type, schema->key, 0, key) };
    if (value != NULL)
        record.value = encode(arena, version, schema->value, version, value);
    return record;
}

/* NULL: damaged. */
static void *decode(struct arena *arena, const struct message_schema *schema, int16_t version,
    struct bytes prefixed)
{
    struct bytes fields = { prefixed.data + PREFIX, prefixed.size - PREFIX };
    void *message = arena_take(arena, schema->shape->size);
    size_t used;
    bool is_good = message_decode(schema, version, fields, arena, message, &used);
    return is_good && used == fields.size ? message : NULL;
}

enum coordinator_record_kind coordinator_record_parse(
    struct rsm_record record, struct arena *arena, struct coordinator_record *out_record)
{
    *out_record = (struct coordinator_record){ .bytes = record };
    if (record.key.size < PREFIX || (record.value.data != NULL && record.value.size < PREFIX))
        return COORDINATOR_RECORD_DAMAGED;
    const struct record_schema *schema = coordinator_schema(load_i16(record.key.data));
    if (schema == NULL)
        return COORDINATOR_RECORD_UNKNOWN;
    out_record->schema = schema;
    out_record->key = decode(arena, schema->key, 0, record.key);
    if (out_record->key == NULL)
        return COORDINATOR_RECORD_DAMAGED;
    if (record.value.data == NULL)
        return COORDINATOR_RECORD_GOOD;
    out_record->version = load_i16(record.value.data);
    if (!schema_has_version(schema->value, out_record->version))
        return COORDINATOR_RECORD_UNKNOWN;
    out_record->value = decode(arena, schema->value, out_record->version, record.value);
    return out_record->value == NULL ? COORDINATOR_RECORD_DAMAGED : COORDINATOR_RECORD_GOOD;
}
