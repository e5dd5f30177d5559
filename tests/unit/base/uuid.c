/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include "base/prng.h"
#include "test.h"

/* Kafka prints ids as url-safe base64 without padding; whatever is printed reads back as the same id. */
void test_uuid__printed_reads_back_as_the_same(void)
{
    struct prng prng;
    prng_init(&prng, 7);
    for (int i = 0; i < 1000; i++) {
        struct uuid id, again;
        char text[UUID_TEXT_SIZE + 1];
        prng_fill(&prng, &id, sizeof(id));
        uuid_print(id, text);
        assert_true(uuid_parse(str_from(text), &again));
        assert_memory_equal(id.bytes, again.bytes, 16);
    }
}

void test_uuid__zero_is_all_a(void)
{
    char text[UUID_TEXT_SIZE + 1];
    uuid_print(UUID_ZERO, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAA");
}

void test_uuid__refuses_what_is_not_an_id(void)
{
    struct uuid id;
    assert_false(uuid_parse(STR("AAAAAAAAAAAAAAAAAAAAA"), &id));
    assert_false(uuid_parse(STR("AAAAAAAAAAAAAAAAAAAAA!"), &id));
    assert_false(uuid_parse(STR(""), &id));
}
