/* SPDX-License-Identifier: Apache-2.0 */
/* A Fetch of one partition without a session, and what it brought. */
#pragma once
#include <stdint.h>

#include "base/bytes.h"
#include "base/uuid.h"

struct arena;
struct buffer;

struct fetch_position {
    struct uuid topic;
    int32_t partition;
    int64_t offset;
    int32_t max_bytes;
    int32_t max_wait_ms;
    int32_t correlation_id;
};

struct buffer *fetch_frame(const struct fetch_position *position);
struct bytes fetched_records(
    struct bytes answer, struct arena *arena, int64_t *out_high_watermark); /* maybe cut */
