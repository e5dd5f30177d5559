/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of topic settings. */
#include "broker/settings.h"

#include <stddef.h>

#include "base/setting.h"

/* Numbers of codecs are those of a batch's attributes. */
static const struct setting_choice compressions[] = { { "uncompressed", 0 }, { "zstd", 4 },
    { "lz4", 3 }, { "snappy", 2 }, { "gzip", 1 }, { "producer", CODEC_OF_PRODUCER }, { NULL } };
static const struct setting_choice policies[] = { { "compact", CLEANUP_COMPACT },
    { "delete", CLEANUP_DELETE }, { NULL } };
static const struct setting_choice timestamp_types[] = { { "CreateTime", TIMESTAMP_CREATE_TIME },
    { "LogAppendTime", TIMESTAMP_LOG_APPEND_TIME }, { NULL } };
static const struct setting_choice durabilities[] = { { "disk", ACK_DISK },
    { "page-cache", ACK_PAGE_CACHE }, { NULL } };

#define AT(field) offsetof(struct topic_settings, field)
/* clang-format off */
#define FROM(...) .fallbacks = (const struct setting_fallback[]){ __VA_ARGS__, { NULL } }
/* clang-format on */
#define SAME_AS(broker_key) FROM({ broker_key, 1 })
enum { SECONDS = 1000, MINUTES = 60 * SECONDS, HOURS = 60 * MINUTES };

const struct setting topic_setting_rows[] = {
    { "ack.durability", SETTING_CHOICE, AT(ack_durability), "disk",
        "When a replica counts as having a record. disk: once it is flushed. page-cache: once it "
        "is written, as Kafka does.",
        .choices = durabilities, SAME_AS("ack.durability") },
    { "cleanup.policy", SETTING_CHOICES, AT(cleanup_policy), "delete",
        "delete: drop old segments. compact: keep the newest record of each key. Empty: keep "
        "everything.",
        .choices = policies, SAME_AS("log.cleanup.policy") },
    { "compression.gzip.level", SETTING_INT32, AT(gzip_level), "-1",
        "Level when the topic's own codec is gzip.", SETTING_BETWEEN(-1, 9),
        .flags = SETTING_NOT_ZERO, SAME_AS("compression.gzip.level") },
    { "compression.lz4.level", SETTING_INT32, AT(lz4_level), "9",
        "Level when the topic's own codec is lz4.", SETTING_BETWEEN(1, 17),
        SAME_AS("compression.lz4.level") },
    { "compression.type", SETTING_CHOICE, AT(compression), "producer",
        "The codec that batches are stored in. producer: as they came.", .choices = compressions,
        SAME_AS("compression.type") },
    { "compression.zstd.level", SETTING_INT32, AT(zstd_level), "3",
        "Level when the topic's own codec is zstd.", SETTING_BETWEEN(-131072, 22),
        SAME_AS("compression.zstd.level") },
    { "delete.retention.ms", SETTING_INT64, AT(delete_retention_ms), "86400000",
        "How long a compacted topic keeps the mark of a deleted key.", SETTING_AT_LEAST(0),
        SAME_AS("log.cleaner.delete.retention.ms") },
    { "errors.deadletterqueue.group.enable", SETTING_BOOL, SETTING_NOWHERE, "false",
        "Whether share groups may use this topic as their dead letter queue." },
    { "file.delete.delay.ms", SETTING_INT64, AT(file_delete_delay_ms), "60000",
        "How long a dropped segment's files stay, renamed, before they are deleted.",
        SETTING_AT_LEAST(0), SAME_AS("log.segment.delete.delay.ms") },
    { "flush.messages", SETTING_INT64, AT(flush_messages), "9223372036854775807",
        "Flush at the latest after so many records.", SETTING_AT_LEAST(1),
        SAME_AS("log.flush.interval.messages") },
    { "flush.ms", SETTING_INT64, AT(flush_ms), "9223372036854775807",
        "Flush at the latest after this time.", SETTING_AT_LEAST(0),
        FROM({ "log.flush.interval.ms", 1 }, { "log.flush.scheduler.interval.ms", 1 }) },
    { "follower.replication.throttled.replicas", SETTING_LIST, SETTING_NOWHERE, "",
        "Replicas whose fetching is throttled: partition:broker,... or *." },
    { "index.interval.bytes", SETTING_INT32, AT(index_interval_bytes), "4096",
        "Add an index entry after so many bytes of records.", SETTING_AT_LEAST(0),
        SAME_AS("log.index.interval.bytes") },
    { "internal.segment.bytes", SETTING_INT32, SETTING_NOWHERE, NULL, "Kafka's tests use it.",
        .flags = SETTING_INTERNAL },
    { "leader.replication.throttled.replicas", SETTING_LIST, SETTING_NOWHERE, "",
        "Replicas whose serving is throttled: partition:broker,... or *." },
    { "local.retention.bytes", SETTING_INT64, SETTING_NOWHERE, "-2",
        "Local size of a tiered topic's partition.", SETTING_AT_LEAST(-2),
        SAME_AS("log.local.retention.bytes") },
    { "local.retention.ms", SETTING_INT64, SETTING_NOWHERE, "-2",
        "Local age of a tiered topic's segments.", SETTING_AT_LEAST(-2),
        SAME_AS("log.local.retention.ms") },
    { "max.compaction.lag.ms", SETTING_INT64, AT(max_compaction_lag_ms), "9223372036854775807",
        "A record is compacted at the latest after this time.", SETTING_AT_LEAST(1),
        SAME_AS("log.cleaner.max.compaction.lag.ms") },
    { "max.decompressed.message.bytes", SETTING_INT32, AT(max_decompressed_message_bytes),
        "2147483639", "The largest record after decompression.", SETTING_BETWEEN(1, 2147483639),
        SAME_AS("max.decompressed.message.bytes") },
    { "max.message.bytes", SETTING_INT32, AT(max_message_bytes), "1048588",
        "The largest batch, as it is stored.", SETTING_AT_LEAST(0), SAME_AS("message.max.bytes") },
    { "message.timestamp.after.max.ms", SETTING_INT64, AT(timestamp_after_max_ms), "3600000",
        "A record may be dated at most so far in the future.", SETTING_AT_LEAST(0),
        SAME_AS("log.message.timestamp.after.max.ms") },
    { "message.timestamp.before.max.ms", SETTING_INT64, AT(timestamp_before_max_ms),
        "9223372036854775807", "A record may be dated at most so far in the past.",
        SETTING_AT_LEAST(0), SAME_AS("log.message.timestamp.before.max.ms") },
    { "message.timestamp.type", SETTING_CHOICE, AT(timestamp_type), "CreateTime",
        "Whether a record keeps its producer's time or gets the time of its append.",
        .choices = timestamp_types, SAME_AS("log.message.timestamp.type") },
    { "min.cleanable.dirty.ratio", SETTING_DOUBLE, AT(min_cleanable_dirty_ratio), "0.5",
        "Compact when so much of the log is not compacted yet.", SETTING_BETWEEN(0, 1),
        SAME_AS("log.cleaner.min.cleanable.ratio") },
    { "min.compaction.lag.ms", SETTING_INT64, AT(min_compaction_lag_ms), "0",
        "A record is not compacted before this time.", SETTING_AT_LEAST(0),
        SAME_AS("log.cleaner.min.compaction.lag.ms") },
    { "min.insync.replicas", SETTING_INT32, AT(min_insync_replicas), "1",
        "acks=all needs so many replicas in sync.", SETTING_AT_LEAST(1),
        SAME_AS("min.insync.replicas") },
    { "preallocate", SETTING_BOOL, AT(preallocate), "false",
        "Allocate a segment's whole file when it is made.", SAME_AS("log.preallocate") },
    { "remote.copy.lag.bytes", SETTING_INT64, SETTING_NOWHERE, "-1",
        "How far tiering may lag, in bytes.", SETTING_AT_LEAST(-1),
        SAME_AS("log.remote.copy.lag.bytes") },
    { "remote.copy.lag.ms", SETTING_INT64, SETTING_NOWHERE, "0",
        "How far tiering may lag, in time.", SETTING_AT_LEAST(-1),
        SAME_AS("log.remote.copy.lag.ms") },
    { "remote.log.copy.disable", SETTING_BOOL, SETTING_NOWHERE, "false",
        "Stop tiering, keep what is tiered." },
    { "remote.log.delete.on.disable", SETTING_BOOL, SETTING_NOWHERE, "false",
        "Delete what is tiered when tiering ends." },
    { "remote.storage.enable", SETTING_BOOL, SETTING_NOWHERE, "false",
        "Tier the topic's segments." },
    { "retention.bytes", SETTING_INT64, AT(retention_bytes), "-1",
        "Drop sealed segments while a partition is larger. -1: no bound.",
        SAME_AS("log.retention.bytes") },
    { "retention.ms", SETTING_INT64, AT(retention_ms), "604800000",
        "Drop a sealed segment when its newest record is older. -1: keep for ever.",
        SETTING_AT_LEAST(-1),
        FROM({ "log.retention.ms", 1 }, { "log.retention.minutes", MINUTES },
            { "log.retention.hours", HOURS }) },
    { "segment.bytes", SETTING_INT32, AT(segment_bytes), "1073741824",
        "Begin a new segment at this size.", SETTING_AT_LEAST(1048576),
        SAME_AS("log.segment.bytes") },
    { "segment.index.bytes", SETTING_INT32, AT(segment_index_bytes), "10485760",
        "Begin a new segment when an index has this size.", SETTING_AT_LEAST(4),
        SAME_AS("log.index.size.max.bytes") },
    { "segment.jitter.ms", SETTING_INT64, AT(segment_jitter_ms), "0",
        "Begin a new segment up to this much earlier, at random.", SETTING_AT_LEAST(0),
        FROM({ "log.roll.jitter.ms", 1 }, { "log.roll.jitter.hours", HOURS }) },
    { "segment.ms", SETTING_INT64, AT(segment_ms), "604800000",
        "Begin a new segment after this time.", SETTING_AT_LEAST(1),
        FROM({ "log.roll.ms", 1 }, { "log.roll.hours", HOURS }) },
    { "unclean.leader.election.enable", SETTING_BOOL, AT(unclean_leader_election), "false",
        "Whether a replica that lacks records may lead when no other can. Loses records.",
        SAME_AS("unclean.leader.election.enable") },
};
const int topic_setting_count = sizeof(topic_setting_rows) / sizeof(topic_setting_rows[0]);

const struct setting *topic_setting_find(struct str name)
{
    return setting_find(topic_setting_rows, topic_setting_count, name);
}

static bool is_digits(struct str text)
{
    for (int32_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return text.size > 0;
}

static bool names_replicas(struct str list)
{
    struct str piece;
    if (str_is(str_trim(list), "*") || str_trim(list).size == 0)
        return true;
    while (str_split(&list, ',', &piece)) {
        struct str broker = str_trim(piece), partition;
        if (broker.size == 0)
            continue;
        str_split(&broker, ':', &partition);
        if (str_is_null(broker) || !is_digits(partition) || !is_digits(broker))
            return false;
    }
    return true;
}

/* As Java prints a list. */
static const char *print_list(struct str list, struct arena *arena)
{
    const char *all = "";
    struct str piece;
    while (str_split(&list, ',', &piece))
        all = arena_format(
            arena, "%s%s%.*s", all, all[0] == 0 ? "" : ", ", STR_PRINT(str_trim(piece)));
    return all;
}

/* The lists of throttled replicas are the only ones with a form of their own. */
static enum error check_throttled(
    struct str name, struct str value, struct arena *arena, struct str *out_message)
{
    if (!str_is(name, "leader.replication.throttled.replicas") &&
        !str_is(name, "follower.replication.throttled.replicas"))
        return ERROR_NONE;
    if (names_replicas(value))
        return ERROR_NONE;
    *out_message = str_from(arena_format(arena,
        "Invalid value [%s] for configuration %.*s: %.*s must be the literal '*' or a list of "
        "replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        print_list(value, arena), STR_PRINT(name), STR_PRINT(name)));
    return ERROR_INVALID_CONFIG;
}

enum error topic_setting_check(
    struct str name, struct str value, struct arena *arena, struct str *out_message)
{
    const struct setting *row = topic_setting_find(name);
    if (row == NULL) {
        *out_message =
            str_from(arena_format(arena, "Unknown topic config name: %.*s", STR_PRINT(name)));
        return ERROR_INVALID_CONFIG;
    }
    if (str_is_null(value)) {
        *out_message = str_from(arena_format(
            arena, "Null value not supported for topic configs: %.*s", STR_PRINT(name)));
        return ERROR_INVALID_CONFIG;
    }
    if (!setting_parse(row, value, arena, NULL, out_message))
        return ERROR_INVALID_CONFIG;
    return check_throttled(name, value, arena, out_message);
}
