/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/schema.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "wire/message.h"

const struct api_schema *api_schema_find(int16_t key)
{
    int32_t low = 0, high = api_schema_count;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (api_schemas[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < api_schema_count && api_schemas[low].key == key ? &api_schemas[low] : NULL;
}

const struct record_schema *record_schema_find(enum record_topic topic, int16_t type)
{
    int16_t place = -1;
    if (type >= 0 && type < record_type_count)
        place = record_places[(int32_t)topic * record_type_count + type];
    return place < 0 ? NULL : &record_schemas[place];
}

const struct record_schema *record_schema_named(const char *name)
{
    for (int32_t i = 0; i < record_schema_count; i++)
        if (strcmp(record_schemas[i].name, name) == 0)
            return &record_schemas[i];
    return NULL;
}

int16_t api_request_header_version(const struct api_schema *api, int16_t version)
{
    return schema_is_flexible(api->request, version) ? 2 : 1;
}

int16_t api_response_header_version(const struct api_schema *api, int16_t version)
{
    /* A client reads the ApiVersions answer before it knows what the broker speaks, so its header
     * never changes. */
    return api->key != API_API_VERSIONS && schema_is_flexible(api->response, version) ? 1 : 0;
}

size_t field_element_size(const struct field *field)
{
    switch (field->type) {
    case FIELD_BOOL:
    case FIELD_INT8:
        return 1;
    case FIELD_INT16:
    case FIELD_UINT16:
        return 2;
    case FIELD_INT32:
    case FIELD_UINT32:
        return 4;
    case FIELD_INT64:
    case FIELD_FLOAT64:
        return 8;
    case FIELD_UUID:
        return sizeof(struct uuid);
    case FIELD_STRING:
        return sizeof(struct str);
    case FIELD_BYTES:
        return sizeof(struct bytes);
    case FIELD_RECORDS:
        return sizeof(struct records);
    case FIELD_STRUCT:
        return field->shape->size;
    case FIELD_RULE:
        break;
    }
    __builtin_unreachable();
}

static int64_t integer_at(const struct field *field, const char *at)
{
    switch (field->type) {
    case FIELD_BOOL:
    case FIELD_RULE:
        return *(const bool *)at;
    case FIELD_INT8:
        return *(const int8_t *)at;
    case FIELD_INT16:
        return *(const int16_t *)(const void *)at;
    case FIELD_UINT16:
        return *(const uint16_t *)(const void *)at;
    case FIELD_INT32:
        return *(const int32_t *)(const void *)at;
    case FIELD_UINT32:
        return *(const uint32_t *)(const void *)at;
    case FIELD_INT64:
    case FIELD_FLOAT64:
        return *(const int64_t *)(const void *)at; /* only the zero with no sign is a default */
    default:
        break;
    }
    __builtin_unreachable();
}

/* Null and empty differ only where null is allowed at all: elsewhere NULL is written as empty. */
static bool run_is_default(const struct field *field, const void *data, bool is_empty)
{
    if (field->unset_null)
        return data == NULL;
    return is_empty && (data != NULL || field->nullable_since == FIELD_FOR_EVER);
}

static bool pointer_is_default(const struct field *field, const void *inner)
{
    if (field->unset_null)
        return inner == NULL;
    return inner != NULL && shape_is_default(field->shape, inner);
}

bool field_is_default(const struct field *field, const void *message)
{
    const char *at = (const char *)message + field->offset;
    if (field->array) {
        int32_t count =
            *(const int32_t *)(const void *)((const char *)message + field->count_offset);
        return field->unset_null ? count < 0 : count == 0;
    }
    switch (field->type) {
    case FIELD_STRUCT:
        return field->pointer ? pointer_is_default(field, *(void *const *)(const void *)at)
                              : shape_is_default(field->shape, at);
    case FIELD_STRING: {
        const struct str *text = (const void *)at;
        return run_is_default(field, text->data, text->size == 0);
    }
    case FIELD_BYTES: {
        const struct bytes *bytes = (const void *)at;
        return run_is_default(field, bytes->data, bytes->size == 0);
    }
    case FIELD_RECORDS:
        return ((const struct records *)(const void *)at)->size == (field->unset_null ? -1 : 0);
    case FIELD_UUID:
        return uuid_is_zero(*(const struct uuid *)(const void *)at);
    default:
        return integer_at(field, at) == field->unset;
    }
}

bool shape_is_default(const struct message_shape *shape, const void *message)
{
    if (memcmp(message, shape->unset, shape->size) == 0)
        return true;
    for (int i = 0; i < shape->field_count; i++)
        if (!field_is_default(&shape->fields[i], message))
            return false;
    return ((const struct unknown_tags *)(const void *)((const char *)message +
                                                        shape->unknown_tags_offset))
               ->count == 0;
}

void *shape_take(const struct message_shape *shape, struct arena *arena, int32_t count)
{
    assert(count >= 0);
    char *array = arena_take_array(arena, (size_t)count, shape->size);
    for (int32_t i = 0; i < count; i++)
        shape_set_defaults(shape, array + (size_t)i * shape->size);
    return array;
}
