/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/image.h"

#include <string.h>

#include "metadata/apply.h"
#include "metadata/controller.h"
#include "metadata/feature.h"
#include "test.h"
#include "wire/gen/abort_transaction_record.h"
#include "wire/gen/begin_transaction_record.h"
#include "wire/gen/config_record.h"
#include "wire/gen/end_transaction_record.h"
#include "wire/gen/feature_level_record.h"
#include "wire/gen/partition_record.h"
#include "wire/gen/remove_topic_record.h"
#include "wire/gen/topic_record.h"
#include "wire/schema.h"

static struct controller controller;
static struct arena arena;
static int64_t offset;

static void begin(void)
{
    struct controller_settings settings = { .default_partition_count = 1 };
    controller_init(&controller, &settings, 1);
    arena_init(&arena);
    offset = 0;
}

static void end(void)
{
    controller_deinit(&controller);
    arena_deinit(&arena);
}

static const char *apply(const struct message_schema *schema, int16_t version, const void *message)
{
    controller_apply(
        &controller, offset++, metadata_record_encode(&arena, schema, version, message));
    return controller.failure;
}

static struct uuid id_of(uint8_t number)
{
    return (struct uuid){ { 1, number } };
}

static void add_topic(struct str name, uint8_t number, int32_t partition_count)
{
    struct topic_record topic = { .name = name, .topic_id = id_of(number) };
    int32_t self = 1;
    assert_null(apply(&topic_record_schema, 0, &topic));
    for (int32_t i = partition_count - 1; i >= 0; i--) { /* any order will do */
        struct partition_record partition;
        message_defaults(&partition_record_schema, &partition);
        partition.partition_id = i;
        partition.topic_id = topic.topic_id;
        partition.replicas = partition.isr = &self;
        partition.replicas_count = partition.isr_count = 1;
        partition.leader = 1;
        assert_null(apply(&partition_record_schema, 0, &partition));
    }
}

static void set(struct str topic, struct str key, struct str value)
{
    struct config_record config = {
        .resource_type = SCOPE_TOPIC, .resource_name = topic, .name = key, .value = value
    };
    assert_null(apply(&config_record_schema, 0, &config));
}

static void remove_topic(uint8_t number)
{
    struct remove_topic_record record = { .topic_id = id_of(number) };
    assert_null(apply(&remove_topic_record_schema, 0, &record));
}

/* Lookups by name and id, the ordered walk, settings by resource; a removed topic takes its
 * settings along. */
void test_image__finds_topics_and_settings(void)
{
    begin();
    add_topic(STR("b"), 2, 3);
    add_topic(STR("a"), 1, 1);
    add_topic(STR("ab"), 3, 2);
    set(STR("a"), STR("retention.ms"), STR("1"));
    set(STR("a"), STR("cleanup.policy"), STR("compact"));
    set(STR("ab"), STR("retention.ms"), STR("2"));
    const struct image *image = controller.working;
    assert_int_equal(image_topic_count(image), 3);
    assert_int_equal(image->partition_total, 6);
    assert_int_equal(image_partition(image_topic_by_id(image, id_of(2)), 2)->leader, 1);
    assert_null(image_partition(image_topic_by_id(image, id_of(2)), 3));
    assert_true(str_is(image_topic_after(image, STR("a"))->name, "ab"));
    assert_true(str_is(image_topic_after(image, (struct str){ 0 })->name, "a"));
    assert_null(image_topic_after(image, STR("b")));
    struct str key = { 0 }, value;
    assert_true(image_setting_after(image, SCOPE_TOPIC, STR("a"), key, &key, &value));
    assert_true(str_is(key, "cleanup.policy") && str_is(value, "compact"));
    assert_true(image_setting_after(image, SCOPE_TOPIC, STR("a"), key, &key, &value));
    assert_true(str_is(key, "retention.ms") && str_is(value, "1"));
    assert_false(image_setting_after(image, SCOPE_TOPIC, STR("a"), key, &key, &value));
    remove_topic(1);
    assert_null(image_topic_by_name(controller.working, STR("a")));
    assert_true(
        str_is_null(image_setting(controller.working, SCOPE_TOPIC, STR("a"), STR("retention.ms"))));
    assert_true(str_is(
        image_setting(controller.working, SCOPE_TOPIC, STR("ab"), STR("retention.ms")), "2"));
    set(STR("ab"), STR("retention.ms"), (struct str){ 0 });
    assert_int_equal(controller.working->settings.count, 0);
    end();
}

struct seen {
    struct image_watch watch;
    int created, deleted, changed, settings;
};

static void saw_topic(struct image_watch *watch, const struct image_topic *old_topic,
    const struct image_topic *new_topic)
{
    struct seen *seen = (struct seen *)watch;
    seen->created += old_topic == NULL;
    seen->deleted += new_topic == NULL;
    seen->changed += old_topic != NULL && new_topic != NULL;
}

static void saw_setting(struct image_watch *watch, enum setting_scope scope, struct str name,
    struct str key, struct str value)
{
    (void)name, (void)key, (void)value;
    assert_int_equal(scope, SCOPE_TOPIC);
    ((struct seen *)watch)->settings++;
}

/* A published image never changes; the difference to the next is what was done between. */
void test_image__stays_as_published(void)
{
    begin();
    add_topic(STR("one"), 1, 1);
    add_topic(STR("two"), 2, 1);
    struct image *published = controller_freeze(&controller);
    remove_topic(1);
    add_topic(STR("one"), 9, 2); /* again, under its old name */
    set(STR("two"), STR("retention.ms"), STR("5"));
    assert_true(uuid_equal(image_topic_by_name(published, STR("one"))->id, id_of(1)));
    assert_true(uuid_equal(image_topic_by_name(controller.working, STR("one"))->id, id_of(9)));
    assert_int_equal(published->settings.count, 0);
    struct image *next = controller_freeze(&controller);
    struct seen seen = { .watch = { .topic = saw_topic, .setting = saw_setting } };
    image_difference(published, next, &seen.watch);
    assert_int_equal(seen.created, 1);
    assert_int_equal(seen.deleted, 1);
    assert_int_equal(seen.changed, 0);
    assert_int_equal(seen.settings, 1);
    struct seen all = { .watch = { .topic = saw_topic } };
    image_difference(NULL, next, &all.watch);
    assert_int_equal(all.created, 2);
    image_unref(published);
    image_unref(next);
    end();
}

/* KIP-868: nothing of a metadata transaction is seen before its end, and nothing stays of an
 * aborted one. */
void test_image__shows_a_metadata_transaction_as_a_whole(void)
{
    struct begin_transaction_record begin_record = { .name = STR("test") };
    struct end_transaction_record end_record = { 0 };
    struct abort_transaction_record abort_record = { .reason = STR("test") };
    begin();
    add_topic(STR("before"), 1, 1);
    assert_null(apply(&begin_transaction_record_schema, 0, &begin_record));
    add_topic(STR("inside"), 2, 1);
    remove_topic(1);
    assert_null(controller_freeze(&controller));
    assert_null(apply(&abort_transaction_record_schema, 0, &abort_record));
    assert_null(image_topic_by_name(controller.working, STR("inside")));
    assert_non_null(image_topic_by_name(controller.working, STR("before")));
    assert_null(apply(&begin_transaction_record_schema, 0, &begin_record));
    add_topic(STR("inside"), 2, 1);
    assert_null(apply(&end_transaction_record_schema, 0, &end_record));
    struct image *image = controller_freeze(&controller);
    assert_non_null(image_topic_by_name(image, STR("inside")));
    image_unref(image);
    assert_non_null(apply(&end_transaction_record_schema, 0, &end_record));
    end();
}

/* What this node cannot understand stops it, and names itself. */
void test_image__stops_at_what_it_does_not_know(void)
{
    static const uint8_t unknown_type[] = { 1, 99, 0, 0 };
    static const uint8_t unknown_version[] = { 1, 2, 7, 0 };
    struct feature_level_record feature = { .name = STR("metadata.version"), .feature_level = 34 };
    begin();
    controller_apply(&controller, 5, (struct bytes){ unknown_type, sizeof(unknown_type) });
    assert_non_null(controller.failure);
    assert_int_equal(controller.failed_offset, 5);
    assert_string_equal(controller.failed_name, "type 99");
    controller_reset(&controller);
    controller_apply(&controller, 6, (struct bytes){ unknown_version, sizeof(unknown_version) });
    assert_string_equal(controller.failed_name, "topic");
    assert_int_equal(controller.failed_version, 7);
    controller_reset(&controller);
    assert_non_null(apply(&feature_level_record_schema, 0, &feature));
    end();
}

struct found {
    struct bytes record;
};

static void keep_last(void *context, struct bytes record)
{
    struct found *found = context;
    found->record = (struct bytes){ arena_copy(&arena, record.data, record.size), record.size };
}

/* A tag from the future lives through our own snapshots. */
void test_image__keeps_tags_it_does_not_know(void)
{
    struct topic_record topic = { .name = STR("t"), .topic_id = id_of(1) };
    struct unknown_tag tag = { .tag = 77, .value = { (const uint8_t *)"later", 5 } };
    int32_t self = 1;
    struct partition_record partition;
    begin();
    assert_null(apply(&topic_record_schema, 0, &topic));
    message_defaults(&partition_record_schema, &partition);
    partition.partition_id = 0;
    partition.topic_id = topic.topic_id;
    partition.replicas = partition.isr = &self;
    partition.replicas_count = partition.isr_count = 1;
    partition.unknown_tags = (struct unknown_tags){ &tag, 1 };
    struct bytes before = metadata_record_encode(&arena, &partition_record_schema, 0, &partition);
    controller_apply(&controller, offset++, before);
    assert_null(controller.failure);
    struct found found = { { NULL, 0 } };
    struct arena scratch;
    arena_init(&scratch);
    image_snapshot(controller.working, &scratch, keep_last, &found);
    arena_deinit(&scratch);
    assert_true(bytes_equal(before, found.record));
    end();
}

/* Releases by name, as kafka-storage takes them, and the levels that come with them. */
void test_image__knows_releases(void)
{
    assert_int_equal(metadata_version_find(STR("4.4")), 33);
    assert_int_equal(metadata_version_find(STR("4.4.0")), 33);
    assert_int_equal(metadata_version_find(STR("4.4-IV1")), 32);
    assert_int_equal(metadata_version_find(STR("3.7")), 19);
    assert_int_equal(metadata_version_find(STR("3.3")), 7);
    assert_int_equal(metadata_version_find(STR("3.2")), 0);
    assert_int_equal(metadata_version_find(STR("4.45")), 0);
    assert_int_equal(feature_default(feature_find(STR("share.version")), 28), 1);
    assert_int_equal(feature_default(feature_find(STR("share.version")), 33), 2);
    assert_int_equal(feature_default(feature_find(STR("kraft.version")), 20), 0);
}

/* As Kafka 4.4.0 prints its DirectoryId.LOST, UNASSIGNED and MIGRATING. */
void test_image__knows_the_directory_ids_that_are_none(void)
{
    char text[UUID_TEXT_SIZE + 1];
    uuid_print(DIRECTORY_LOST, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAg");
    uuid_print(DIRECTORY_UNASSIGNED, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAQ");
    uuid_print(DIRECTORY_MIGRATING, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAA");
}
