/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/encode.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "wire/message.h"
#include "wire/schema.h"
#include "wire/writer.h"

enum { SMALL = 512 }; /* bytes: most messages */

struct encoder {
    struct writer writer;
    struct hole *holes;
    size_t hole_size;
    int32_t hole_count;
    int16_t version;
    bool flexible;
};

static void encode_shape(
    struct encoder *encoder, const struct message_shape *shape, const char *message);

/* length -1: null. */
static void put_length(struct encoder *encoder, int64_t length, bool flexible, bool short_form)
{
    if (flexible)
        writer_uvarint(&encoder->writer, (uint32_t)(length + 1));
    else if (short_form)
        writer_i16(&encoder->writer, (int16_t)length);
    else
        writer_i32(&encoder->writer, (int32_t)length);
}

static void encode_records(struct encoder *encoder, const struct records *records, bool nullable)
{
    int32_t size = records->size < 0 && !nullable ? 0 : records->size;
    put_length(encoder, size, encoder->flexible, false);
    if (size <= 0)
        return;
    if (records->data != NULL) {
        writer_put(&encoder->writer, records->data, (size_t)size);
        return;
    }
    if (encoder->holes != NULL)
        encoder->holes[encoder->hole_count] =
            (struct hole){ encoder->writer.size, size, records->hole };
    encoder->hole_count++;
    encoder->hole_size += (size_t)size;
}

static void encode_run(
    struct encoder *encoder, const struct field *field, bool nullable, const void *value)
{
    bool flexible = encoder->flexible && !field->never_flexible;
    const void *data;
    size_t size;
    if (field->type == FIELD_STRING) {
        const struct str *text = value;
        data = text->data;
        size = (size_t)text->size;
        assert(size <= INT16_MAX);
    } else {
        const struct bytes *bytes = value;
        data = bytes->data;
        size = bytes->size;
        assert(size < INT32_MAX);
    }
    put_length(encoder, data == NULL && nullable ? -1 : (int64_t)size, flexible,
        field->type == FIELD_STRING);
    writer_put(&encoder->writer, data, size);
}

/* Inline, as encode_field(): a message is many small fields, and two calls for each would be half
 * of the work. */
static inline __attribute__((always_inline)) void encode_value(
    struct encoder *encoder, const struct field *field, bool nullable, const void *value)
{
    struct writer *writer = &encoder->writer;
    switch (field->type) {
    case FIELD_BOOL:
        writer_u8(writer, *(const bool *)value ? 1 : 0);
        return;
    case FIELD_INT8:
        writer_u8(writer, *(const uint8_t *)value);
        return;
    case FIELD_INT16:
    case FIELD_UINT16:
        writer_i16(writer, *(const int16_t *)value);
        return;
    case FIELD_INT32:
    case FIELD_UINT32:
        writer_i32(writer, *(const int32_t *)value);
        return;
    case FIELD_INT64:
    case FIELD_FLOAT64:
        writer_i64(writer, *(const int64_t *)value);
        return;
    case FIELD_UUID:
        writer_put(writer, value, sizeof(struct uuid));
        return;
    case FIELD_STRING:
    case FIELD_BYTES:
        encode_run(encoder, field, nullable, value);
        return;
    case FIELD_RECORDS:
        encode_records(encoder, value, nullable);
        return;
    case FIELD_STRUCT:
        encode_shape(encoder, field->shape, value);
        return;
    case FIELD_RULE:
        return;
    }
    __builtin_unreachable();
}

static inline __attribute__((always_inline)) void encode_field(
    struct encoder *encoder, const struct field *field, const char *message)
{
    bool nullable = encoder->version >= field->nullable_since;
    const void *at = message + field->offset;
    if (field->array) {
        int32_t count = *(const int32_t *)(const void *)(message + field->count_offset);
        if (count < 0 && !nullable)
            count = 0;
        put_length(encoder, count, encoder->flexible, false);
        const char *array = *(const char *const *)at;
        size_t size = field_element_size(field);
        for (int32_t i = 0; i < count; i++)
            encode_value(encoder, field, false, array + (size_t)i * size);
    } else if (field->pointer) {
        const void *inner = *(const void *const *)at;
        assert(inner != NULL || nullable);
        if (nullable)
            writer_u8(&encoder->writer, inner != NULL ? 1 : field->tag < 0 ? 0xff : 0);
        if (inner != NULL)
            encode_shape(encoder, field->shape, inner);
    } else {
        encode_value(encoder, field, nullable, at);
    }
}

static void encode_tag(struct encoder *encoder, const struct field *field, const char *message)
{
    struct encoder measure = { .version = encoder->version, .flexible = true };
    encode_field(&measure, field, message);
    writer_uvarint(&encoder->writer, (uint32_t)field->tag);
    writer_uvarint(&encoder->writer, (uint32_t)(measure.writer.size + measure.hole_size));
    encode_field(encoder, field, message);
}

static bool is_tag_set(
    const struct encoder *encoder, const struct field *field, const char *message)
{
    return field_exists(field, encoder->version) && !field_is_default(field, message);
}

static void put_unknown_tag(struct encoder *encoder, const struct unknown_tag *tag)
{
    writer_uvarint(&encoder->writer, tag->tag);
    writer_uvarint(&encoder->writer, (uint32_t)tag->value.size);
    writer_put(&encoder->writer, tag->value.data, tag->value.size);
}

/* Known and unknown tags share one ascending order. */
static void encode_tags(
    struct encoder *encoder, const struct message_shape *shape, const char *message)
{
    const struct unknown_tags *unknown = (const void *)(message + shape->unknown_tags_offset);
    int32_t count = unknown->count, next_unknown = 0;
    for (int i = 0; i < shape->tagged_count; i++)
        count += is_tag_set(encoder, &shape->fields[shape->tagged[i]], message);
    writer_uvarint(&encoder->writer, (uint32_t)count);
    if (count == 0)
        return;
    for (int i = 0; i < shape->tagged_count; i++) {
        const struct field *field = &shape->fields[shape->tagged[i]];
        if (!is_tag_set(encoder, field, message))
            continue;
        for (; next_unknown < unknown->count; next_unknown++) {
            if (unknown->entries[next_unknown].tag > (uint32_t)field->tag)
                break;
            put_unknown_tag(encoder, &unknown->entries[next_unknown]);
        }
        encode_tag(encoder, field, message);
    }
    for (; next_unknown < unknown->count; next_unknown++)
        put_unknown_tag(encoder, &unknown->entries[next_unknown]);
}

static void encode_shape(
    struct encoder *encoder, const struct message_shape *shape, const char *message)
{
    for (uint16_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        if (!field_exists(field, encoder->version) || (field->tag >= 0 && encoder->flexible))
            continue;
        encode_field(encoder, field, message);
    }
    if (encoder->flexible)
        encode_tags(encoder, shape, message);
}

static void encode(struct encoder *encoder, const struct message_schema *schema, int16_t version,
    const void *message)
{
    assert(schema_has_version(schema, version));
    encoder->version = version;
    encoder->flexible = schema_is_flexible(schema, version);
    encode_shape(encoder, schema->shape, message);
}

struct message_extent message_try_encode(const struct message_schema *schema, int16_t version,
    const void *message, uint8_t *out, size_t capacity)
{
    struct encoder encoder = { .writer = { .out = out, .capacity = capacity } };
    encode(&encoder, schema, version, message);
    return (struct message_extent){
        .wire_size = encoder.writer.size + encoder.hole_size,
        .hole_size = encoder.hole_size,
        .hole_count = encoder.hole_count,
    };
}

struct message_extent message_measure(
    const struct message_schema *schema, int16_t version, const void *message)
{
    return message_try_encode(schema, version, message, NULL, 0);
}

size_t message_size(const struct message_schema *schema, int16_t version, const void *message)
{
    return message_measure(schema, version, message).wire_size;
}

size_t message_encode(const struct message_schema *schema, int16_t version, const void *message,
    uint8_t *out, size_t capacity, struct hole *holes)
{
    struct encoder encoder = { .writer = { .out = out, .capacity = capacity }, .holes = holes };
    encode(&encoder, schema, version, message);
    assert(encoder.writer.size <= capacity && (encoder.hole_count == 0 || holes != NULL));
    return encoder.writer.size;
}

struct bytes message_in_arena(struct arena *arena, struct bytes head,
    const struct message_schema *schema, int16_t version, const void *message)
{
    uint8_t small[SMALL];
    size_t size = message_try_encode(schema, version, message, small, sizeof(small)).wire_size;
    uint8_t *data = arena_take(arena, head.size + size), *body = data + head.size;
    if (head.size > 0)
        memcpy(data, head.data, head.size);
    if (size <= sizeof(small))
        memcpy(body, small, size);
    else
        message_encode(schema, version, message, body, size, NULL);
    return (struct bytes){ data, head.size + size };
}
