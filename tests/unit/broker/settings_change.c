/* SPDX-License-Identifier: Apache-2.0 */
/* What may change while a node runs, and who says what holds. Words and codes are Kafka 4.4.0's. */
#include "broker/broker_change.h"
#include "broker/group_settings.h"
#include "broker/settings_input.h"
#include "metadata/apply.h"
#include "metadata/settings_change.h"
#include "test.h"
#include "wire/gen/config_record.h"

static struct settings_input input;
static struct node_settings node;
static struct image *image;
static struct arena arena;
static struct setting_view view;

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
    setting_view_init(&view, &node, image, &arena);
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
    struct config_record record = { .resource_type = (int8_t)scope,
        .resource_name = str_from(name),
        .name = str_from(key),
        .value = str_from(value) };
    struct metadata_record parsed;
    struct bytes raw = metadata_record_encode(&arena, &config_record_schema, 0, &record);
    assert_true(metadata_record_parse(raw, &parsed));
    assert_null(image_apply(image, &parsed, raw, &arena));
}

/* message NULL: accepted; else how the refusal begins. */
static void check(const char *name, const char *key, const char *value, const char *message)
{
    struct setting_wish wish = { str_from(key), str_from(value), OPERATION_SET };
    struct resource_change change = { SCOPE_BROKER, str_from(name), &wish, 1 };
    struct str said = { 0 };
    enum error error = broker_change_check(&view, &change, false, &said);
    if ((error == ERROR_NONE) != (message == NULL))
        fail_msg("%s=%s: %d '%.*s'", key, value, error, STR_PRINT(said));
    if (message != NULL && !str_starts(said, str_from(message)))
        fail_msg("%s=%s: '%.*s'", key, value, STR_PRINT(said));
}

void test_settings_change__refuse_what_cannot_change(void)
{
    begin("node.id=7\n");
    check("7", "node.id", "8", "Cannot update these configs dynamically: [node.id]");
    check("7", "ssl.keystore.location", "/x",
        "These security configs can be dynamically updated only");
    check("7", "listener.name.plaintext.ssl.keystore.location", "/x", NULL);
    check("", "listener.name.plaintext.ssl.keystore.location", "/x",
        "Cannot update these configs at default cluster level");
    check("", "listener.name.plaintext.max.connections", "5", NULL);
    check("", "sasl.enabled.mechanisms", "PLAIN",
        "Cannot update these configs at default cluster level");
    check("7", "log.retention.ms", "x", "Invalid value x for configuration log.retention.ms");
    check("7", "log.cleanup.policy", "delete,delete",
        "Configuration 'log.cleanup.policy' values must not be duplicated.");
    check("7", "what.nobody.knows", "x", NULL);
    check("7", "listeners", "PLAINTEXT://:1", "listeners cannot change while the broker runs");
    check("7", "listeners", "PLAINTEXT://localhost:9092", NULL);
    set(SCOPE_BROKER, "7", "listeners", "PLAINTEXT://:1"); /* Kafka's disk */
    check("7", "log.retention.ms", "5", NULL);
    check("7", "listeners", "PLAINTEXT://:2", "listeners cannot change while the broker runs");
    end();
}

/* A wish is looked at together with what others say: this broker's own comes before the default. */
void test_settings_change__look_at_what_others_say(void)
{
    begin("node.id=7\nlog.retention.hours=1\nnum.io.threads=8\n");
    check("7", "log.retention.ms", "0", "requirement failed: log.retention.ms must be unlimited");
    check("7", "log.local.retention.ms", "3600001",
        "Invalid value org.apache.kafka.common.config.ConfigException: Invalid value 3600001");
    check("7", "log.local.retention.ms", "3600000", NULL);
    check("7", "num.io.threads", "16", NULL);
    check("7", "num.io.threads", "17", "Invalid value org.apache.kafka");
    check("7", "num.io.threads", "3", "Invalid value org.apache.kafka");
    check("7", "max.connections.per.ip", "0", "requirement failed: max.connections.per.ip can be");
    set(SCOPE_BROKER, "", "max.connections.per.ip.overrides", "127.0.0.1:5");
    check("7", "max.connections.per.ip", "0", NULL);
    check("", "max.connections.per.ip.overrides", "127.0.0.1",
        "Error parsing configuration property 'max.connections.per.ip.overrides'");
    set(SCOPE_BROKER, "7", "max.connections.per.ip.overrides", "127.0.0.1:5");
    check("", "max.connections.per.ip.overrides", "127.0.0.1", NULL);
    end();
}

/* Nobody could take it back. */
void test_settings_change__refuse_to_let_nobody_in(void)
{
    static const char *const keys[] = { "max.connections", "max.connection.creation.rate",
        "listener.name.plaintext.max.connections",
        "listener.name.plaintext.max.connection.creation.rate" };
    begin("node.id=7\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\n");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        check("7", keys[i], "0", "Invalid value org.apache.kafka.common.config.ConfigException: Invalid max.connection");
        check("7", keys[i], "1", NULL);
    }
    check("7", "listener.name.controller.max.connections", "0", NULL); /* said at the start only */
    check("7", "max.connections.per.ip.overrides", "[::1]:5",
        "requirement failed: max.connections.per.ip.overrides contains invalid addresses : [::1]");
    end();
}

static void hear(const char *key, const char *voices)
{
    struct setting_voices found = broker_setting_voices(&view, str_from(key));
    const char *all = "";
    for (int32_t i = 0; i < found.count; i++)
        all = arena_format(&arena, "%s%d:%.*s=%.*s ", all, found.list[i].source,
            STR_PRINT(found.list[i].name), STR_PRINT(found.list[i].value));
    assert_string_equal(all, voices);
}

/* 2 this broker, 3 all brokers, 4 file, 5 default. What comes before the key's own first voice is
 * not told. */
void test_settings_change__tell_who_says_a_setting_in_kafkas_order(void)
{
    begin("node.id=7\nlog.retention.minutes=50\n");
    hear("log.retention.ms", "");
    hear("log.retention.minutes", "4:log.retention.minutes=50 5:log.retention.hours=168 ");
    set(SCOPE_BROKER, "", "log.retention.ms", " 9 ");
    set(SCOPE_BROKER, "7", "log.retention.ms", "8");
    set(SCOPE_BROKER, "8", "log.retention.ms", "7");
    hear("log.retention.ms", "2:log.retention.ms=8 3:log.retention.ms= 9  "
                             "4:log.retention.minutes=50 5:log.retention.hours=168 ");
    assert_true(str_is(broker_setting_value(&view, STR("log.retention.ms")), "8"));
    set(SCOPE_BROKER, "7", "log.retention.ms", "for ever");
    assert_true(str_is(broker_setting_value(&view, STR("log.retention.ms")), "9"));
    hear("broker.id", "4:broker.id=7 5:broker.id=-1 ");
    hear("node.id", "4:node.id=7 ");
    hear("process.roles", "5:process.roles=broker,controller ");
    set(SCOPE_BROKER, "7", "listener.name.a.plain.sasl.jaas.config", "x");
    hear("listener.name.a.plain.sasl.jaas.config", "2:listener.name.a.plain.sasl.jaas.config=x ");
    assert_string_equal(broker_setting_row(STR("listener.name.a.plain.sasl.jaas.config"))->name,
        "sasl.jaas.config");
    end();
}

static void check_pair(bool is_group, const char *key, const char *value, enum error expected)
{
    struct setting_pair pair = { str_from(key), str_from(value) };
    struct str said = { 0 };
    enum error error = is_group ? group_settings_check(&view, &pair, 1, &said)
                                : client_metrics_settings_check(&view, &pair, 1, &said);
    if (error != expected)
        fail_msg("%s=%s: %d '%.*s'", key, value, error, STR_PRINT(said));
}

void test_settings_change__bound_groups_by_their_broker(void)
{
    begin("group.consumer.min.session.timeout.ms=1000\n");
    check_pair(true, "consumer.session.timeout.ms", "999", ERROR_INVALID_CONFIG);
    check_pair(true, "consumer.session.timeout.ms", "60001", ERROR_INVALID_CONFIG);
    check_pair(true, "consumer.session.timeout.ms", "5001", ERROR_NONE);
    check_pair(
        true, "consumer.session.timeout.ms", "5000", ERROR_INVALID_CONFIG); /* the heartbeat */
    check_pair(true, "streams.num.standby.replicas", "3", ERROR_INVALID_CONFIG);
    check_pair(true, "streams.task.offset.interval.ms", "14999", ERROR_INVALID_CONFIG);
    check_pair(true, "streams.assignor.name", "sticky", ERROR_NONE);
    check_pair(true, "streams.assignor.name", "other", ERROR_INVALID_CONFIG);
    check_pair(true, "nothing", "1", ERROR_INVALID_CONFIG);
    end();
}

void test_settings_change__read_durations_as_java_does(void)
{
    static const char *const right[] = { "PT0S", "P1D", "P1DT1H", "pt1h", "PT1.5S", "+PT1S",
        "PT+1S", "PT1H2M3,5S" };
    static const char *const wrong[] = { "", "P", "PT", "P1DT", "PT1M1H", "PT1.5H", "P1W", "PT-1S",
        "-PT1S", "P1", "PTS", "1D", "PT1Sx" };
    begin("");
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        check_pair(true, "share.auto.offset.reset",
            arena_format(&arena, "by_duration:%s", right[i]), ERROR_NONE);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        check_pair(true, "share.auto.offset.reset",
            arena_format(&arena, "by_duration:%s", wrong[i]), ERROR_INVALID_CONFIG);
    end();
}

void test_settings_change__take_client_metrics_that_java_can_match(void)
{
    begin("");
    check_pair(false, "interval.ms", "99", ERROR_INVALID_REQUEST);
    check_pair(false, "interval.ms", "100", ERROR_NONE);
    check_pair(false, "match", "client_id=a.*[b)]c+,client_source_port=\\d(?:1|2)", ERROR_NONE);
    check_pair(false, "match", "client_id=[", ERROR_INVALID_CONFIG);
    check_pair(false, "match", "client_id=*", ERROR_INVALID_CONFIG);
    check_pair(false, "match", "client_id=a(b", ERROR_INVALID_CONFIG);
    check_pair(false, "match", "client_id=a\\", ERROR_INVALID_CONFIG);
    check_pair(false, "match", "client=a", ERROR_INVALID_CONFIG);
    check_pair(false, "match", "client_id=a,", ERROR_INVALID_CONFIG);
    check_pair(false, "metrics", "", ERROR_NONE);
    end();
}
