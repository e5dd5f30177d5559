/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the metadata log as bytes: frame version 1, record type and version as unsigned
 * varints, then the fields. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"

struct message_schema;

enum { METADATA_FRAME_VERSION = 1 };

/* schema is that of a metadata record; the bytes live in the arena. */
struct bytes metadata_record_encode(
    struct arena *arena, const struct message_schema *schema, int16_t version, const void *message);

struct metadata_record {
    int32_t type, version;
    struct bytes fields;
};
bool metadata_record_parse(
    struct bytes record, struct metadata_record *out_record); /* false: no frame of ours */
