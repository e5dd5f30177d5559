/* SPDX-License-Identifier: Apache-2.0 */
#include "base/properties.h"
#include "test.h"

static struct str value_of(struct properties *properties, const char *text, const char *key)
{
    properties_init(properties);
    assert_int_equal(properties_parse(properties, str_from(text)), 0);
    return properties_get(properties, str_from(key));
}

static void expect(const char *text, const char *key, const char *value)
{
    struct properties properties;
    struct str found = value_of(&properties, text, key);
    if (!str_is(found, value))
        fail_msg("%s: %s is '%.*s', not '%s'", text, key, STR_PRINT(found), value);
    properties_deinit(&properties);
}

/* The forms that java.util.Properties documents. */
void test_properties__reads_what_java_reads(void)
{
    expect("a=b", "a", "b");
    expect("a = b ", "a", "b ");
    expect("a:b\n", "a", "b");
    expect("  a   b", "a", "b");
    expect("a", "a", "");
    expect("a==b", "a", "=b");
    expect("# a=c\n! a=d\n\n   \na=b", "a", "b");
    expect("a=1\r\nb=2\r\n", "b", "2");
    expect("a=one,\\\n   two", "a", "one,two");
    expect("a\\ b=c", "a b", "c");
    expect("a\\=b=c", "a=b", "c");
    expect("a=\\u00e9\\t\\x\\\\", "a", "\xc3\xa9\tx\\");
    expect("a=\\uD83D\\uDE00", "a", "\xf0\x9f\x98\x80");
    expect("a=1\na=2", "a", "2");
    expect("a=b\\", "a", "b");
}

void test_properties__knows_the_line_of_a_key(void)
{
    struct properties properties;
    value_of(&properties, "# one\na=1,\\\n 2\nb=3\n", "a");
    assert_int_equal(properties_find(&properties, STR("a"))->line, 2);
    assert_int_equal(properties_find(&properties, STR("b"))->line, 4);
    properties_deinit(&properties);
}

void test_properties__names_the_malformed_line(void)
{
    struct properties properties;
    properties_init(&properties);
    assert_int_equal(properties_parse(&properties, STR("a=1\nb=\\u00g0\n")), 2);
    properties_deinit(&properties);
}

/* What is written reads back the same, whatever the characters. */
void test_properties__reads_back_what_it_writes(void)
{
    struct properties first, second;
    properties_init(&first);
    properties_init(&second);
    properties_set(&first, STR(" k=:#! "), STR("  a b\t\n\\ \xc3\xa9\xf0\x9f\x98\x80 "), 0);
    properties_set(&first, STR("cluster.id"), STR("c2Vjb25k=="), 0);
    struct str text = properties_write(&first, &first.arena);
    assert_int_equal(properties_parse(&second, text), 0);
    assert_int_equal(second.count, 2);
    for (int i = 0; i < 2; i++)
        assert_true(str_equal(properties_get(&second, first.items[i].key), first.items[i].value));
    properties_deinit(&second);
    properties_deinit(&first);
}
