/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/decode.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "wire/message.h"
#include "wire/reader.h"
#include "wire/schema.h"

struct decoder {
    struct reader reader;
    struct arena *arena;
    int16_t version;
    bool flexible;
    bool keep_unknown_tags;
    int32_t element_count; /* structs and texts in arrays so far */
    size_t entry_count;    /* of all arrays so far */
};

static bool decode_shape(struct decoder *decoder, const struct message_shape *shape, char *message);

/* A length or count: -1 for null. short_form: the 16-bit length of a text outside flexible
 * versions. */
static int64_t take_length(struct decoder *decoder, bool flexible, bool short_form)
{
    if (flexible)
        return (int64_t)reader_uvarint(&decoder->reader) - 1;
    int64_t length = short_form ? reader_i16(&decoder->reader) : reader_i32(&decoder->reader);
    return length < 0 ? -1 : length; /* every negative length means null, as in Kafka */
}

static bool decode_run(struct decoder *decoder, const struct field *field, bool nullable, void *out)
{
    bool flexible = decoder->flexible && !field->never_flexible;
    int64_t length = take_length(decoder, flexible, field->type == FIELD_STRING);
    const uint8_t *data = NULL;
    if (length < 0) {
        if (!nullable)
            return false;
    } else {
        if (length > (field->type == FIELD_STRING ? INT16_MAX : INT32_MAX))
            return false;
        data = reader_take(&decoder->reader, (size_t)length);
    }
    if (decoder->reader.failed)
        return false;
    if (field->type == FIELD_STRING)
        *(struct str *)out = (struct str){ (const char *)data, data == NULL ? 0 : (int32_t)length };
    else if (field->type == FIELD_BYTES)
        *(struct bytes *)out = (struct bytes){ data, data == NULL ? 0 : (size_t)length };
    else
        *(struct records *)out = (struct records){ .data = data, .size = (int32_t)length };
    return true;
}

/* One value of the field's type: the field itself, or one element of its array. Inline, as
 * decode_field(): a message is many small fields, and two calls for each would be much of the work.
 */
static inline __attribute__((always_inline)) bool decode_value(
    struct decoder *decoder, const struct field *field, bool nullable, void *out)
{
    struct reader *reader = &decoder->reader;
    switch (field->type) {
    case FIELD_BOOL:
        *(bool *)out = reader_u8(reader) != 0;
        return !reader->failed;
    case FIELD_INT8:
        *(int8_t *)out = reader_i8(reader);
        return !reader->failed;
    case FIELD_INT16:
    case FIELD_UINT16:
        *(int16_t *)out = reader_i16(reader);
        return !reader->failed;
    case FIELD_INT32:
    case FIELD_UINT32:
        *(int32_t *)out = reader_i32(reader);
        return !reader->failed;
    case FIELD_INT64:
    case FIELD_FLOAT64:
        *(int64_t *)out = reader_i64(reader);
        return !reader->failed;
    case FIELD_UUID: {
        const uint8_t *data = reader_take(reader, sizeof(struct uuid));
        if (data == NULL)
            return false;
        memcpy(out, data, sizeof(struct uuid));
        return true;
    }
    case FIELD_STRING:
    case FIELD_BYTES:
    case FIELD_RECORDS:
        return decode_run(decoder, field, nullable, out);
    case FIELD_STRUCT:
        return decode_shape(decoder, field->shape, out);
    case FIELD_RULE:
        *(bool *)out = true;
        return true;
    }
    __builtin_unreachable();
}

/* What one element of the array takes on the wire at least. */
static size_t smallest_element(const struct field *field, bool flexible)
{
    switch (field->type) {
    case FIELD_STRING:
        return flexible ? 1 : 2;
    case FIELD_BYTES:
    case FIELD_RECORDS:
        return flexible ? 1 : 4;
    case FIELD_STRUCT:
        return field->shape->smallest;
    default:
        return field_element_size(field);
    }
}

/* What a peer writes in three bytes may take sixty here, and more in whoever answers it. */
static bool count_elements(struct decoder *decoder, const struct field *field, int64_t count)
{
    if (field->type != FIELD_STRING && field->type != FIELD_BYTES && field->type != FIELD_RECORDS &&
        field->type != FIELD_STRUCT)
        return true;
    decoder->element_count += (int32_t)count;
    return decoder->element_count <= MESSAGE_MAX_ELEMENTS;
}

static bool decode_array(
    struct decoder *decoder, const struct field *field, bool nullable, char *message)
{
    int64_t count = take_length(decoder, decoder->flexible, false);
    if (decoder->reader.failed || (count < 0 && !nullable) || count > MESSAGE_MAX_ARRAY)
        return false;
    *(int32_t *)(void *)(message + field->count_offset) = (int32_t)count;
    *(void **)(void *)(message + field->offset) = NULL;
    if (count <= 0)
        return true;
    if ((size_t)count > reader_left(&decoder->reader) / smallest_element(field, decoder->flexible))
        return false;
    if (!count_elements(decoder, field, count))
        return false;
    size_t size = field_element_size(field);
    decoder->entry_count += (size_t)count;
    if (!arena_may_take(
            decoder->arena, (size_t)count * size + decoder->entry_count * MESSAGE_ENTRY_COST))
        return false;
    char *array = arena_take_array(decoder->arena, (size_t)count, size);
    *(void **)(void *)(message + field->offset) = array;
    for (int64_t i = 0; i < count; i++)
        if (!decode_value(decoder, field, false, array + (size_t)i * size))
            return false;
    return true;
}

/* Whether a nullable struct is there is marked in one way in a tag and in another elsewhere. */
static bool reads_null(struct decoder *decoder, const struct field *field)
{
    return field->tag < 0 ? reader_i8(&decoder->reader) < 0 : reader_uvarint(&decoder->reader) == 0;
}

static inline __attribute__((always_inline)) bool decode_field(
    struct decoder *decoder, const struct field *field, char *message)
{
    bool nullable = decoder->version >= field->nullable_since;
    if (field->array)
        return decode_array(decoder, field, nullable, message);
    void *at = message + field->offset;
    if (!field->pointer)
        return decode_value(decoder, field, nullable, at);
    if (nullable && reads_null(decoder, field)) {
        *(void **)at = NULL;
        return !decoder->reader.failed;
    }
    if (decoder->reader.failed || !arena_may_take(decoder->arena, field->shape->size))
        return false;
    void *inner = arena_take(decoder->arena, field->shape->size);
    *(void **)at = inner;
    return decode_shape(decoder, field->shape, inner);
}

static const struct field *find_tagged(
    const struct decoder *decoder, const struct message_shape *shape, uint32_t tag)
{
    for (int i = 0; i < shape->tagged_count; i++) {
        const struct field *field = &shape->fields[shape->tagged[i]];
        if ((uint32_t)field->tag == tag)
            return field_exists(field, decoder->version) ? field : NULL;
    }
    return NULL;
}

/* Known tags must fill exactly the size they give. Kept ones must ascend, or they could not be
 * written again. */
static bool decode_tags(struct decoder *decoder, const struct message_shape *shape, char *message)
{
    struct reader *reader = &decoder->reader;
    uint32_t count = reader_uvarint(reader);
    if (count == 0)
        return !reader->failed;
    if (count > MESSAGE_MAX_TAGS || count > reader_left(reader) / 2)
        return false;
    struct unknown_tag *unknown = NULL;
    int32_t unknown_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tag = reader_uvarint(reader);
        uint32_t size = reader_uvarint(reader);
        if (reader->failed || size > reader_left(reader))
            return false;
        const uint8_t *end = reader->end, *next = reader->at + size;
        const struct field *field = find_tagged(decoder, shape, tag);
        if (field != NULL) {
            reader->end = next;
            bool ok = decode_field(decoder, field, message) && reader->at == next;
            reader->end = end;
            if (!ok)
                return false;
        } else if (decoder->keep_unknown_tags) {
            if (unknown == NULL)
                unknown = arena_take_array(decoder->arena, count - i, sizeof(*unknown));
            if (unknown_count > 0 && unknown[unknown_count - 1].tag >= tag)
                return false;
            unknown[unknown_count++] = (struct unknown_tag){ tag, { reader->at, size } };
        }
        reader->at = next;
    }
    *(struct unknown_tags *)(void *)(message + shape->unknown_tags_offset) =
        (struct unknown_tags){ unknown, unknown_count };
    return true;
}

static bool decode_shape(struct decoder *decoder, const struct message_shape *shape, char *message)
{
    shape_set_defaults(shape, message);
    for (uint16_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        if (!field_exists(field, decoder->version) || (field->tag >= 0 && decoder->flexible))
            continue;
        if (!decode_field(decoder, field, message))
            return false;
    }
    return !decoder->flexible || decode_tags(decoder, shape, message);
}

bool message_decode(const struct message_schema *schema, int16_t version, struct bytes input,
    struct arena *arena, void *out_message, size_t *out_used)
{
    assert(schema_has_version(schema, version));
    struct decoder decoder = {
        .reader = reader_of(input),
        .arena = arena,
        .version = version,
        .flexible = schema_is_flexible(schema, version),
        .keep_unknown_tags = schema->keep_unknown_tags,
    };
    bool ok = decode_shape(&decoder, schema->shape, out_message);
    if (out_used != NULL)
        *out_used = input.size - reader_left(&decoder.reader);
    return ok;
}
