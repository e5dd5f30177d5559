/* SPDX-License-Identifier: Apache-2.0 */
/* Records of __consumer_offsets as bytes: a key is its record type as int16 and its fields, a value
 * its version as int16 and its fields. Types are those of schemas/records/consumer_offsets. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "rsm/rsm.h"
#include "wire/schema.h"

struct arena;

static inline const struct record_schema *coordinator_schema(int16_t type)
{
    return record_schema_find(RECORDS_CONSUMER_OFFSETS, type);
}

/* The bytes live in the arena. value NULL: a tombstone, which deletes what the key names. */
struct rsm_record coordinator_record_encode(struct arena *arena, const struct record_schema *schema,
    const void *key, int16_t version, const void *value);

struct coordinator_record {
    const struct record_schema *schema;
    void *key;   /* struct NAME_record_key of the schema, in the arena */
    void *value; /* struct NAME_record; NULL: a tombstone */
    int16_t version;
    struct rsm_record bytes; /* as it stands in the log */
};

/* COORDINATOR_RECORD_UNKNOWN: of a type or version that this release does not know (KIP-1043:
 * skipped with a word, as Kafka does); _DAMAGED: bytes that are no such record. */
enum coordinator_record_kind {
    COORDINATOR_RECORD_GOOD,
    COORDINATOR_RECORD_UNKNOWN,
    COORDINATOR_RECORD_DAMAGED
};
enum coordinator_record_kind coordinator_record_parse(
    struct rsm_record record, struct arena *arena, struct coordinator_record *out_record);
