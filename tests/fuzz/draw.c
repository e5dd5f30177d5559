/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/draw.h"

#include <assert.h>

#include "wire/encode.h"
#include "wire/message.h"

enum { MOST_ELEMENTS = 5, MOST_TAGS = 3 };

struct draw {
    struct input *input;
    const struct draw_words *words;
    struct arena *arena;
    const struct message_schema *schema;
    int16_t version;
};

static void draw_shape(struct draw *draw, const struct message_shape *shape, char *message);

const struct message_schema *schema_draw(struct input *input)
{
    unsigned number = (unsigned)input_number(input, 2);
    unsigned api_count = (unsigned)api_schema_count, record_count = (unsigned)record_schema_count;
    unsigned index = number / 2 % (api_count + record_count);
    bool second = number % 2 != 0;
    if (index < api_count)
        return second ? api_schemas[index].response : api_schemas[index].request;
    const struct record_schema *record = &record_schemas[index - api_count];
    return record->key == NULL || second ? record->value : record->key;
}

/* The longest that a text may be, of one letter. */
static struct bytes draw_longest(struct draw *draw)
{
    uint8_t *longest = arena_take(draw->arena, INT16_MAX);
    memset(longest, 'a' + input_byte(draw->input) % 26, INT16_MAX);
    return (struct bytes){ longest, INT16_MAX };
}

/* A text of the words, or of the input. data NULL: null. */
static struct bytes draw_run(struct draw *draw, bool nullable)
{
    const struct draw_words *words = draw->words;
    uint8_t choice = input_byte(draw->input);
    if (choice == 255 && nullable)
        return (struct bytes){ 0 };
    if (choice == 254)
        return draw_longest(draw);
    if (choice >= 128 && words != NULL && words->text_count > 0) {
        const char *text = words->texts[choice % words->text_count];
        return (struct bytes){ (const uint8_t *)text, strlen(text) };
    }
    return input_take(draw->input, choice >= 240 ? (size_t)input_number(draw->input, 2) % INT16_MAX : choice % 64);
}

static void draw_value(struct draw *draw, const struct field *field, bool nullable, void *out)
{
    switch (field->type) {
    case FIELD_BOOL: *(bool *)out = input_bit(draw->input); return;
    case FIELD_INT8: *(int8_t *)out = (int8_t)input_odd(draw->input); return;
    case FIELD_INT16:
    case FIELD_UINT16: *(int16_t *)out = (int16_t)input_odd(draw->input); return;
    case FIELD_INT32:
    case FIELD_UINT32: *(int32_t *)out = (int32_t)input_odd(draw->input); return;
    case FIELD_INT64:
    case FIELD_FLOAT64: *(int64_t *)out = input_odd(draw->input); return;
    case FIELD_UUID: {
        struct uuid uuid = { 0 };
        struct bytes bytes = input_take(draw->input, 2);
        memcpy(&uuid, bytes.data, bytes.size);
        *(struct uuid *)out = draw->words != NULL && draw->words->uuid != NULL ? draw->words->uuid(draw->input) : uuid;
        return;
    }
    case FIELD_STRING: {
        struct bytes run = draw_run(draw, nullable);
        *(struct str *)out = (struct str){ (const char *)run.data, (int32_t)run.size };
        return;
    }
    case FIELD_BYTES: *(struct bytes *)out = draw_run(draw, nullable); return;
    case FIELD_RECORDS: {
        bool is_built = draw->words != NULL && draw->words->records != NULL;
        struct bytes run = is_built ? draw->words->records(draw->input, draw->arena) : draw_run(draw, nullable);
        *(struct records *)out = (struct records){ .data = run.data, .size = run.data == NULL ? -1 : (int32_t)run.size };
        return;
    }
    case FIELD_STRUCT: draw_shape(draw, field->shape, out); return;
    case FIELD_RULE: break;
    }
    __builtin_unreachable();
}

/* One element unless the input says otherwise: what is empty or null takes few branches. */
static void draw_array(struct draw *draw, const struct field *field, bool nullable, char *message)
{
    uint8_t choice = input_byte(draw->input);
    int32_t count = choice < 128 ? 1 : choice == 255 && nullable ? -1 : choice % (MOST_ELEMENTS + 1);
    if (input_left(draw->input) == 0 && count > 1)
        count = 0; /* what repeats itself has an end */
    size_t size = field_element_size(field);
    char *array = count > 0 ? arena_take_array(draw->arena, (size_t)count, size) : NULL;
    for (int32_t i = 0; i < count; i++)
        draw_value(draw, field, false, array + (size_t)i * size);
    *(void **)(void *)(message + field->offset) = array;
    *(int32_t *)(void *)(message + field->count_offset) = count;
}

static void draw_field(struct draw *draw, const struct field *field, char *message)
{
    bool nullable = draw->version >= field->nullable_since;
    void *at = message + field->offset;
    if (field->array) {
        draw_array(draw, field, nullable, message);
    } else if (!field->pointer) {
        draw_value(draw, field, nullable, at);
    } else if (nullable && input_bit(draw->input)) {
        *(void **)at = NULL;
    } else {
        *(void **)at = arena_take(draw->arena, field->shape->size);
        draw_shape(draw, field->shape, *(void **)at);
    }
}

/* Above those that are known, since a known one would have to be what it says. */
static void draw_unknown_tags(struct draw *draw, const struct message_shape *shape, char *message)
{
    int32_t count = input_byte(draw->input);
    if (count < 256 - MOST_TAGS)
        return;
    count -= 255 - MOST_TAGS;
    struct unknown_tag *tags = arena_take_array(draw->arena, (size_t)count, sizeof(*tags));
    for (int32_t i = 0; i < count; i++)
        tags[i] = (struct unknown_tag){ 10000 + (uint32_t)i * 1000, input_take(draw->input, input_byte(draw->input)) };
    *(struct unknown_tags *)(void *)(message + shape->unknown_tags_offset) = (struct unknown_tags){ tags, count };
}

static void draw_shape(struct draw *draw, const struct message_shape *shape, char *message)
{
    bool is_flexible = schema_is_flexible(draw->schema, draw->version);
    shape_set_defaults(shape, message);
    for (int i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        bool exists = field_exists(field, draw->version);
        if (!exists && draw->words != NULL)
            continue;
        if (field->type == FIELD_RULE)
            *(bool *)(message + field->offset) = exists;
        else if (field->tag < 0 || !is_flexible || input_bit(draw->input))
            draw_field(draw, field, message);
    }
    if (is_flexible && draw->schema->keep_unknown_tags)
        draw_unknown_tags(draw, shape, message);
}

void *message_draw(const struct message_schema *schema, int16_t version, struct input *input, const struct draw_words *words,
    struct arena *arena)
{
    struct draw draw = { input, words, arena, schema, version };
    void *message = arena_take(arena, schema->shape->size);
    draw_shape(&draw, schema->shape, message);
    return message;
}

struct bytes message_bytes(const struct message_schema *schema, int16_t version, const void *message, struct arena *arena)
{
    struct message_extent extent = message_measure(schema, version, message);
    assert(extent.hole_count == 0);
    uint8_t *out = arena_take(arena, extent.wire_size);
    size_t written = message_encode(schema, version, message, out, extent.wire_size, NULL);
    assert(written == extent.wire_size);
    return (struct bytes){ out, written };
}
