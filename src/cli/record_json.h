/* SPDX-License-Identifier: Apache-2.0 */
/* A record as one line of JSON: {"topic","partition","offset","timestamp","key","value","headers"}.
 * Keys and values that are not UTF-8 stand as base64 under key_base64 and value_base64. What
 * consume prints, produce reads. */
#pragma once
#include <jansson.h>

#include "wire/record.h"

/* NULL, or what is wrong with the line. Texts go to the arena; *out_partition is -1 when it does
 * not say. A timestamp and headers that the line does not name stay as they are in *record. */
const char *record_from_json(
    struct str line, struct arena *arena, struct record *record, int64_t *out_partition);
json_t *record_to_json(
    struct record *record, struct str topic, int32_t partition, struct arena *arena);
json_t *bytes_to_json(
    struct bytes bytes, bool *out_is_base64, struct arena *arena); /* a string, or null */
