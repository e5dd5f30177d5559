/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/subscription.h"

#include <assert.h>

#include "base/arena.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/reader.h"

static bool parse(const struct message_schema *schema, struct bytes blob, struct arena *arena,
    void *out_message, int16_t *out_version)
{
    struct reader reader = reader_of(blob);
    int16_t version = reader_i16(&reader);
    if (reader.failed || version < schema->min_version)
        return false;
    if (version > schema->max_version)
        version = schema->max_version;
    if (out_version != NULL)
        *out_version = version;
    struct bytes body = { reader.at, reader_left(&reader) };
    return message_decode(schema, version, body, arena, out_message, NULL);
}

bool subscription_parse(struct bytes blob, struct arena *arena,
    struct consumer_protocol_subscription_record *out_subscription, int16_t *out_version)
{
    return parse(
        &consumer_protocol_subscription_record_schema, blob, arena, out_subscription, out_version);
}

bool subscription_parse_assignment(struct bytes blob, struct arena *arena,
    struct consumer_protocol_assignment_record *out_assignment)
{
    return parse(&consumer_protocol_assignment_record_schema, blob, arena, out_assignment, NULL);
}

struct bytes subscription_encode_assignment(int16_t version,
    const struct consumer_protocol_assignment_record *assignment, struct arena *arena)
{
    const struct message_schema *schema = &consumer_protocol_assignment_record_schema;
    assert(schema_has_version(schema, version));
    uint8_t head[sizeof(version)];
    store_i16(head, version);
    return message_in_arena(
        arena, (struct bytes){ head, sizeof(head) }, schema, version, assignment);
}
