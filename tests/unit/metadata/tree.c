/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/tree.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/prng.h"
#include "test.h"

static int64_t alive;

struct thing {
    struct tree_value value;
    char key[16];
    int version;
};

static struct bytes key_of(const struct tree_value *value)
{
    const struct thing *thing = (const struct thing *)value;
    return (struct bytes){ (const uint8_t *)thing->key, strlen(thing->key) };
}

static void destroy(struct tree_value *value)
{
    alive--;
    memory_give(value);
}

static void put(struct tree *tree, uint64_t edit, int number, int version)
{
    struct thing *thing = memory_take(sizeof(*thing));
    atomic_init(&thing->value.references, 1);
    thing->value.destroy = destroy;
    thing->version = version;
    snprintf(thing->key, sizeof(thing->key), "%d", number);
    alive++;
    tree_set(tree, edit, &thing->value);
}

static struct bytes key(int number, char text[16])
{
    snprintf(text, 16, "%d", number);
    return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

static int version_of(const struct tree *tree, int number)
{
    char text[16];
    const struct thing *thing = (const struct thing *)tree_find(tree, key(number, text));
    return thing == NULL ? 0 : thing->version;
}

enum { NUMBERS = 300, VERSIONS = 40 };

static void check(const struct tree *tree, const int expected[NUMBERS])
{
    int64_t count = 0, walked = 0;
    for (int i = 0; i < NUMBERS; i++) {
        assert_int_equal(version_of(tree, i), expected[i]);
        count += expected[i] != 0;
    }
    assert_int_equal(tree->count, count);
    const struct tree_value *value = NULL, *before = NULL;
    while ((value = tree_after(tree, value == NULL ? (struct bytes){ NULL, 0 } : key_of(value))) !=
           NULL) {
        if (before != NULL)
            assert_true(
                strcmp((const char *)key_of(before).data, (const char *)key_of(value).data) < 0);
        before = value;
        walked++;
    }
    assert_int_equal(walked, count);
}

/* Against plain arrays: every version stays as it was while later ones change, and all memory comes
 * back. */
void test_tree__keeps_every_version_as_it_was(void)
{
    struct tree versions[VERSIONS];
    int expected[VERSIONS][NUMBERS] = { { 0 } };
    struct prng prng;
    prng_init(&prng, 3);
    tree_init(&versions[0], key_of, 77);
    for (int i = 0; i < VERSIONS; i++) {
        if (i > 0) {
            tree_share(&versions[i], &versions[i - 1]);
            memcpy(expected[i], expected[i - 1], sizeof(expected[i]));
        }
        for (int change = 0; change < 60; change++) {
            int number = (int)prng_below(&prng, NUMBERS);
            char text[16];
            if (prng_chance(&prng, 400000)) {
                assert_int_equal(tree_remove(&versions[i], (uint64_t)i + 1, key(number, text)),
                    expected[i][number] != 0);
                expected[i][number] = 0;
            } else {
                expected[i][number] = i * 1000 + change + 1;
                put(&versions[i], (uint64_t)i + 1, number, expected[i][number]);
            }
        }
    }
    for (int i = 0; i < VERSIONS; i++)
        check(&versions[i], expected[i]);
    for (int i = 0; i < VERSIONS; i++)
        tree_deinit(&versions[i]);
    assert_int_equal(alive, 0);
}

struct differences {
    int came, went, changed, steps;
};

static void count_difference(
    void *context, const struct tree_value *old_value, const struct tree_value *new_value)
{
    struct differences *differences = context;
    differences->came += old_value == NULL;
    differences->went += new_value == NULL;
    differences->changed += old_value != NULL && new_value != NULL;
}

/* What came, went and changed between two versions, and nothing else. */
void test_tree__finds_the_difference_of_two_versions(void)
{
    struct tree before, after;
    char text[16];
    tree_init(&before, key_of, 5);
    for (int i = 0; i < 2000; i++)
        put(&before, 1, i, 1);
    tree_share(&after, &before);
    put(&after, 2, 100, 2);
    put(&after, 2, 200, 2);
    put(&after, 2, 5000, 2);
    for (int i = 700; i < 703; i++)
        assert_true(tree_remove(&after, 2, key(i, text)));
    struct differences forth = { 0 }, back = { 0 }, none = { 0 };
    tree_difference(&before, &after, count_difference, &forth);
    tree_difference(&after, &before, count_difference, &back);
    tree_difference(&after, &after, count_difference, &none);
    assert_int_equal(forth.came, 1);
    assert_int_equal(forth.went, 3);
    assert_int_equal(forth.changed, 2);
    assert_int_equal(back.came, 3);
    assert_int_equal(back.went, 1);
    assert_int_equal(back.changed, 2);
    assert_int_equal(none.came + none.went + none.changed, 0);
    tree_deinit(&before);
    tree_deinit(&after);
    assert_int_equal(alive, 0);
}
