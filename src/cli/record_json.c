/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/record_json.h"

#include <string.h>

#include "base/arena.h"
#include "base/base64.h"

json_t *bytes_to_json(struct bytes bytes, bool *out_is_base64, struct arena *arena)
{
    *out_is_base64 = false;
    if (bytes.data == NULL)
        return json_null();
    struct str text = { (const char *)bytes.data, (int32_t)bytes.size };
    /* JSON texts hold no zero bytes here: our reader would refuse them. */
    if (memchr(bytes.data, 0, bytes.size) == NULL && str_is_utf8(text))
        return json_stringn(text.data, bytes.size);
    *out_is_base64 = true;
    return json_string(base64_print(bytes, arena));
}

static void set_bytes(json_t *object, const char *name, const char *base64_name, struct bytes bytes,
    struct arena *arena)
{
    bool is_base64;
    json_t *value = bytes_to_json(bytes, &is_base64, arena);
    json_object_set_new(object, is_base64 ? base64_name : name, value);
}

json_t *record_to_json(
    struct record *record, struct str topic, int32_t partition, struct arena *arena)
{
    json_t *object = json_object();
    if (topic.data != NULL)
        json_object_set_new(object, "topic", json_stringn(topic.data, (size_t)topic.size));
    if (partition >= 0)
        json_object_set_new(object, "partition", json_integer(partition));
    json_object_set_new(object, "offset", json_integer(record->offset));
    json_object_set_new(object, "timestamp", json_integer(record->timestamp));
    set_bytes(object, "key", "key_base64", record->key, arena);
    set_bytes(object, "value", "value_base64", record->value, arena);
    if (record->header_count == 0 || !record_headers(record, arena))
        return object;
    json_t *headers = json_array();
    for (int32_t i = 0; i < record->header_count; i++) {
        const struct record_header *header = &record->headers[i];
        json_t *pair = json_object();
        json_object_set_new(pair, "key", json_stringn(header->key.data, (size_t)header->key.size));
        set_bytes(pair, "value", "value_base64", header->value, arena);
        json_array_append_new(headers, pair);
    }
    json_object_set_new(object, "headers", headers);
    return object;
}

/* The bytes under a name, or under its base64 name. False: neither text nor null. */
static bool get_bytes(const json_t *object, const char *name, const char *base64_name,
    struct arena *arena, struct bytes *out)
{
    const json_t *value = json_object_get(object, name);
    *out = (struct bytes){ 0 };
    if (json_is_string(value)) {
        size_t size = json_string_length(value);
        *out = (struct bytes){ arena_copy(arena, json_string_value(value), size), size };
        return true;
    }
    if (value != NULL && !json_is_null(value))
        return false;
    value = json_object_get(object, base64_name);
    return value == NULL || (json_is_string(value) && base64_parse(json_string_value(value),
                                                          json_string_length(value), arena, out));
}

static const char *headers_from_json(
    const json_t *array, struct arena *arena, struct record *record)
{
    if (!json_is_array(array))
        return "headers must be an array of {\"key\",\"value\"}";
    record->header_count = (int32_t)json_array_size(array);
    record->headers =
        arena_take_array(arena, (size_t)record->header_count + 1, sizeof(*record->headers));
    for (int32_t i = 0; i < record->header_count; i++) {
        const json_t *pair = json_array_get(array, (size_t)i);
        const json_t *key = json_object_get(pair, "key");
        if (!json_is_string(key) ||
            !get_bytes(pair, "value", "value_base64", arena, &record->headers[i].value))
            return "headers must be an array of {\"key\",\"value\"}";
        record->headers[i].key = str_copy(arena, str_from(json_string_value(key)));
    }
    return NULL;
}

const char *record_from_json(
    struct str line, struct arena *arena, struct record *record, int64_t *out_partition)
{
    json_error_t error;
    json_t *object = json_loadb(line.data, (size_t)line.size, 0, &error);
    const char *wrong = NULL;
    *out_partition = -1;
    if (!json_is_object(object))
        wrong = "not a JSON object";
    else if (!get_bytes(object, "key", "key_base64", arena, &record->key))
        wrong = "key must be a text or null";
    else if (!get_bytes(object, "value", "value_base64", arena, &record->value))
        wrong = "value must be a text or null";
    const json_t *partition = json_object_get(object, "partition");
    const json_t *timestamp = json_object_get(object, "timestamp");
    const json_t *headers = json_object_get(object, "headers");
    if (wrong == NULL && partition != NULL && !json_is_integer(partition))
        wrong = "partition must be a number";
    if (wrong == NULL && timestamp != NULL && !json_is_integer(timestamp))
        wrong = "timestamp must be a number of milliseconds";
    if (wrong == NULL && partition != NULL)
        *out_partition = json_integer_value(partition);
    if (wrong == NULL && timestamp != NULL)
        record->timestamp = json_integer_value(timestamp);
    if (wrong == NULL && headers != NULL)
        wrong = headers_from_json(headers, arena, record);
    json_decref(object);
    return wrong;
}
