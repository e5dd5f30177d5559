/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include "base/arena.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_print(struct bytes bytes, struct arena *arena)
{
    char *text = arena_take(arena, (bytes.size + 2) / 3 * 4 + 1), *at = text;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        if (left > 1)
            group |= (uint32_t)bytes.data[i + 1] << 8;
        if (left > 2)
            group |= bytes.data[i + 2];
        *at++ = digits[group >> 18];
        *at++ = digits[group >> 12 & 63];
        *at++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[group & 63] : '=';
    }
    *at = 0;
    return text;
}

bool base64_parse(const char *text, size_t size, struct arena *arena, struct bytes *out_bytes)
{
    uint8_t *bytes = arena_take(arena, size + 1), *at = bytes;
    uint32_t group = 0;
    int bits = 0;
    for (int i = 0; i < 2 && size > 0 && text[size - 1] == '='; i++)
        size--;
    if (size % 4 == 1)
        return false;
    for (size_t i = 0; i < size; i++) {
        const char *digit = text[i] == 0 ? NULL : strchr(digits, text[i]);
        if (digit == NULL)
            return false;
        group = group << 6 | (uint32_t)(digit - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *at++ = (uint8_t)(group >> bits);
        }
    }
    *out_bytes = (struct bytes){ bytes, (size_t)(at - bytes) };
    return true;
}
