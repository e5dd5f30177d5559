/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include "base/arena.h"
#include "test.h"

static struct arena arena;

/* The examples of RFC 4648, section 10. */
void test_base64__prints_and_parses_the_examples_of_its_rfc(void)
{
    static const char *const rows[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
        { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" } };
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes plain = { (const uint8_t *)rows[i][0], strlen(rows[i][0]) }, again;
        assert_string_equal(base64_print(plain, &arena), rows[i][1]);
        assert_true(base64_parse(rows[i][1], strlen(rows[i][1]), &arena, &again));
        assert_true(bytes_equal(plain, again));
    }
    arena_deinit(&arena);
}

void test_base64__refuses_what_is_no_digit(void)
{
    static const char *const texts[] = { "Zg=x", "Z", "Zm9v*", "====", "Z===" };
    struct bytes out;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(base64_parse(texts[i], strlen(texts[i]), &arena, &out));
    arena_deinit(&arena);
}
