/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that the metadata log holds, over those that the node was started with. */
#include "broker/connection_limits.h"
#include "broker/setting_source.h"
#include "broker/settings_input.h"
#include "broker/topic_check.h"
#include "broker/topic_describe.h"
#include "metadata/apply.h"
#include "storage/flusher.h"
#include "test.h"
#include "wire/gen/config_record.h"
#include "wire/gen/create_topics.h"

static struct settings_input input;
static struct node_settings node;
static struct image *image;
static struct arena arena;

static void begin(const char *text)
{
    static const struct settings_machine machine = {
        .cpu_count = 1, .memory_size = 1 << 30, .host_name = { "h", 1 }
    };
    settings_input_init(&input);
    settings_input_file(&input, STR("f"), str_from(text));
    assert_true(settings_read(&input, &machine, &node));
    image = image_create(1);
    arena_init(&arena);
}

static void end(void)
{
    arena_deinit(&arena);
    image_unref(image);
    node_settings_deinit(&node);
    settings_input_deinit(&input);
}

static void set(enum setting_scope scope, const char *name, const char *key, const char *value)
{
    struct config_record record;
    struct metadata_record parsed;
    message_defaults(&config_record_schema, &record);
    record.resource_type = (int8_t)scope;
    record.resource_name = str_from(name);
    record.name = str_from(key);
    record.value = str_from(value);
    struct bytes raw = metadata_record_encode(&arena, &config_record_schema, 0, &record);
    assert_true(metadata_record_parse(raw, &parsed));
    assert_null(image_apply(image, &parsed, raw, &arena));
}

void test_settings_live__prefer_the_topic_then_the_broker_then_all_brokers(void)
{
    struct topic_settings topic;
    begin("node.id=7\nlog.retention.hours=1\nmessage.max.bytes=5000\n");
    topic_settings_resolve(&node, image, STR("a"), &topic);
    assert_int_equal(topic.retention_ms, 3600000);
    set(SCOPE_BROKER, "", "log.retention.ms", "1000");
    set(SCOPE_BROKER, "", "message.max.bytes", "6000");
    set(SCOPE_BROKER, "7", "message.max.bytes", "7000");
    set(SCOPE_BROKER, "8", "message.max.bytes", "8000");
    set(SCOPE_TOPIC, "a", "retention.ms", "2000");
    topic_settings_resolve(&node, image, STR("a"), &topic);
    assert_int_equal(topic.retention_ms, 2000);
    assert_int_equal(topic.max_message_bytes, 7000);
    topic_settings_resolve(&node, image, STR("b"), &topic);
    assert_int_equal(topic.retention_ms, 1000);
    end();
}

void test_settings_live__limit_connections(void)
{
    struct connection_limits limits;
    begin("node.id=7\nmax.connections=100\nmax.connections.per.ip=0\n"
          "max.connections.per.ip.overrides=a:1, "
          "::1:2\nlistener.name.plaintext.max.connections=5\n");
    set(SCOPE_BROKER, "", "max.connections", "50");
    set(SCOPE_BROKER, "7", "max.connection.creation.rate", "10");
    set(SCOPE_BROKER, "8", "max.connections", "1");
    connection_limits_resolve(&node, image, &arena, &limits);
    assert_int_equal(limits.connections_max, 50);
    assert_int_equal(limits.per_ip_max, 0);
    assert_int_equal(limits.creation_rate, 10);
    struct str list = limits.overrides, host;
    int32_t count;
    assert_true(connection_override_next(&list, &host, &count) && str_is(host, "a") && count == 1);
    assert_true(
        connection_override_next(&list, &host, &count) && str_is(host, "::1") && count == 2);
    assert_false(connection_override_next(&list, &host, &count));
    assert_true(str_is_null(list));

    connection_limits_resolve_listener(&node, image, STR("PLAINTEXT"), &arena, &limits);
    assert_int_equal(limits.connections_max, 5);
    assert_int_equal(limits.creation_rate, INT32_MAX);
    set(SCOPE_BROKER, "7", "listener.name.plaintext.max.connections", "6");
    set(SCOPE_BROKER, "7", "listener.name.plaintext.max.connection.creation.rate", "3");
    connection_limits_resolve_listener(&node, image, STR("PLAINTEXT"), &arena, &limits);
    assert_int_equal(limits.connections_max, 6);
    assert_int_equal(limits.creation_rate, 3);
    end();
}

/* A broker's value below zero is no bound, as Kafka takes it; the row of topics knows only -1. */
void test_settings_live__take_what_is_below_zero_for_no_bound(void)
{
    struct topic_settings topic;
    begin("log.retention.hours=1\n");
    set(SCOPE_BROKER, "", "log.retention.ms", "-5");
    topic_settings_resolve(&node, image, STR("a"), &topic);
    assert_int_equal(topic.retention_ms, -1);
    end();
}

void test_settings_live__forget_producers_after_the_time_said_last(void)
{
    begin("node.id=7\nproducer.id.expiration.ms=50\n");
    assert_int_equal(producer_expiry_resolve(&node, NULL), 50);
    set(SCOPE_BROKER, "", "producer.id.expiration.ms", "60");
    assert_int_equal(producer_expiry_resolve(&node, image), 60);
    set(SCOPE_BROKER, "7", "producer.id.expiration.ms", "70");
    assert_int_equal(producer_expiry_resolve(&node, image), 70);
    end();
}

void test_settings_live__space_assignments_of_groups(void)
{
    struct coordinator_settings settings;
    begin("node.id=7\ngroup.consumer.assignment.interval.ms=50\ngroup.max.size=9\n");
    coordinator_settings_resolve(&node, NULL, &settings);
    assert_int_equal(settings.consumer_assignment_interval_ms, 50);
    set(SCOPE_BROKER, "", "group.consumer.assignment.interval.ms", "60");
    set(SCOPE_BROKER, "", "group.max.size", "8"); /* needs a restart */
    coordinator_settings_resolve(&node, image, &settings);
    assert_int_equal(settings.consumer_assignment_interval_ms, 60);
    assert_int_equal(settings.classic_max_size, 9);
    end();
}

/* What no cleaning can work with does not reach it: Kafka, too, takes a pace below zero for none. */
void test_settings_live__let_cleanings_have_what_they_can_use(void)
{
    struct cleaner_settings cleaner;
    begin("node.id=7\n");
    set(SCOPE_BROKER, "", "log.cleaner.dedupe.buffer.size", "-1");
    set(SCOPE_BROKER, "", "log.cleaner.io.max.bytes.per.second", "-1e300");
    cleaner_settings_resolve(&node, image, &cleaner);
    assert_int_equal(cleaner.dedupe_bytes, 0);
    assert_int_equal(cleaner.bytes_per_second, INT64_MAX);
    set(SCOPE_BROKER, "", "log.cleaner.dedupe.buffer.size", "9223372036854775807");
    set(SCOPE_BROKER, "", "log.cleaner.io.max.bytes.per.second", "NaN");
    cleaner_settings_resolve(&node, image, &cleaner);
    assert_int_equal(cleaner.dedupe_bytes, 1LL << 40);
    assert_int_equal(cleaner.bytes_per_second, INT64_MAX);
    set(SCOPE_BROKER, "", "log.cleaner.io.max.bytes.per.second", "0.5");
    cleaner_settings_resolve(&node, image, &cleaner);
    assert_int_equal(cleaner.bytes_per_second, 0);
    end();
}

/* Another version, or Kafka, may have stored what we cannot use. */
void test_settings_live__pass_over_what_does_not_parse(void)
{
    struct topic_settings topic;
    begin("");
    set(SCOPE_TOPIC, "a", "retention.ms", "for ever");
    set(SCOPE_TOPIC, "a", "no.such.setting", "1");
    topic_settings_resolve(&node, image, STR("a"), &topic);
    assert_int_equal(topic.retention_ms, 604800000);
    end();
}

static const struct create_topics_creatable_topic_configs *find(
    const struct create_topics_creatable_topic_result *result, const char *name)
{
    for (int32_t i = 0; i < result->configs_count; i++) {
        if (str_is(result->configs[i].name, name))
            return &result->configs[i];
    }
    fail_msg("%s is not listed", name);
    return NULL;
}

static void expect(const struct create_topics_creatable_topic_result *result, const char *name,
    const char *value, int source)
{
    const struct create_topics_creatable_topic_configs *config = find(result, name);
    assert_true(str_is(config->value, value));
    assert_int_equal(config->config_source, source);
}

/* The sources are the protocol's: 1 topic, 2 this broker, 3 all brokers, 4 file, 5 default. */
void test_settings_live__say_where_a_new_topics_values_come_from(void)
{
    struct create_topics_creatable_topic_result result;
    begin("node.id=7\nlog.retention.hours=1\n");
    set(SCOPE_BROKER, "", "min.insync.replicas", "1");
    set(SCOPE_BROKER, "7", "message.max.bytes", "7000");
    struct create_topics_creatable_topic_config wish = { .name = STR("cleanup.policy"),
        .value = STR("compact") };
    struct create_topics_creatable_topic topic = {
        .name = STR("a"), .configs = &wish, .configs_count = 1
    };
    topic_describe(&node, image, &topic, &arena, &result);
    expect(&result, "cleanup.policy", "compact", 1);
    expect(&result, "max.message.bytes", "7000", 2);
    expect(&result, "min.insync.replicas", "1", 3);
    expect(&result, "retention.ms", "3600000", 4);
    expect(&result, "segment.bytes", "1073741824", 5);
    expect(&result, "remote.storage.enable", "false", 5);
    end();
}

static void check_wishes(const char *wishes, const char *message)
{
    struct create_topics_creatable_topic_config configs[4];
    struct create_topics_creatable_topic topic = { .name = STR("a"), .configs = configs };
    struct str rest = str_from(wishes), pair, said = { 0 };
    while (str_split(&rest, ' ', &pair)) {
        struct create_topics_creatable_topic_config *config = &configs[topic.configs_count++];
        str_split(&pair, '=', &config->name);
        config->value = pair;
    }
    enum error error = topic_check(&node, image, &topic, &arena, &said);
    assert_int_equal(error, message == NULL ? ERROR_NONE : ERROR_INVALID_CONFIG);
    if (message != NULL && !str_is(said, message))
        fail_msg("'%.*s' is not '%s'", STR_PRINT(said), message);
}

/* As Kafka 4.4.0 answers CreateTopics. */
void test_settings_live__refuse_what_a_new_topic_may_not_combine(void)
{
    begin("log.cleaner.max.compaction.lag.ms=50\n");
    check_wishes("min.compaction.lag.ms=5 max.compaction.lag.ms=5", NULL);
    check_wishes("min.compaction.lag.ms=10 max.compaction.lag.ms=5",
        "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)");
    check_wishes("min.compaction.lag.ms=51",
        "conflict topic config setting min.compaction.lag.ms (51) > max.compaction.lag.ms (50)");
    check_wishes("remote.storage.enable=False remote.log.copy.disable=true", NULL);
    check_wishes("remote.storage.enable=TRUE",
        "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with "
        "remote log storage.");
    check_wishes("segment.bytes=1 nothing=1", "Unknown topic config name: nothing");
    check_wishes("leader.replication.throttled.replicas=1:2,3:4", NULL);
    check_wishes("leader.replication.throttled.replicas=*", NULL);
    check_wishes("follower.replication.throttled.replicas=1:2,a",
        "Invalid value [1:2, a] for configuration follower.replication.throttled.replicas: "
        "follower.replication.throttled.replicas must be the literal '*' or a list of replicas in "
        "the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...");
    end();
}

/* Through a controller anything can be stored; nobody may lock everybody out, or undo what is on disk, that way. */
void test_settings_live__let_nothing_act_that_a_broker_refuses(void)
{
    struct connection_limits limits;
    struct topic_settings topic;
    struct setting_view view;
    begin("node.id=7\nmax.connections.per.ip=9\nlog.retention.hours=5\nlog.retention.minutes=100\n");
    set(SCOPE_BROKER, "7", "max.connections.per.ip", "0");
    set(SCOPE_BROKER, "7", "max.connections", "none");
    set(SCOPE_BROKER, "", "ack.durability", "page-cache");
    set(SCOPE_BROKER, "7", "node.id", "4");
    set(SCOPE_BROKER, "", "log.retention.ms", "1000");
    set(SCOPE_BROKER, "", "cordoned.log.dirs", "/a"); /* says one broker only */
    connection_limits_resolve(&node, image, &arena, &limits);
    assert_int_equal(limits.per_ip_max, 9);
    assert_int_equal(limits.connections_max, INT32_MAX);
    topic_settings_resolve(&node, image, STR("a"), &topic);
    assert_int_equal(topic.ack_durability, ACK_DISK);
    setting_view_init(&view, &node, image, &arena);
    assert_true(str_is(broker_setting_value(&view, STR("node.id")), "7"));
    assert_int_equal(broker_setting_voices(&view, STR("node.id")).list[0].source, SOURCE_FILE);
    assert_true(str_is_null(broker_setting_value(&view, STR("cordoned.log.dirs"))) ||
                broker_setting_value(&view, STR("cordoned.log.dirs")).size == 0);
    assert_true(str_is(broker_setting_value(&view, STR("log.retention.hours")), "168"));
    set(SCOPE_BROKER, "7", "max.connections.per.ip.overrides", "[::1]:3"); /* not understood: as if not there */
    connection_limits_resolve(&node, image, &arena, &limits);
    assert_int_equal(limits.per_ip_max, 9);
    set(SCOPE_BROKER, "7", "max.connections.per.ip.overrides", "::1:3");
    connection_limits_resolve(&node, image, &arena, &limits);
    assert_int_equal(limits.per_ip_max, 0);
    end();
}
