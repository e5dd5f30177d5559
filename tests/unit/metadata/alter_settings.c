/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/settings_change.h"

#include "cluster.h"
#include "wire/gen/clear_elr_record.h"
#include "wire/gen/create_topics.h"

static bool list_setting(void *context, enum setting_scope scope, struct str key,
    struct arena *arena, struct str *out_unset)
{
    (void)context;
    (void)scope;
    (void)arena;
    *out_unset = STR("delete");
    return str_is(key, "cleanup.policy");
}

static enum error refuse_bad(void *context, const struct image *image,
    const struct create_topics_creatable_topic *topic, struct arena *arena, struct str *out_message)
{
    (void)context;
    (void)image;
    (void)arena;
    for (int32_t i = 0; i < topic->configs_count; i++) {
        if (str_is(topic->configs[i].value, "bad")) {
            *out_message = STR("bad");
            return ERROR_INVALID_CONFIG;
        }
    }
    return ERROR_NONE;
}

static void begin(struct cluster *cluster)
{
    cluster_init(cluster);
    cluster->controller.settings.hooks.list_setting = list_setting;
    cluster->controller.settings.hooks.validate_topic = refuse_bad;
    cluster_add_broker(cluster, 1, false);
    cluster_add_partition(cluster, "one", (int32_t[]){ 1 }, 1);
    cluster_add_partition(cluster, "two", (int32_t[]){ 1 }, 1);
}

/* "key=value" sets, "key+value" appends, "key-value" subtracts, "key" deletes. */
static struct resource_change change_of(
    struct cluster *cluster, int8_t type, const char *name, const char *const *wishes)
{
    struct resource_change resource = { .type = type, .name = str_from(name) };
    resource.wishes = arena_take_array(&cluster->arena, 16, sizeof(*resource.wishes));
    for (; *wishes != NULL; wishes++) {
        const char *sign = strpbrk(*wishes, "=+-");
        struct setting_wish *wish = &resource.wishes[resource.wish_count++];
        wish->key = str_from(*wishes);
        wish->operation = OPERATION_DELETE;
        if (sign == NULL)
            continue;
        wish->key.size = (int32_t)(sign - *wishes);
        wish->value = str_from(sign + 1);
        wish->operation = *sign == '='   ? OPERATION_SET
                          : *sign == '+' ? OPERATION_APPEND
                                         : OPERATION_SUBTRACT;
    }
    return resource;
}
#define WISHES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static enum error alter(struct cluster *cluster, struct resource_change resource, bool replaces)
{
    struct settings_change change = { &resource, 1, replaces, false };
    cluster_ask(cluster, CONTROLLER_ALTER_SETTINGS, NULL, &change);
    return resource.error;
}

static void expect(
    struct cluster *cluster, int8_t type, const char *name, const char *key, const char *value)
{
    struct str found = image_setting(
        cluster_image(cluster), (enum setting_scope)type, str_from(name), str_from(key));
    if (!str_equal(found, str_from(value)))
        fail_msg("%s of %s is '%.*s'", key, name, STR_PRINT(found));
}

/* A broker's records are written although nothing changes: it may have to read a file again. */
void test_alter_settings__write_what_changes_and_all_of_a_broker(void)
{
    struct cluster cluster;
    begin(&cluster);
    struct resource_change topic = change_of(&cluster, SCOPE_TOPIC, "one", WISHES("a=1", "b"));
    struct resource_change broker = change_of(&cluster, SCOPE_BROKER, "1", WISHES("a=1", "b"));
    assert_int_equal(alter(&cluster, topic, false), ERROR_NONE);
    assert_int_equal(cluster.record_count, 1);
    assert_int_equal(alter(&cluster, topic, false), ERROR_NONE);
    assert_int_equal(cluster.record_count, 0);
    assert_int_equal(alter(&cluster, broker, false), ERROR_NONE);
    assert_int_equal(alter(&cluster, broker, false), ERROR_NONE);
    assert_int_equal(cluster.record_count, 2);
    expect(&cluster, SCOPE_BROKER, "1", "a", "1");
    cluster_deinit(&cluster);
}

void test_alter_settings__change_a_resource_as_a_whole_or_not_at_all(void)
{
    struct cluster cluster;
    begin(&cluster);
    struct resource_change resources[] = {
        change_of(&cluster, SCOPE_TOPIC, "one", WISHES("a=1", "b=bad")),
        change_of(&cluster, SCOPE_TOPIC, "two", WISHES("a=2")),
        change_of(&cluster, SCOPE_TOPIC, "three", WISHES("a=2")),
        change_of(&cluster, SCOPE_BROKER, "9", WISHES("a=2")),
        change_of(&cluster, SCOPE_GROUP, "", WISHES("a=2")),
    };
    struct settings_change change = { resources, 5, false, true };
    cluster_ask(&cluster, CONTROLLER_ALTER_SETTINGS, NULL, &change);
    assert_int_equal(cluster.record_count, 0); /* validated only */
    change.validate_only = false;
    cluster_ask(&cluster, CONTROLLER_ALTER_SETTINGS, NULL, &change);
    assert_int_equal(resources[0].error, ERROR_INVALID_CONFIG);
    assert_int_equal(resources[1].error, ERROR_NONE);
    assert_int_equal(resources[2].error, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(resources[3].error, ERROR_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(resources[4].error, ERROR_INVALID_REQUEST);
    expect(&cluster, SCOPE_TOPIC, "one", "a", NULL);
    expect(&cluster, SCOPE_TOPIC, "two", "a", "2");
    cluster_deinit(&cluster);
}

void test_alter_settings__edit_lists_from_what_holds(void)
{
    struct cluster cluster;
    begin(&cluster);
    const struct {
        const char *wish, *value;
    } steps[] = { { "cleanup.policy+compact,compact", "delete,compact" },
        { "cleanup.policy-delete,x", "compact" }, { "cleanup.policy-compact", "" },
        { "cleanup.policy", NULL }, { "cleanup.policy-delete", "" } };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct resource_change resource =
            change_of(&cluster, SCOPE_TOPIC, "one", WISHES(steps[i].wish));
        assert_int_equal(alter(&cluster, resource, false), ERROR_NONE);
        expect(&cluster, SCOPE_TOPIC, "one", "cleanup.policy", steps[i].value);
    }
    struct resource_change number = change_of(&cluster, SCOPE_TOPIC, "one", WISHES("a+1"));
    assert_int_equal(alter(&cluster, number, false), ERROR_INVALID_CONFIG);
    cluster_deinit(&cluster);
}

void test_alter_settings__drop_what_a_replacement_does_not_name(void)
{
    struct cluster cluster;
    begin(&cluster);
    struct resource_change first = change_of(&cluster, SCOPE_TOPIC, "one", WISHES("a=1", "b=bad1"));
    struct resource_change second = change_of(&cluster, SCOPE_TOPIC, "one", WISHES("a=1", "c=3"));
    assert_int_equal(alter(&cluster, first, false), ERROR_NONE);
    assert_int_equal(alter(&cluster, second, true), ERROR_NONE);
    assert_int_equal(cluster.record_count, 2); /* c is new, b goes */
    expect(&cluster, SCOPE_TOPIC, "one", "a", "1");
    expect(&cluster, SCOPE_TOPIC, "one", "b", NULL);
    expect(&cluster, SCOPE_TOPIC, "one", "c", "3");
    cluster_deinit(&cluster);
}

/* KIP-966: the number is the cluster's, always said; who may lead is judged anew when it changes.
 */
void test_alter_settings__keep_min_insync_replicas_of_the_cluster(void)
{
    struct cluster cluster;
    struct metadata_record record;
    begin(&cluster);
    struct resource_change own =
        change_of(&cluster, SCOPE_BROKER, "1", WISHES("min.insync.replicas=2"));
    struct resource_change gone =
        change_of(&cluster, SCOPE_BROKER, "", WISHES("min.insync.replicas"));
    struct resource_change all =
        change_of(&cluster, SCOPE_BROKER, "", WISHES("min.insync.replicas=2"));
    assert_int_equal(alter(&cluster, own, false), ERROR_INVALID_CONFIG);
    assert_int_equal(alter(&cluster, gone, false), ERROR_INVALID_CONFIG);
    assert_int_equal(alter(&cluster, all, false), ERROR_NONE);
    assert_int_equal(cluster.record_count, 2);
    assert_true(metadata_record_parse(cluster.records[1].value, &record));
    assert_int_equal(record.type, CLEAR_ELR_RECORD_TYPE);
    cluster_deinit(&cluster);
}

void test_alter_settings__end_at_ten_thousand_settings(void)
{
    struct cluster cluster;
    begin(&cluster);
    struct resource_change resource = { .type = SCOPE_BROKER, .name = STR("1") };
    resource.wish_count = SETTINGS_OF_RESOURCE_MAX;
    resource.wishes =
        arena_take_array(&cluster.arena, (size_t)resource.wish_count, sizeof(*resource.wishes));
    for (int32_t i = 0; i < resource.wish_count; i++)
        resource.wishes[i] =
            (struct setting_wish){ str_from(arena_format(&cluster.arena, "k%d", i)), STR("v"),
                OPERATION_SET };
    assert_int_equal(alter(&cluster, resource, false), ERROR_NONE);
    struct resource_change more = change_of(&cluster, SCOPE_BROKER, "1", WISHES("a=1"));
    struct resource_change fewer = change_of(&cluster, SCOPE_BROKER, "1", WISHES("k1"));
    assert_int_equal(alter(&cluster, more, false), ERROR_POLICY_VIOLATION);
    assert_int_equal(alter(&cluster, fewer, false), ERROR_NONE);
    assert_int_equal(alter(&cluster, more, false), ERROR_NONE);
    cluster_deinit(&cluster);
}

/* Each once, whatever their keys; also when a disk holds a key that is no UTF-8. */
void test_alter_settings__list_resources_that_have_some(void)
{
    struct cluster cluster;
    struct str name = { 0 };
    begin(&cluster);
    alter(
        &cluster, change_of(&cluster, SCOPE_GROUP, "g", WISHES("a=1", "b=1", "\xff\xff=1")), false);
    alter(&cluster, change_of(&cluster, SCOPE_GROUP, "hh", WISHES("a=1")), false);
    alter(&cluster, change_of(&cluster, SCOPE_CLIENT_METRICS, "m", WISHES("a=1")), false);
    assert_true(image_setting_resource_after(cluster_image(&cluster), SCOPE_GROUP, name, &name));
    assert_true(str_is(name, "g"));
    assert_true(image_setting_resource_after(cluster_image(&cluster), SCOPE_GROUP, name, &name));
    assert_true(str_is(name, "hh"));
    assert_false(image_setting_resource_after(cluster_image(&cluster), SCOPE_GROUP, name, &name));
    cluster_deinit(&cluster);
}
