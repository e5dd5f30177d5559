/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/settings_input.h"

#include <stdio.h>

#include "broker/settings_rows.h"
#include "test.h"

static struct settings_input input;
static struct node_settings node;

static const struct settings_machine machine = {
    .cpu_count = 8, .memory_size = INT64_C(8) << 30, .host_name = { "here", 4 }
};

static bool read_text(const char *text)
{
    settings_input_init(&input);
    settings_input_file(&input, STR("a.properties"), str_from(text));
    return settings_read(&input, &machine, &node);
}

static void forget(void)
{
    node_settings_deinit(&node);
    settings_input_deinit(&input);
}

/* Both rows of a key that two tables have must say the same, else a description would lie about one
 * of them. */
static void compare(const struct setting *ours, const struct setting *kafkas)
{
    const char *ours_unset = ours->unset == NULL ? "(null)" : ours->unset;
    const char *kafkas_unset = kafkas->unset == NULL ? "(null)" : kafkas->unset;
    /* A node that is told nothing starts all the same, in the directory where it stands. */
    static const char *const assumed[] = { "controller.listener.names", "listeners", "log.dir",
        "node.id", "process.roles" };
    bool is_assumed = false;
    for (size_t i = 0; i < sizeof(assumed) / sizeof(assumed[0]); i++)
        is_assumed |= strcmp(ours->name, assumed[i]) == 0;
    if (!is_assumed && strcmp(ours_unset, kafkas_unset) != 0)
        fail_msg("%s: default %s, not %s", ours->name, ours_unset, kafkas_unset);
    if (ours->bounded != kafkas->bounded || ours->min != kafkas->min || ours->max != kafkas->max)
        fail_msg("%s: other bounds", ours->name);
    bool choice = ours->type == SETTING_CHOICE || ours->type == SETTING_CHOICES;
    if (!choice && ours->type != kafkas->type)
        fail_msg("%s: another type", ours->name);
    if (choice) {
        for (int i = 0; ours->choices[i].name != NULL || kafkas->choices[i].name != NULL; i++)
            assert_string_equal(ours->choices[i].name, kafkas->choices[i].name);
    }
}

void test_settings__agree_with_what_kafka_knows(void)
{
    for (int i = 0; i < node_setting_row_count; i++) {
        const struct setting *row = setting_find(
            kafka_node_settings, kafka_node_settings_count, str_from(node_setting_rows[i].name));
        if (row != NULL)
            compare(&node_setting_rows[i], row);
    }
    for (int i = 0; i < kafka_topic_settings_count; i++) {
        const struct setting *row = topic_setting_find(str_from(kafka_topic_settings[i].name));
        assert_non_null(row);
        compare(row, &kafka_topic_settings[i]);
    }
}

/* A sentence stands in one place, so that it cannot be true in one and false in the other. */
void test_settings__say_once_what_each_key_means(void)
{
    for (int i = 0; i < kafka_node_settings_count; i++) {
        const struct setting *row = &kafka_node_settings[i];
        bool is_ours =
            setting_find(node_setting_rows, node_setting_row_count, str_from(row->name)) != NULL;
        if ((row->doc[0] == 0) != is_ours)
            fail_msg("%s: its meaning belongs into %s", row->name,
                is_ours ? "the row of the node" : "schemas/settings/broker");
    }
    for (int i = 0; i < node_setting_row_count; i++)
        assert_true(node_setting_rows[i].doc[0] != 0);
    for (int i = 0; i < topic_setting_count; i++)
        assert_true(topic_setting_rows[i].doc[0] != 0);
    for (int i = 0; i < kafka_group_settings_count; i++)
        assert_true(kafka_group_settings[i].doc[0] != 0);
    for (int i = 0; i < kafka_client_metrics_settings_count; i++)
        assert_true(kafka_client_metrics_settings[i].doc[0] != 0);
}

void test_settings__rows_are_in_order(void)
{
    for (int i = 1; i < node_setting_row_count; i++)
        assert_true(strcmp(node_setting_rows[i - 1].name, node_setting_rows[i].name) < 0);
    for (int i = 1; i < topic_setting_count; i++)
        assert_true(strcmp(topic_setting_rows[i - 1].name, topic_setting_rows[i].name) < 0);
}

void test_settings__without_any_a_node_stays_on_loopback(void)
{
    assert_true(read_text(""));
    assert_null(input.warnings);
    assert_int_equal(node.node_id, 1);
    assert_true(node.is_broker && node.is_controller);
    assert_int_equal(node.listener_count, 2);
    assert_true(str_is(node.listeners[0].host, "localhost"));
    assert_int_equal(node.listeners[0].port, 9092);
    assert_true(node.listeners[1].is_controller);
    assert_true(str_is(node.listeners[1].host, "localhost"));
    assert_true(str_is(node.log_dirs[0], "strom-data"));
    assert_true(str_is(node.metadata_log_dir, "strom-data"));
    assert_int_equal(node.shards, 4);
    assert_int_equal(node.queued_max_request_bytes, 1 << 30);
    assert_int_equal(node.group_memory_bytes, INT64_C(2) << 30);
    assert_int_equal(node.topic.retention_ms, 604800000);
    forget();
}

void test_settings__memory_of_groups_is_as_said(void)
{
    assert_true(read_text("strom.group.memory.bytes=5000000000\n"));
    assert_int_equal(node.group_memory_bytes, 5000000000);
    forget();
    assert_true(read_text("strom.group.memory.bytes=0\n"));
    assert_int_equal(node.group_memory_bytes, INT64_C(2) << 30); /* a quarter */
    forget();
    assert_false(read_text("strom.group.memory.bytes=-1\n"));
    forget();
}

/* What Apache Kafka ships as config/server.properties, without its comments. */
void test_settings__obey_the_stock_file(void)
{
    assert_true(read_text(
        "process.roles=broker,controller\nnode.id=1\n"
        "controller.quorum.bootstrap.servers=localhost:9093\n"
        "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n"
        "advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n"
        "controller.listener.names=CONTROLLER\n"
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,"
        "SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n"
        "num.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n"
        "socket.receive.buffer.bytes=102400\nsocket.request.max.bytes=104857600\n"
        "log.dirs=/tmp/kraft-combined-logs\nnum.partitions=1\nnum.recovery.threads.per.data.dir=2\n"
        "offsets.topic.replication.factor=1\nshare.coordinator.state.topic.replication.factor=1\n"
        "share.coordinator.state.topic.min.isr=1\ntransaction.state.log.replication.factor=1\n"
        "transaction.state.log.min.isr=1\nlog.retention.hours=168\nlog.segment.bytes=1073741824\n"
        "log.retention.check.interval.ms=300000\n"));
    assert_null(input.warnings);
    assert_int_equal(node.listener_count, 2);
    assert_true(str_is(node.listeners[0].host, ""));
    assert_true(str_is(node.listeners[0].advertised_host, "localhost"));
    assert_true(str_is(node.listeners[1].advertised_host, "localhost"));
    assert_int_equal(node.quorum_bootstrap_count, 1);
    assert_int_equal(node.quorum_bootstrap[0].port, 9093);
    forget();
}

/* text: what is read; sentence: what the refusal must say, place and key and value included. */
void test_settings__refuse_bad_values_and_name_their_place(void)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        { "\nnum.partitions=abc\n", "a.properties:2: num.partitions=abc: not valid; it must be a "
                                    "whole number, at least 1" },
        { "num.partitions=0", "it must be a whole number, at least 1" },
        { "compression.type=zip",
            "it must be one of uncompressed, zstd, lz4, snappy, gzip, producer" },
        { "auto.create.topics.enable=yes", "it must be true or false" },
        { "log.retention.hours=a", "a.properties:1: log.retention.hours=a: not valid" },
        { "num.partitions=99999999999", "too large; it must be at most 2147483647" },
        { "node.id=-1", "at least 0" },
        { "node.id=1\nbroker.id=2", "broker.id=2: node.id is 1, and this is its old name" },
        { "security.inter.broker.protocol=SSL",
            "it must be the name of one of the broker's listeners" },
        { "inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT",
            "only one of inter.broker.listener.name and security.inter.broker.protocol" },
        { "log.retention.hours=0", "log.retention.hours=0: 0 keeps nothing" },
        { "log.retention.ms=0", "it must be -1 (for ever) or at least 1" },
        { "listeners=PLAINTEXT://localhost:9092,CONTROLLER://:9092",
            "PLAINTEXT and CONTROLLER both have 9092" },
        { "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
          "advertised.listeners=CONTROLLER://a:9093",
            "it names no listener for clients" },
        { "max.connections.per.ip=0", "0 lets nobody in" },
        { "max.connections.per.ip.overrides=here", "write host:count" },
        { "max.connections.per.ip.overrides=here:-1", "write host:count" },
        { "listener.name.plaintext.max.connections=many", "max.connections=many" },
        { "queued.max.request.bytes=67108864", "too small for one request" },
        { "log.cleaner.dedupe.buffer.size=1048576", "must be at least 1MB per cleaner thread" },
        { "log.cleaner.threads=128", "must be at least 1MB per cleaner thread" },
        { "log.cleaner.threads=0", "must be at least 1;" },
        { "group.consumer.session.timeout.ms=44999",
            "group.consumer.session.timeout.ms must be greater than or equal to "
            "group.consumer.min.session.timeout.ms: they are 44999 and 45000" },
        { "group.consumer.max.session.timeout.ms=44999",
            "group.consumer.max.session.timeout.ms must be greater than or equal to "
            "group.consumer.min.session.timeout.ms: they are 44999 and 45000" },
        { "group.consumer.heartbeat.interval.ms=15001",
            "must be less than or equal to group.consumer.max.heartbeat.interval.ms" },
        { "group.consumer.heartbeat.interval.ms=6000\ngroup.consumer.min.session.timeout.ms=6000\n"
          "group.consumer.session.timeout.ms=6000",
            "must be less than group.consumer.session.timeout.ms: they are 6000 and 6000" },
        { "group.consumer.min.assignment.interval.ms=1001",
            "group.consumer.min.assignment.interval.ms=1001: "
            "group.consumer.assignment.interval.ms must be greater than or equal to" },
        { "group.consumer.assignors=uniform,sticky",
            "group.consumer.assignors=uniform,sticky: not valid; it must be some of uniform" },
        { "group.consumer.assignors=", "not" },
        { "group.share.max.share.sessions=199", "greater than or equal to group.share.max.size" },
        { "group.streams.num.standby.replicas=3", "group.streams.max.standby.replicas" },
        { "offsets.topic.compression.codec=5", "Unknown compression type id: 5" },
        { "offsets.topic.compression.codec=-1", "Unknown compression type id: -1" },
        { "offsets.topic.num.partitions=0", "at least 1" },
        { "process.roles=broker", "process.roles=broker,controller" },
        { "process.roles=brocker", "process.roles=brocker: not valid" },
        { "listeners=localhost:9092", "localhost:9092 is no listener; write NAME://host:port" },
        { "listeners=PLAINTEXT://localhost:70000", "is no listener" },
        { "listeners=PLAINTEXT://a:1,PLAINTEXT://b:2", "PLAINTEXT stands twice" },
        { "listeners=SSL://:9092", "listener SSL would need TLS or SASL" },
        { "listeners=OUTSIDE://:9092", "no security protocol defined for listener OUTSIDE" },
        { "listeners=PLAINTEXT://0.0.0.0:9092", "clients cannot connect to 0.0.0.0" },
        { "listeners=CONTROLLER://:9093", "a broker needs a listener for clients" },
        { "controller.listener.names=QUORUM", "add for instance QUORUM://localhost:9093" },
        { "advertised.listeners=OTHER://a:1", "OTHER does not stand in listeners" },
        { "controller.quorum.voters=localhost:9093", "write id@host:port" },
        { "controller.quorum.voters=1@a:1,2@b:2", "a quorum of one" },
        { "node.id=3\ncontroller.quorum.voters=1@a:1", "node.id is 3" },
        { "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "a security setting" },
        { "sasl.enabled.mechanisms=PLAIN", "a security setting" },
        { "super.users=User:admin", "a security setting" },
        { "listener.name.plaintext.sasl.enabled.mechanisms=PLAIN", "a security setting" },
        { "ssl.keystore.location=/k", "a security setting" },
        { "log.dirs=", "log.dirs names no directory" },
        { "log.dirs=/a,/a", "names /a twice" },
        { "a=\\u12", "a.properties:1: malformed line" },
        { "strom.shards=1000", "a whole number from 0 to 256" },
        { "ack.durability=memory", "one of disk, page-cache" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_false(read_text(rows[i].text));
        if (strstr(input.problems->text, rows[i].sentence) == NULL)
            fail_msg("'%s' does not say '%s'", input.problems->text, rows[i].sentence);
        forget();
    }
}

/* A person mends one line for one mistake. */
void test_settings__say_one_mistake_once(void)
{
    static const char *const texts[] = { "node.id=x", "node.id=-1", "broker.id=x",
        "process.roles=zookeeper", "listeners=localhost:9092\ncontroller.listener.names=QUORUM",
        "listeners=nonsense\nadvertised.listeners=PLAINTEXT://a:1\n"
        "inter.broker.listener.name=PLAINTEXT",
        "security.inter.broker.protocol=foo", "log.roll.ms=0", "num.partitions=0" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(read_text(texts[i]));
        if (input.problems->next != NULL)
            fail_msg(
                "%s: '%s' and '%s'", texts[i], input.problems->text, input.problems->next->text);
        forget();
    }
}

void test_settings__let_an_ipv4_and_an_ipv6_listener_share_a_port(void)
{
    assert_true(read_text("listeners=A://127.0.0.1:9092,B://[::1]:9092\n"
                          "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT,"
                          "CONTROLLER:PLAINTEXT\n"));
    assert_int_equal(node.listener_count, 3);
    forget();
}

void test_settings__take_the_protocol_for_the_name_of_a_listener(void)
{
    assert_true(read_text("security.inter.broker.protocol=PLAINTEXT\nbroker.id=1\nnode.id=1"));
    assert_true(str_is(node.inter_broker_listener, "PLAINTEXT"));
    assert_null(input.warnings);
    forget();
}

void test_settings__warn_of_what_has_no_effect(void)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        { "num.partitions=3\n\nnum.partitions=4",
            "a.properties:3: num.partitions=4: said in line 1 too; this one holds" },
        { "num.partition=3", "unknown setting; did you mean num.partitions?" },
        { "retention.ms=3", "for all topics it is called log.retention.ms" },
        { "something.altogether.different=3", "unknown setting, ignored" },
        { "remote.log.storage.system.enable=true", "has no effect" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(read_text(rows[i].text));
        assert_non_null(input.warnings);
        if (strstr(input.warnings->text, rows[i].sentence) == NULL)
            fail_msg("'%s' does not say '%s'", input.warnings->text, rows[i].sentence);
        forget();
    }
}

void test_settings__know_the_synonyms_of_topic_settings(void)
{
    assert_true(read_text(
        "log.retention.hours=2\nlog.roll.hours=1\nlog.cleanup.policy=compact,delete\n"
        "message.max.bytes=77\nlog.flush.scheduler.interval.ms=5\ncompression.type=gzip\n"));
    assert_int_equal(node.topic.retention_ms, 7200000);
    assert_int_equal(node.topic.segment_ms, 3600000);
    assert_int_equal(node.topic.cleanup_policy, CLEANUP_COMPACT | CLEANUP_DELETE);
    assert_int_equal(node.topic.max_message_bytes, 77);
    assert_int_equal(node.topic.flush_ms, 5);
    assert_int_equal(node.topic.compression, 1);
    forget();
    assert_true(read_text("log.retention.hours=2\nlog.retention.minutes=3\n"));
    assert_int_equal(node.topic.retention_ms, 180000);
    forget();
    assert_true(read_text("log.retention.minutes=3\nlog.retention.ms=-1\n"));
    assert_int_equal(node.topic.retention_ms, -1);
    forget();
    assert_true(read_text("log.retention.ms=-7\n"));
    assert_int_equal(node.topic.retention_ms, -1);
    forget();
    assert_true(read_text("log.retention.hours=-1\n"));
    assert_int_equal(node.topic.retention_ms, -1);
    forget();
}

void test_settings__take_the_environment_over_the_file_and_overrides_over_both(void)
{
    char *environment[] = { "KAFKA_NUM_PARTITIONS=5", "KAFKA_HEAP_OPTS=-Xmx1g", "STROM_SHARDS=3",
        "KAFKA_DEFAULT_REPLICATION_FACTOR=2", "CLUSTER_ID=abc", "PATH=/bin",
        "STROM_REPORT_FORMAT=json", NULL };
    settings_input_init(&input);
    settings_input_file(&input, STR("f"), STR("num.partitions=4\nbroker.rack=r1\n"));
    settings_input_environment(&input, environment);
    settings_input_override(&input, STR("default.replication.factor=1"));
    assert_true(settings_read(&input, &machine, &node));
    assert_null(input.warnings);
    assert_int_equal(node.num_partitions, 5);
    assert_int_equal(node.default_replication_factor, 1);
    assert_int_equal(node.shards, 3);
    assert_int_equal(node.report_format, 2);
    assert_true(str_is(node.rack, "r1"));
    assert_true(str_is(node.cluster_id, "abc"));
    forget();
}

void test_settings__check_topic_wishes_in_kafkas_words(void)
{
    struct arena arena;
    struct str message;
    arena_init(&arena);
    assert_int_equal(
        topic_setting_check(STR("retention.ms"), STR("-1"), &arena, &message), ERROR_NONE);
    assert_int_equal(
        topic_setting_check(STR("cleanup.policy"), STR(""), &arena, &message), ERROR_NONE);
    assert_int_equal(
        topic_setting_check(STR("nothing"), STR("1"), &arena, &message), ERROR_INVALID_CONFIG);
    assert_true(str_is(message, "Unknown topic config name: nothing"));
    assert_int_equal(topic_setting_check(STR("segment.bytes"), STR("1"), &arena, &message),
        ERROR_INVALID_CONFIG);
    assert_true(str_is(message,
        "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576"));
    arena_deinit(&arena);
}

static void check_order(void *context, const struct setting *row)
{
    const char **last = context;
    assert_true(*last == NULL || strcmp(*last, row->name) < 0);
    *last = row->name;
}

void test_settings__are_visited_once_each_by_name(void)
{
    const char *last = NULL;
    node_settings_visit(check_order, &last);
    assert_non_null(last);
}

/* However long: a key that is nothing like any other is not taken for the first of them. */
void test_settings__have_no_name_near_a_very_long_one(void)
{
    char name[600];
    memset(name, 'x', sizeof(name));
    assert_null(node_setting_nearest((struct str){ name, sizeof(name) }));
    assert_string_equal(node_setting_nearest(STR("num.partition"))->name, "num.partitions");
}
