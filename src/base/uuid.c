/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void uuid_print(struct uuid id, char text[UUID_TEXT_SIZE + 1])
{
    uint32_t bits = 0;
    int bit_count = 0, out = 0;
    for (int i = 0; i < 16; i++) {
        bits = bits << 8 | id.bytes[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            text[out++] = alphabet[bits >> bit_count & 63];
        }
    }
    text[out++] = alphabet[bits << (6 - bit_count) & 63];
    text[out] = 0;
}

bool uuid_parse(struct str text, struct uuid *out_id)
{
    if (text.size == UUID_TEXT_SIZE + 2 && text.data[22] == '=' && text.data[23] == '=')
        text.size = UUID_TEXT_SIZE;
    if (text.size != UUID_TEXT_SIZE)
        return false;
    struct uuid id = UUID_ZERO;
    uint32_t bits = 0;
    int bit_count = 0, out = 0;
    for (int i = 0; i < UUID_TEXT_SIZE; i++) {
        const char *at = text.data[i] == 0 ? NULL : strchr(alphabet, text.data[i]);
        if (at == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        bit_count += 6;
        if (bit_count >= 8 && out < 16) {
            bit_count -= 8;
            id.bytes[out++] = (uint8_t)(bits >> bit_count);
        }
    }
    *out_id = id;
    return true;
}

struct uuid uuid_from_random(const uint8_t random[16])
{
    struct uuid id;
    memcpy(id.bytes, random, 16);
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    if (id.bytes[0] >> 2 == 62) /* '-' in the alphabet: a text that looks like an option */
        id.bytes[0] &= 0x7f;
    return id;
}
