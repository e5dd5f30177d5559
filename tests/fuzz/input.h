/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzz target reads its decisions from, front to back. Behind the end come zeros, for ever: every input means
 * something, and a cut one means nearly the same. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

struct input {
    const uint8_t *at, *end;
};

/* What every target is: libFuzzer, or replay.c, calls it. Returns 0; what is wrong ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct input input_of(const uint8_t *data, size_t size)
{
    return (struct input){ data, data + size };
}

static inline size_t input_left(const struct input *input)
{
    return (size_t)(input->end - input->at);
}

static inline uint8_t input_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* Big-endian, of size bytes. */
static inline uint64_t input_number(struct input *input, int size)
{
    uint64_t number = 0;
    for (int i = 0; i < size; i++)
        number = number << 8 | input_byte(input);
    return number;
}

static inline bool input_bit(struct input *input)
{
    return (input_byte(input) & 1) != 0;
}

/* Fewer at the end. */
static inline struct bytes input_take(struct input *input, size_t size)
{
    struct bytes bytes = { input->at, size < input_left(input) ? size : input_left(input) };
    input->at += bytes.size;
    return bytes;
}

static inline struct bytes input_rest(struct input *input)
{
    return input_take(input, input_left(input));
}

/* One byte for small numbers, the ends of every range, and what lies around them; eight more for any. */
static inline int64_t input_odd(struct input *input)
{
    static const int64_t ends[] = { -1, INT8_MIN, INT8_MAX, INT16_MIN, INT16_MAX, INT32_MIN, INT32_MAX, UINT32_MAX, INT64_MIN,
        INT64_MAX, -2, INT64_C(1) << 20, INT64_C(1760000000000) };
    uint8_t choice = input_byte(input);
    if (choice < 200)
        return choice;
    if (choice < 200 + sizeof(ends) / sizeof(ends[0]))
        return ends[choice - 200];
    return (int64_t)input_number(input, choice < 235 ? 2 : 8);
}
