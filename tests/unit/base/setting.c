/* SPDX-License-Identifier: Apache-2.0 */
#include "base/setting.h"
#include "test.h"

struct values {
    bool on;
    int32_t small, choice, choices;
    int64_t large;
    double ratio;
    struct str text;
};

static const struct setting_choice colours[] = { { "red", 1 }, { "green", 2 }, { NULL } };

#define AT(field) offsetof(struct values, field)
static const struct setting rows[] = {
    { "on", SETTING_BOOL, AT(on), "false", "" },
    { "small", SETTING_INT32, AT(small), "1", "", SETTING_BETWEEN(-1, 9),
        .flags = SETTING_NOT_ZERO },
    { "short", SETTING_INT16, AT(small), "1", "" },
    { "large", SETTING_INT64, AT(large), "9223372036854775807", "", SETTING_AT_LEAST(1) },
    { "ratio", SETTING_DOUBLE, AT(ratio), "0.5", "", SETTING_BETWEEN(0, 1) },
    { "text", SETTING_STRING, AT(text), NULL, "", .flags = SETTING_NOT_EMPTY },
    { "colour", SETTING_CHOICE, AT(choice), "red", "", .choices = colours },
    { "colours", SETTING_CHOICES, AT(choices), "red", "", .choices = colours },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct arena arena;

static const struct setting *row(const char *name)
{
    const struct setting *found = setting_find(rows, ROWS, str_from(name));
    assert_non_null(found);
    return found;
}

static void expect_refused(const char *name, const char *text, const char *message)
{
    struct str said;
    assert_false(setting_parse(row(name), str_from(text), &arena, NULL, &said));
    if (!str_is(said, message))
        fail_msg("'%.*s' is not '%s'", STR_PRINT(said), message);
}

static void expect_printed(const char *name, const char *text, const char *printed)
{
    struct values values = { 0 };
    struct str said;
    assert_true(setting_parse(row(name), str_from(text), &arena, &values, &said));
    struct str again = setting_print(row(name), &values, &arena);
    if (!str_is(again, printed))
        fail_msg("'%.*s' is not '%s'", STR_PRINT(again), printed);
}

/* Clients show these texts, and tests of other people compare them. */
void test_setting__refuses_in_kafkas_words(void)
{
    arena_init(&arena);
    expect_refused("on", "yes",
        "Invalid value yes for configuration on: Expected value to be either true or false");
    expect_refused("small", "10",
        "Invalid value 10 for configuration small: Value must be between 1 and 9 or equal to -1");
    expect_refused("small", "0",
        "Invalid value 0 for configuration small: Value must be between 1 and 9 or equal to -1");
    expect_refused("small", "2147483648",
        "Invalid value 2147483648 for configuration small: Not a number of type INT");
    expect_refused("short", "32768",
        "Invalid value 32768 for configuration short: Not a number of type SHORT");
    expect_refused(
        "large", "0", "Invalid value 0 for configuration large: Value must be at least 1");
    expect_refused(
        "large", "", "Invalid value  for configuration large: Not a number of type LONG");
    expect_refused(
        "ratio", "1.5", "Invalid value 1.5 for configuration ratio: Value must be no more than 1");
    expect_refused("text", " ", "Invalid value  for configuration text: String must be non-empty");
    expect_refused("colour", "Red",
        "Invalid value Red for configuration colour: String must be one of: red, green");
    expect_refused("colours", "red,blue",
        "Invalid value blue for configuration colours: String must be one of: red, green");
    expect_refused("colours", "red,,green", "Configuration 'colours' values must not be empty.");
    arena_deinit(&arena);
}

void test_setting__prints_what_it_parsed(void)
{
    arena_init(&arena);
    expect_printed("on", " TRUE ", "true");
    expect_printed("small", "+9", "9");
    expect_printed("large", "9223372036854775807", "9223372036854775807");
    expect_printed("ratio", "0.25", "0.25");
    expect_printed("text", "a, b", "a, b");
    expect_printed("colour", "green", "green");
    expect_printed("colours", "green , red", "red,green");
    expect_printed("colours", "red,red", "red");
    expect_printed("colours", "", "");
    arena_deinit(&arena);
}

void test_setting__fills_defaults(void)
{
    arena_init(&arena);
    struct values values = { 0 };
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(setting_parse_unset(&rows[i], &arena, &values), rows[i].unset != NULL);
    assert_true(values.large == INT64_MAX);
    assert_true(str_is_null(values.text));
    arena_deinit(&arena);
}

static void expect_fault(const char *name, const char *text, const char *fault)
{
    const char *said = setting_describe_fault(row(name), str_from(text), &arena);
    assert_string_equal(said, fault);
}

/* Above the bound that a type sets by itself, "at least 1" would not help anybody. */
void test_setting__names_the_bound_that_a_number_breaks(void)
{
    arena_init(&arena);
    expect_fault("short", "32768", "too large; it must be at most 32767");
    expect_fault("small", "99999999999", "too large; it must be at most 9");
    expect_fault(
        "large", "9223372036854775808", "too large; it must be at most 9223372036854775807");
    expect_fault("large", "0", "not valid; it must be a whole number, at least 1");
    expect_fault("large", "ten", "not valid; it must be a whole number, at least 1");
    arena_deinit(&arena);
}

void test_setting__names_the_nearest(void)
{
    assert_string_equal(setting_nearest(rows, ROWS, STR("color"))->name, "colour");
    assert_null(setting_nearest(rows, ROWS, STR("something.else")));
}

static void check_normal(const struct setting *row, const char *text, const char *normal)
{
    struct str found = setting_normalize(row, str_from(text), &arena);
    if (!str_is(found, normal))
        fail_msg("'%s' becomes '%.*s', not '%s'", text, STR_PRINT(found), normal);
}

/* As Kafka 4.4.0 tells them in DescribeConfigs. */
void test_setting__print_values_as_java_does(void)
{
    static const struct setting number = { "n", SETTING_DOUBLE, SETTING_NOWHERE, "0", "" };
    static const struct setting whole = { "w", SETTING_INT64, SETTING_NOWHERE, "0", "" };
    static const struct setting truth = { "t", SETTING_BOOL, SETTING_NOWHERE, "true", "" };
    static const struct setting list = { "l", SETTING_LIST, SETTING_NOWHERE, "", "" };
    static const struct setting distinct = { "d", SETTING_LIST, SETTING_NOWHERE, "", "",
        .flags = SETTING_DISTINCT };
    arena_init(&arena);
    check_normal(&number, "2", "2.0");
    check_normal(&number, " .50", "0.5");
    check_normal(&number, "0", "0.0");
    check_normal(&number, "1e-5", "1.0E-5");
    check_normal(&number, "0.001", "0.001");
    check_normal(&number, "9999999", "9999999.0");
    check_normal(&number, "12345678.5", "1.23456785E7");
    check_normal(&number, "1.7976931348623157E308", "1.7976931348623157E308");
    check_normal(&whole, "+005 ", "5");
    check_normal(&truth, " TRUE", "true");
    check_normal(&truth, "False", "false");
    check_normal(&list, " a , b,a", "a,b,a");
    check_normal(&distinct, " a , b,a", "a,b");
    check_normal(&distinct, "", "");
    arena_deinit(&arena);
}
