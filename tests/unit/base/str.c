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
