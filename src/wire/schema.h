/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that tools/schemac makes from schemas/, read by decode, encode and print. A schema is
 * one request, response, record key or record value with its versions; a shape is one struct; a
 * field is one member of it. All are constant. Field names are those of the schema files, which
 * JSON shows too. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/gen/apis.h"
#include "wire/gen/records.h"

struct arena;

enum { FIELD_FOR_EVER = INT16_MAX };

enum field_type {
    FIELD_BOOL,
    FIELD_INT8,
    FIELD_INT16,
    FIELD_INT32,
    FIELD_INT64,
    FIELD_UINT16,
    FIELD_UINT32,
    FIELD_FLOAT64,
    FIELD_UUID,
    FIELD_STRING,
    FIELD_BYTES,
    FIELD_RECORDS,
    FIELD_STRUCT,
    FIELD_RULE, /* a difference in meaning: a bool that decoding sets, nothing on the wire */
};

struct field {
    const char *name;
    const struct message_shape *shape; /* of FIELD_STRUCT, else NULL */
    int64_t unset;                     /* the integer that stands where a version lacks the field */
    uint32_t offset, count_offset;     /* in the struct; count only for arrays */
    enum field_type type;
    int16_t since, until;   /* versions that have it */
    int16_t nullable_since; /* FIELD_FOR_EVER: never */
    int16_t tag;            /* -1: not tagged */
    bool array, pointer, unset_null, never_flexible;
};

struct message_shape {
    const char *name;
    const void *unset; /* one of these structs, with every field at its default */
    const struct field *fields;
    const uint8_t *tagged; /* indexes of the tagged fields, in ascending order of tag */
    uint16_t field_count, tagged_count;
    uint16_t smallest; /* bytes that one takes on the wire at least, in any version; never 0 */
    uint16_t size;     /* of the struct */
    uint16_t unknown_tags_offset;
};

struct message_schema {
    const char *name;
    const struct message_shape *shape;
    int16_t key; /* API key, or record type; -1: neither */
    int16_t min_version, max_version;
    int16_t flexible_since; /* FIELD_FOR_EVER: never */
    int16_t unstable_since; /* from here on not advertised; FIELD_FOR_EVER: all are stable */
    bool keep_unknown_tags;
};

enum { LISTENER_BROKER = 1, LISTENER_CONTROLLER = 2 };

struct api_schema {
    const char *name;
    int16_t key;
    uint8_t listeners;
    const struct message_schema *request, *response;
};

struct record_schema {
    const char *name;
    enum record_topic topic;
    int16_t type;                             /* -1: not told apart by type */
    const struct message_schema *key, *value; /* key NULL: the record has none of its own */
};

extern const struct api_schema api_schemas[]; /* ascending by key */
extern const int32_t api_schema_count;
extern const struct record_schema record_schemas[];
extern const int32_t record_schema_count;
extern const int16_t record_places[]; /* by topic and type; -1: none */
extern const int32_t record_type_count;

/* NULL: there is no such. */
const struct api_schema *api_schema_find(int16_t key);
const struct record_schema *record_schema_find(enum record_topic topic, int16_t type);
const struct record_schema *record_schema_named(const char *name);

static inline bool schema_has_version(const struct message_schema *schema, int16_t version)
{
    return version >= schema->min_version && version <= schema->max_version;
}
static inline bool schema_is_flexible(const struct message_schema *schema, int16_t version)
{
    return version >= schema->flexible_since;
}
static inline bool field_exists(const struct field *field, int16_t version)
{
    return version >= field->since && version <= field->until;
}

/* In memory, of one value of the field's type. */
size_t field_element_size(const struct field *field);

/* Which version of records/other/{request,response}_header a request and its answer carry. */
int16_t api_request_header_version(const struct api_schema *api, int16_t version);
int16_t api_response_header_version(const struct api_schema *api, int16_t version);

/* Sets every field to its default. Needed where a default is not zero: an answer's -1 offsets and
 * epochs. */
static inline void shape_set_defaults(const struct message_shape *shape, void *message)
{
    memcpy(message, shape->unset, shape->size);
}
static inline void message_defaults(const struct message_schema *schema, void *message)
{
    shape_set_defaults(schema->shape, message);
}

/* Whether a field holds its default, so that a tagged one is left out. */
bool field_is_default(const struct field *field, const void *message);
bool shape_is_default(const struct message_shape *shape, const void *message);

/* count structs of a shape from an arena, with their defaults. */
void *shape_take(const struct message_shape *shape, struct arena *arena, int32_t count);
#define MESSAGE_TAKE(name, arena, count) ((struct name *)shape_take(&name##_shape, arena, count))
