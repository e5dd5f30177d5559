/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/stored.h"

#include "base/arena.h"
#include "wire/decode.h"
#include "wire/print.h"
#include "wire/reader.h"
#include "wire/schema.h"

enum { FRAME_VERSION = 1 }; /* of records that carry their own type, before it */

static const struct {
    const char *topic;
    enum record_topic records;
} topics[] = {
    { "__cluster_metadata", RECORDS_CLUSTER_METADATA },
    { "__consumer_offsets", RECORDS_CONSUMER_OFFSETS },
    { "__transaction_state", RECORDS_TRANSACTION_STATE },
    { "__share_group_state", RECORDS_SHARE_GROUP_STATE },
    { "__remote_log_metadata", RECORDS_REMOTE_LOG_METADATA },
};

enum record_topic stored_topic(struct str topic_name)
{
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
        if (str_is(topic_name, topics[i].topic))
            return topics[i].records;
    return RECORDS_OTHER;
}

/* Everything that the reader has left must be the message. */
static json_t *print_rest(
    const char *type, const struct message_schema *schema, int32_t version, struct reader *reader)
{
    if (reader->failed || version > INT16_MAX || !schema_has_version(schema, (int16_t)version))
        return NULL;
    struct arena arena;
    arena_init(&arena);
    struct bytes input = { reader->at, reader_left(reader) };
    void *message = arena_take(&arena, schema->shape->size);
    size_t used;
    json_t *json = NULL;
    if (message_decode(schema, (int16_t)version, input, &arena, message, &used) &&
        used == input.size)
        json = json_pack("{s:s, s:i, s:o}", "type", type, "version", (int)version, "data",
            message_to_json(schema, (int16_t)version, message, PRINT_TAGGED_SET));
    arena_deinit(&arena);
    return json;
}

static bool has_keys(enum record_topic topic)
{
    return topic == RECORDS_CONSUMER_OFFSETS || topic == RECORDS_TRANSACTION_STATE ||
           topic == RECORDS_SHARE_GROUP_STATE;
}

/* Leaves the reader behind the type. */
static const struct record_schema *schema_of_key(enum record_topic topic, struct reader *reader)
{
    if (!has_keys(topic))
        return NULL;
    int16_t type = reader_i16(reader);
    return reader->failed ? NULL : record_schema_find(topic, type);
}

json_t *stored_key_to_json(enum record_topic topic, struct bytes key)
{
    struct reader reader = reader_of(key);
    const struct record_schema *record = schema_of_key(topic, &reader);
    if (record == NULL)
        return NULL;
    return print_rest(record->name, record->key, record->key->min_version, &reader);
}

static json_t *print_framed_value(enum record_topic topic, struct bytes value)
{
    struct reader reader = reader_of(value);
    uint32_t frame_version = reader_uvarint(&reader), type = reader_uvarint(&reader);
    uint32_t version = reader_uvarint(&reader);
    if (reader.failed || frame_version != FRAME_VERSION || type > INT16_MAX || version > INT16_MAX)
        return NULL;
    const struct record_schema *record = record_schema_find(topic, (int16_t)type);
    return record == NULL ? NULL
                          : print_rest(record->name, record->value, (int32_t)version, &reader);
}

json_t *stored_value_to_json(enum record_topic topic, struct bytes key, struct bytes value)
{
    if (topic == RECORDS_CLUSTER_METADATA || topic == RECORDS_REMOTE_LOG_METADATA)
        return print_framed_value(topic, value);
    struct reader reader = reader_of(key);
    const struct record_schema *record = schema_of_key(topic, &reader);
    if (record == NULL)
        return NULL;
    if (value.data == NULL)
        return json_null();
    reader = reader_of(value);
    int16_t version = reader_i16(&reader);
    return print_rest(record->name, record->value, version, &reader);
}

static const struct {
    const char *type, *schema;
} control_types[] = {
    { "abort", "end_txn_marker" },
    { "commit", "end_txn_marker" },
    { "leader_change", "leader_change_message" },
    { "snapshot_header", "snapshot_header" },
    { "snapshot_footer", "snapshot_footer" },
    { "kraft_version", "kraft_version" },
    { "voters", "voters" },
};

json_t *stored_control_to_json(struct bytes key, struct bytes value)
{
    struct reader key_reader = reader_of(key), reader = reader_of(value);
    (void)reader_i16(&key_reader); /* the version of the key, whose layout never changed */
    int16_t type = reader_i16(&key_reader);
    if (key_reader.failed || type < 0 ||
        (size_t)type >= sizeof(control_types) / sizeof(control_types[0]))
        return NULL;
    const struct record_schema *record = record_schema_named(control_types[type].schema);
    struct reader prefix = reader;
    int16_t version = reader_i16(&prefix);
    /* The quorum's records repeat their version as their own first field; a marker does not. */
    bool is_marker = type <= 1;
    return print_rest(
        control_types[type].type, record->value, version, is_marker ? &prefix : &reader);
}
