/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/record.h"

#include <assert.h>

#include "wire/encode.h"
#include "wire/schema.h"

static uint8_t *write_unsigned(uint8_t *out, uint32_t value)
{
    for (; value >= 0x80; value >>= 7)
        *out++ = (uint8_t)(value | 0x80);
    *out++ = (uint8_t)value;
    return out;
}

struct bytes metadata_record_encode(
    struct arena *arena, const struct message_schema *schema, int16_t version, const void *message)
{
    assert(schema->key >= 0 && schema_has_version(schema, version));
    uint8_t head[15];
    uint8_t *head_end = write_unsigned(head, METADATA_FRAME_VERSION);
    head_end = write_unsigned(head_end, (uint32_t)schema->key);
    head_end = write_unsigned(head_end, (uint32_t)version);
    struct bytes head_bytes = { head, (size_t)(head_end - head) };
    return message_in_arena(arena, head_bytes, schema, version, message);
}

static bool read_unsigned(struct bytes *rest, int32_t *out_value)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 32; shift += 7) {
        if (rest->size == 0)
            return false;
        uint8_t byte = *rest->data++;
        rest->size--;
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out_value = (int32_t)value;
            return *out_value >= 0;
        }
    }
    return false;
}

bool metadata_record_parse(struct bytes record, struct metadata_record *out_record)
{
    int32_t frame_version;
    if (record.data == NULL || !read_unsigned(&record, &frame_version) ||
        frame_version != METADATA_FRAME_VERSION)
        return false;
    if (!read_unsigned(&record, &out_record->type) || !read_unsigned(&record, &out_record->version))
        return false;
    out_record->fields = record;
    return true;
}
