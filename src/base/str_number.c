/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as Java reads them, for settings that Kafka took and stored are written that way. */
#include <stdlib.h>

#include "base/str.h"

/* Where ten digits of a script begin; those above 16 bits Java does not take. */
static const uint16_t digit_zeros[] = {
    '0', 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66,
    0x0CE6, 0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946,
    0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0,
    0xA9F0, 0xAA50, 0xABF0, 0xFF10,
};

/* The digit that the text begins with, which it loses; -1: none. */
static int take_digit(struct str *text)
{
    const uint8_t *bytes = (const uint8_t *)text->data;
    int32_t size = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : 3, code = bytes[0];
    if (size > text->size)
        return -1;
    if (size == 2)
        code = (bytes[0] & 0x1f) << 6 | (bytes[1] & 0x3f);
    if (size == 3)
        code = (bytes[0] & 0x0f) << 12 | (bytes[1] & 0x3f) << 6 | (bytes[2] & 0x3f);
    text->data += size;
    text->size -= size;
    for (size_t i = 0; i < sizeof(digit_zeros) / sizeof(digit_zeros[0]); i++)
        if (code >= digit_zeros[i] && code < digit_zeros[i] + 10)
            return code - digit_zeros[i];
    return -1;
}

bool str_to_int64(struct str text, int64_t *out_value)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    int64_t value = 0;
    if (text.size > 0 && (is_negative || text.data[0] == '+')) {
        text.data++;
        text.size--;
    }
    if (text.size == 0)
        return false;
    while (text.size > 0) {
        int digit = take_digit(&text);
        if (digit < 0 || __builtin_mul_overflow(value, 10, &value) ||
            (is_negative ? __builtin_sub_overflow(value, digit, &value)
                         : __builtin_add_overflow(value, digit, &value)))
            return false;
    }
    *out_value = value;
    return true;
}

bool str_to_double(struct str text, double *out_value)
{
    char copy[64];
    int32_t size = text.size;
    if (size == 0 || size >= (int32_t)sizeof(copy))
        return false;
    if (size > 1 && strchr("fFdD", text.data[size - 1]) != NULL)
        size--;
    memcpy(copy, text.data, (size_t)size);
    copy[size] = 0;
    const char *magnitude = copy + (copy[0] == '-' || copy[0] == '+');
    bool is_word = size == text.size &&
                   (strcmp(magnitude, "NaN") == 0 || strcmp(magnitude, "Infinity") == 0);
    bool is_hex = strpbrk(copy, "xX") != NULL;
    if (!is_word && strspn(copy, "0123456789+-.abcdefABCDEFpPxX") != (size_t)size)
        return false;
    if (is_hex && strpbrk(copy, "pP") == NULL)
        return false;
    char *end;
    *out_value = strtod(copy, &end); /* too small is 0, too large infinite, as in Java */
    return end == copy + size;
}
