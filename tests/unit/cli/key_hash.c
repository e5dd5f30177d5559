/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/key_hash.h"

#include "test.h"

/* Values of Java's client. */
void test_key_hash__is_that_of_javas_client(void)
{
    static const struct {
        const char *key;
        int32_t hash;
    } rows[] = { { "21", -973932308 }, { "foobar", -790332482 },
        { "a-little-bit-long-string", -985981536 }, { "a-little-bit-longer-string", -1486304829 },
        { "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971 }, { "abc", 479470107 } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes key = { (const uint8_t *)rows[i].key, strlen(rows[i].key) };
        assert_int_equal((int32_t)key_hash(key), rows[i].hash);
    }
}
