/* SPDX-License-Identifier: Apache-2.0 */
/* What Produce may append: Kafka's rules for the one batch that a partition's records hold, with
 * Kafka's codes and, for single records, Kafka's words; and the rewriting that goes with them. Compressed records are checked as a stream
 * with a window of a few KiB. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/str.h"
#include "error.h"
#include "wire/batch.h"

struct arena;
struct decompressor;

struct batch_rules {
    int32_t max_message_bytes;
    size_t max_uncompressed_size; /* what one compressed batch may hold */
    int32_t max_record_size;      /* and each of its records */
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    bool log_append_time; /* message.timestamp.type */
    bool keys_required;   /* cleanup.policy has compact */
    bool header_only;     /* produce.validate=header: do not decompress */
    bool offsets_checked; /* the records will be compressed: see below */
    bool allow_zstd;      /* Produce 7+ */
    struct str topic;     /* for messages only, as is the next */
    int32_t partition_index;
};

struct record_error {
    int32_t index;       /* of the record in its batch */
    const char *message; /* in the arena, or fixed text */
};

enum { RECORD_ERRORS_LISTED = 1000 };

struct batch_verdict {
    enum error error;
    bool is_unseen; /* refused for what it is, before a log was looked at */
    const char *message; /* in the arena or fixed text, NULL when there is nothing to say */
    struct record_error *record_errors;
    int32_t record_error_count;   /* listed */
    int32_t refused_record_count; /* more than are listed, perhaps */
    struct batch_header header; /* of the batch, as it is after the rewriting */
};

/* The offsets of records are looked at only where they are or will be compressed: Kafka takes others as they are.
 * Checks records, and on ERROR_NONE leaves the batch ready for the log but for base offset and
 * leader epoch: log append time (now_ms) or the true maximum timestamp is set, and the CRC with it.
 * Bytes behind the batch that are not a batch are ignored, as Kafka does: header.size is what
 * counts. Errors of records live in the arena. */
void batch_validate(struct decompressor *decompressor, const struct batch_rules *rules,
    int64_t now_ms, uint8_t *records, size_t size, struct arena *arena,
    struct batch_verdict *out_verdict);
