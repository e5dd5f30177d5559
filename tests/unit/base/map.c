/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "test.h"

/* The same key and bytes give the same hash; another key, or other bytes, another one. */
void test_map__hash_depends_on_key_and_bytes(void)
{
    uint8_t input[15];
    for (uint8_t i = 0; i < sizeof(input); i++)
        input[i] = i;
    map_set_key(0x0706050403020100u, 0x0f0e0d0c0b0a0908u);
    unsigned first = map_hash(input, sizeof(input));
    assert_int_equal(first, map_hash(input, sizeof(input)));
    map_set_key(1, 2);
    assert_int_not_equal(first, map_hash(input, sizeof(input)));
    assert_int_not_equal(map_hash(input, 14), map_hash(input, 15));
}
