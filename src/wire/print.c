/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/print.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "wire/message.h"
#include "wire/schema.h"

struct printer {
    int16_t version;
    bool flexible;
    enum print_tagged tagged;
};

static json_t *print_shape(
    const struct printer *printer, const struct message_shape *shape, const char *message);

/* Bytes that begin no valid UTF-8 sequence become U+FFFD, one each. */
static json_t *print_damaged_text(struct str text)
{
    char *clean = memory_take_raw((size_t)text.size * 3 + 1);
    size_t size = 0;
    for (int32_t i = 0; i < text.size;) {
        int32_t length = 1, most = text.size - i < 4 ? text.size - i : 4;
        while (length <= most && !str_is_utf8((struct str){ text.data + i, length }))
            length++;
        if (length <= most) {
            memcpy(clean + size, text.data + i, (size_t)length);
            size += (size_t)length;
            i += length;
        } else {
            memcpy(clean + size, "\xef\xbf\xbd", 3);
            size += 3;
            i++;
        }
    }
    json_t *json = json_stringn_nocheck(clean, size);
    memory_give(clean);
    return json;
}

static json_t *print_text(struct str text)
{
    if (str_is_null(text))
        return json_null();
    json_t *json = json_stringn(text.data, (size_t)text.size);
    return json != NULL ? json : print_damaged_text(text);
}

static json_t *print_base64(const uint8_t *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (data == NULL && size == 0)
        return json_null();
    char *text = memory_take_raw((size + 2) / 3 * 4 + 1), *at = text;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                        (left > 2 ? data[i + 2] : 0);
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[bits & 63] : '=';
    }
    json_t *json = json_stringn_nocheck(text, (size_t)(at - text));
    memory_give(text);
    return json;
}

static json_t *print_records(const struct records *records)
{
    if (records->size > 0 && records->data == NULL)
        return json_sprintf("<%d bytes>", (int)records->size); /* a hole */
    return records->size < 0
               ? json_null()
               : print_base64(records->data == NULL ? (const uint8_t *)"" : records->data,
                     (size_t)records->size);
}

static json_t *print_uuid(const struct uuid *id)
{
    char text[UUID_TEXT_SIZE + 1];
    uuid_print(*id, text);
    return json_string(text);
}

static json_t *print_value(
    const struct printer *printer, const struct field *field, bool nullable, const void *value)
{
    switch (field->type) {
    case FIELD_BOOL:
        return json_boolean(*(const bool *)value);
    case FIELD_INT8:
        return json_integer(*(const int8_t *)value);
    case FIELD_INT16:
        return json_integer(*(const int16_t *)value);
    case FIELD_UINT16:
        return json_integer(*(const uint16_t *)value);
    case FIELD_INT32:
        return json_integer(*(const int32_t *)value);
    case FIELD_UINT32:
        return json_integer(*(const uint32_t *)value);
    case FIELD_INT64:
        return json_integer(*(const int64_t *)value);
    case FIELD_FLOAT64: {
        json_t *json = json_real(*(const double *)value);
        return json != NULL
                   ? json
                   : json_sprintf("%f", *(const double *)value); /* not a number, or infinite */
    }
    case FIELD_UUID:
        return print_uuid(value);
    case FIELD_STRING: {
        struct str text = *(const struct str *)value;
        return print_text(text.data == NULL && !nullable ? STR("") : text);
    }
    case FIELD_BYTES: {
        const struct bytes *bytes = value;
        bool empty = bytes->data == NULL && !nullable;
        return print_base64(empty ? (const uint8_t *)"" : bytes->data, bytes->size);
    }
    case FIELD_RECORDS:
        return print_records(value);
    case FIELD_STRUCT:
        return print_shape(printer, field->shape, value);
    case FIELD_RULE:
        break;
    }
    __builtin_unreachable();
}

static json_t *print_field(
    const struct printer *printer, const struct field *field, const char *message)
{
    bool nullable = printer->version >= field->nullable_since;
    const void *at = message + field->offset;
    if (field->array) {
        int32_t count = *(const int32_t *)(const void *)(message + field->count_offset);
        if (count < 0)
            return nullable ? json_null() : json_array();
        json_t *array = json_array();
        const char *element = *(const char *const *)at;
        for (int32_t i = 0; i < count; i++, element += field_element_size(field))
            json_array_append_new(array, print_value(printer, field, false, element));
        return array;
    }
    if (field->pointer) {
        const char *inner = *(const char *const *)at;
        return inner == NULL ? json_null() : print_shape(printer, field->shape, inner);
    }
    return print_value(printer, field, nullable, at);
}

static json_t *print_shape(
    const struct printer *printer, const struct message_shape *shape, const char *message)
{
    json_t *object = json_object();
    for (int i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        if (field->type == FIELD_RULE || !field_exists(field, printer->version))
            continue;
        if (field->tag >= 0 && printer->flexible && printer->tagged == PRINT_TAGGED_SET &&
            field_is_default(field, message))
            continue;
        json_object_set_new_nocheck(object, field->name, print_field(printer, field, message));
    }
    return object;
}

json_t *message_to_json(const struct message_schema *schema, int16_t version, const void *message,
    enum print_tagged tagged)
{
    assert(schema_has_version(schema, version));
    struct printer printer = { version, schema_is_flexible(schema, version), tagged };
    return print_shape(&printer, schema->shape, message);
}

char *message_print(const struct message_schema *schema, int16_t version, const void *message)
{
    json_t *json = message_to_json(schema, version, message, PRINT_TAGGED_SET);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}
