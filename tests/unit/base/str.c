/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "test.h"

void test_str__reads_whole_decimals_only(void)
{
    int64_t value;
    assert_true(str_to_int64(STR("-9223372036854775808"), &value));
    assert_true(value == INT64_MIN);
    assert_false(str_to_int64(STR("9223372036854775808"), &value));
    assert_false(str_to_int64(STR("12x"), &value));
    assert_false(str_to_int64(STR(""), &value));
    assert_false(str_to_int64(STR("-"), &value));
}

/* Kafka stores such values as they are written, so a directory of its may hold them. */
void test_str__reads_numbers_as_java_does(void)
{
    int64_t value;
    double number;
    assert_true(str_to_int64(STR("-\xd9\xa3\xef\xbc\x94" "5"), &value) && value == -345);
    assert_false(str_to_int64(STR("\xd9"), &value));
    assert_false(str_to_int64(STR("\xf0\x9d\x9f\x8e"), &value));
    assert_true(str_to_double(STR("0.5f"), &number) && number == 0.5);
    assert_true(str_to_double(STR("5e-1D"), &number) && number == 0.5);
    assert_true(str_to_double(STR("0x1p-1"), &number) && number == 0.5);
    assert_true(str_to_double(STR("1e-400"), &number) && number == 0);
    assert_true(str_to_double(STR("-Infinity"), &number) && number < -1e308);
    const char *others[] = { "", "f", "0x1", "inf", "nan", "Infinityf", "1 ", "1ff", "\xd9\xa0.5" };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(str_to_double(str_from(others[i]), &number));
    assert_true(str_is(str_trim(STR("\x01\t 333\x1f")), "333"));
}

void test_str__is_cut_between_characters(void)
{
    struct str text = STR("a\xc3\xa4\xe2\x82\xac!");
    assert_true(str_equal(str_cut(text, 7), text));
    assert_true(str_is(str_cut(text, 6), "a\xc3\xa4\xe2\x82\xac"));
    assert_true(str_is(str_cut(text, 5), "a\xc3\xa4"));
    assert_true(str_is(str_cut(text, 2), "a"));
    assert_int_equal(str_cut(text, 0).size, 0);
}

void test_str__splits_every_piece_also_empty_ones(void)
{
    struct str rest = STR("a,,b"), piece;
    assert_true(str_split(&rest, ',', &piece) && str_is(piece, "a"));
    assert_true(str_split(&rest, ',', &piece) && piece.size == 0);
    assert_true(str_split(&rest, ',', &piece) && str_is(piece, "b"));
    assert_false(str_split(&rest, ',', &piece));
}

void test_str__knows_utf8(void)
{
    assert_true(str_is_utf8(STR("\xc3\xa9 \xf0\x9f\x98\x80")));
    assert_false(str_is_utf8(STR("\xc0\xaf")));
    assert_false(str_is_utf8(STR("\xed\xa0\x80")));
    assert_false(str_is_utf8(STR("\xe2\x82")));
}

void test_str__measures_the_distance_of_names(void)
{
    assert_int_equal(str_distance(STR("log.dir"), STR("log.dirs")), 1);
    assert_int_equal(str_distance(STR("same"), STR("same")), 0);
}
