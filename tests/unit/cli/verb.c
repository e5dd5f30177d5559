/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"
#include "test.h"

static const struct option options[] = {
    { "partitions", 'p', "N", "" },
    { "config", 'c', "KEY=VALUE", "" },
    { "force", 0, NULL, "" },
    { NULL },
};
static const struct verb verb = { "topic create", "NAME", 1, 1, "", NULL, options, NULL };

static int parse(struct arguments *arguments, int count, ...)
{
    static char *argv[16];
    va_list list;
    va_start(list, count);
    for (int i = 0; i < count; i++)
        argv[i] = va_arg(list, char *);
    va_end(list);
    return arguments_parse(&verb, count, argv, arguments);
}

void test_verb__takes_options_anywhere_and_in_all_spellings(void)
{
    struct arguments arguments;
    int position = 0;
    assert_int_equal(parse(&arguments, 8, "--partitions=3", "a", "-c", "x=1", "--config", "y=2",
                         "--force", "-p4"),
        -1);
    assert_string_equal(arguments.words[0], "a");
    assert_string_equal(argument(&arguments, "partitions"), "4");
    assert_true(argument_given(&arguments, "force"));
    assert_string_equal(argument_after(&arguments, "config", &position), "x=1");
    assert_string_equal(argument_after(&arguments, "config", &position), "y=2");
    assert_null(argument_after(&arguments, "config", &position));
    arguments_deinit(&arguments);
}

void test_verb__ends_options_with_two_dashes(void)
{
    struct arguments arguments;
    assert_int_equal(parse(&arguments, 2, "--", "--force"), -1);
    assert_string_equal(arguments.words[0], "--force");
    arguments_deinit(&arguments);
}

void test_verb__refuses_misuse_before_anything_is_tried(void)
{
    struct arguments arguments;
    assert_int_equal(parse(&arguments, 2, "a", "--partition"), EXIT_MISUSED);
    arguments_deinit(&arguments);
    assert_int_equal(parse(&arguments, 2, "a", "-p"), EXIT_MISUSED);
    arguments_deinit(&arguments);
    assert_int_equal(parse(&arguments, 2, "a", "--force=1"), EXIT_MISUSED);
    arguments_deinit(&arguments);
    assert_int_equal(parse(&arguments, 2, "a", "b"), EXIT_MISUSED);
    arguments_deinit(&arguments);
    assert_int_equal(parse(&arguments, 0), EXIT_MISUSED);
    arguments_deinit(&arguments);
}

void test_verb__reads_numbers_within_bounds(void)
{
    struct arguments arguments;
    int64_t value = 9;
    assert_int_equal(parse(&arguments, 1, "a"), -1);
    assert_true(argument_number(&arguments, "partitions", 1, 10, &value));
    assert_int_equal(value, 9);
    arguments_deinit(&arguments);
    assert_int_equal(parse(&arguments, 2, "a", "-p11"), -1);
    assert_false(argument_number(&arguments, "partitions", 1, 10, &value));
    arguments_deinit(&arguments);
}
