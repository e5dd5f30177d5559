/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/regex.h"

#include <string.h>

#include "test.h"

/* 1: the text matches, 0: it does not, -1: that is no expression. */
static int try(const char *expression, const char *text, char *reason, size_t reason_size)
{
    struct regex *regex =
        regex_create(expression, (int32_t)strlen(expression), reason, reason_size);
    if (regex == NULL)
        return -1;
    int result = regex_matches(regex, text, (int32_t)strlen(text));
    regex_destroy(regex);
    return result;
}

void test_regex__the_whole_name_must_match(void)
{
    static const struct {
        const char *expression, *text;
        int expected;
    } rows[] = {
        { "orders", "orders", 1 },
        { "orders", "orders-eu", 0 },
        { "orders", "my-orders", 0 },
        { "orders.*", "orders-eu", 1 },
        { "orders|bills", "bills", 1 },
        { "orders|bills", "bills-eu", 0 }, /* the whole, whichever branch it is */
        { "^orders$", "orders", 1 },
        { "", "", 1 },
        { "", "a", 0 },
        { ".*", "__consumer_offsets", 1 },
        { "(?i)ORDERS", "orders", 1 },
        { "[a-c]{2,3}\\d", "abc7", 1 },
        { "\\p{L}+", "\xc3\xa4", 1 },
        { "a.c",
            "a\xc3\xa4"
            "c",
            1 }, /* a character, not a byte */
        { "a\\.b", "axb", 0 },
        { "(a)\\1", "aa", -1 }, /* what RE2 cannot do in linear time is no expression */
        { "(?=a)a", "a", -1 },
        { "(a", "a", -1 },
        { "a**", "a", -1 },
        { "[z-a]", "a", -1 },
        { "\xff", "a", -1 },
        { "a{1001}", "a", -1 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char reason[100];
        assert_int_equal(
            try(rows[i].expression, rows[i].text, reason, sizeof(reason)), rows[i].expected);
    }
}

void test_regex__says_why_it_is_none(void)
{
    char reason[100], start[8];
    assert_int_equal(try("orders(", "", reason, sizeof(reason)), -1);
    assert_string_equal(reason, "missing ): orders(");
    assert_int_equal(try("orders(", "", start, sizeof(start)), -1);
    assert_string_equal(start, "missing");
}

/* What is not read at once is large, whatever it is; and what is small is read either way. */
void test_regex__reads_at_once_what_is_small(void)
{
    static const struct {
        const char *piece;
        int count;
        enum regex_outcome expected;
    } rows[] = {
        { "orders-.*", 1, REGEX_MADE },
        { "[a-z]+\\.(orders|bills)-v\\d", 1, REGEX_MADE },
        { "(", 1, REGEX_NONE },
        { "a{1001}", 1, REGEX_NONE },
        { "\\p{L}{900}", 1, REGEX_LARGE }, /* much to keep */
        { "\\pL", 43, REGEX_LARGE },       /* long to read */
        { "(", 129, REGEX_LARGE },
        { "a", REGEX_SIZE_MOST, REGEX_LARGE },
        { "a", REGEX_SIZE_MOST + 1, REGEX_NONE },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char text[REGEX_SIZE_MOST + 2], reason[100], *at = text;
        struct regex *regex;
        for (int k = 0; k < rows[i].count; k++)
            at = stpcpy(at, rows[i].piece);
        assert_int_equal(
            regex_create_small(text, (int32_t)(at - text), &regex, reason, sizeof(reason)),
            rows[i].expected);
        assert_int_equal(regex != NULL, rows[i].expected == REGEX_MADE);
        regex_destroy(regex);
    }
}

/* Small to write, and large to keep. */
void test_regex__refuses_what_would_need_much_memory(void)
{
    char text[400], reason[100], *at = text;
    for (int i = 0; i < 30; i++)
        at = stpcpy(at, ".{900}a");
    assert_int_equal(try(text, "a", reason, sizeof(reason)), -1);
    assert_string_equal(reason, "pattern too large - compile failed");
}
