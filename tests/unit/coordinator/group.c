/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group.h"

#include "coordinator/groups.h"

#include "test.h"

/* As String.hashCode() of Java 17 gives, without its sign, modulo the number of partitions. */
void test_group__has_the_home_that_kafka_gives_it(void)
{
    static const struct {
        const char *id;
        int32_t of_fifty, of_seven;
    } homes[] = { { "", 0, 0 }, { "test", 48, 1 }, { "my-group", 12, 1 },
        { "gr\xc3\xbc\xc3\x9f"
          "e",
            23, 4 },
        { "\xf0\x9f\x98\x80", 49, 2 }, { "polygenelubricants", 0, 0 } };
    for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++) {
        assert_int_equal(group_home_index(str_from(homes[i].id), 50), homes[i].of_fifty);
        assert_int_equal(group_home_index(str_from(homes[i].id), 7), homes[i].of_seven);
    }
}

/* What is no UTF-8 has a home too. */
void test_group__bytes_that_are_no_text_have_a_home(void)
{
    const char *ids[] = { "\xff", "\xc3", "\xe2\x82", "\xf4\x90\x80\x80", "\xed\xa0", "a\x80z" };
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        int32_t home = group_home_index(str_from(ids[i]), 50);
        assert_true(home >= 0 && home < 50);
    }
}

static int32_t narrowed(struct str *filter, int32_t count)
{
    groups_narrow(filter, &count);
    return count;
}

/* Of what a request may name, in any order and however often, only so much is compared with groups.
 */
void test_group__a_filter_is_narrowed(void)
{
    struct str states[] = { STR("x"), STR(" stable"), STR("STABLE"), STR(""), STR("NotReady"),
        STR("Empty") };
    assert_int_equal(narrowed(states, 6), 3);
    assert_true(str_is(states[0], " stable"));
    assert_true(str_is(states[1], "NotReady") && str_is(states[2], "Empty"));
    struct str nothing[] = { STR("x"), STR("y"), STR("x") };
    assert_int_equal(narrowed(nothing, 3), 1); /* else all would pass */
    assert_true(str_is(nothing[0], "x"));
    assert_int_equal(narrowed(NULL, 0), 0);
    assert_int_equal(narrowed(NULL, -1), -1);
}

void test_group__every_state_and_type_passes(void)
{
    struct str all[] = { STR("Empty"), STR("PreparingRebalance"), STR("CompletingRebalance"),
        STR("Stable"), STR("Assigning"), STR("Reconciling"), STR("NotReady"), STR("Dead"),
        STR("classic"), STR("consumer"), STR("share"), STR("streams") };
    assert_int_equal(narrowed(all, 12), 12);
}
