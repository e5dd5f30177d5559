/* SPDX-License-Identifier: Apache-2.0 */
/* The blobs of the classic consumer protocol: what a member of a classic group subscribes to, and
 * what it was assigned. Each begins with its version; a later one than the highest known is read as
 * that, as its beginning is the same. A subscription of an early version has no owned partitions, a
 * generation of -1 and a null rack. What is parsed lies in the arena and borrows its texts from the
 * blob; the client may name partitions that cannot be, and topics twice. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "wire/gen/consumer_protocol_assignment_record.h"
#include "wire/gen/consumer_protocol_subscription_record.h"

struct arena;

/* False: not such a blob. out_version (may be NULL) is the one it was read as, so that an answer
 * can be written in the same. */
bool subscription_parse(struct bytes blob, struct arena *arena,
    struct consumer_protocol_subscription_record *out_subscription, int16_t *out_version);
/* An empty blob, which Kafka stores for a member that was assigned nothing, is none either. */
bool subscription_parse_assignment(struct bytes blob, struct arena *arena,
    struct consumer_protocol_assignment_record *out_assignment);
/* In a version that subscription_parse() gave. */
struct bytes subscription_encode_assignment(int16_t version,
    const struct consumer_protocol_assignment_record *assignment, struct arena *arena);
