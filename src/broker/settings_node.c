/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of settings that a node itself uses. What topics inherit (log.retention.ms ...) is
 * filled through the rows of topic settings; what needs more than one value (listeners,
 * directories, voters) is put together in settings_read.c. */
#include <stddef.h>

#include "base/report.h"
#include "base/setting.h"
#include "broker/settings.h"
#include "broker/settings_rows.h"

#define AT(field) offsetof(struct node_settings, field)

static const struct setting_choice validations[] = { { "full", PRODUCE_VALIDATE_FULL },
    { "header", PRODUCE_VALIDATE_HEADER }, { NULL } };
static const struct setting_choice durabilities[] = { { "disk", ACK_DISK },
    { "page-cache", ACK_PAGE_CACHE }, { NULL } };
static const struct setting_choice formats[] = { { "text", 0 }, { "logfmt", 1 }, { "json", 2 },
    { NULL } };
static const struct setting_choice levels[] = { { "debug", REPORT_DEBUG }, { "info", REPORT_INFO },
    { "warn", REPORT_WARN }, { "error", REPORT_ERROR }, { NULL } };

static const struct setting_choice migration_policies[] = { { "DISABLED", MIGRATION_DISABLED },
    { "DOWNGRADE", MIGRATION_DOWNGRADE }, { "UPGRADE", MIGRATION_UPGRADE },
    { "BIDIRECTIONAL", MIGRATION_BIDIRECTIONAL }, { NULL } };
static const struct setting_choice group_protocols[] = { { "consumer", GROUP_PROTOCOL_CONSUMER },
    { "classic", GROUP_PROTOCOL_CLASSIC }, { "share", GROUP_PROTOCOL_SHARE },
    { "streams", GROUP_PROTOCOL_STREAMS }, { NULL } };
static const struct setting_choice assignor_names[] = { { "uniform" }, { "range" },
    { "org.apache.kafka.coordinator.group.assignor.UniformAssignor" },
    { "org.apache.kafka.coordinator.group.assignor.RangeAssignor" }, { NULL } };
static const struct setting_choice roles[] = { { "broker" }, { "controller" }, { NULL } };

const struct setting node_setting_rows[] = {
    { "ack.durability", SETTING_CHOICE, SETTING_NOWHERE, "disk",
        "What topics get that do not say ack.durability.", .choices = durabilities },
    { "auto.create.topics.enable", SETTING_BOOL, AT(auto_create_topics), "true",
        "Create a topic when a client asks for its metadata." },
    { "broker.heartbeat.interval.ms", SETTING_INT32, AT(broker_heartbeat_interval_ms), "2000",
        "How often a broker tells the controller that it lives." },
    { "broker.rack", SETTING_STRING, AT(rack), NULL,
        "Where this broker stands; replicas are spread over racks." },
    { "connections.max.idle.ms", SETTING_INT64, AT(connections_max_idle_ms), "600000",
        "Close a connection that says nothing for so long." },
    { "controller.listener.names", SETTING_LIST, SETTING_NOWHERE, "CONTROLLER",
        "The listeners that belong to the controller.", .flags = SETTING_REQUIRED },
    { "controller.quorum.election.backoff.max.ms", SETTING_INT32,
        AT(quorum_election_backoff_max_ms), "1000", "Longest wait between elections.",
        SETTING_AT_LEAST(0) },
    { "controller.quorum.election.timeout.ms", SETTING_INT32, AT(quorum_election_timeout_ms),
        "1000", "Stand for election when no leader is known for so long.", SETTING_AT_LEAST(0) },
    { "controller.quorum.fetch.timeout.ms", SETTING_INT32, AT(quorum_fetch_timeout_ms), "2000",
        "A voter that cannot fetch for so long stands for election.", SETTING_AT_LEAST(0) },
    { "cordoned.log.dirs", SETTING_LIST, SETTING_NOWHERE, "",
        "Directories of log.dirs that get no new partitions, with commas between them; * means "
        "all. "
        "Takes effect with the next heartbeat.",
        .flags = SETTING_PER_BROKER | SETTING_DISTINCT },
    { "default.replication.factor", SETTING_INT32, AT(default_replication_factor), "1",
        "Replicas of a topic that does not say." },
    { "delete.topic.enable", SETTING_BOOL, AT(delete_topic_enable), "true",
        "Whether topics may be deleted." },
    { "fetch.max.bytes", SETTING_INT32, AT(fetch_max_bytes), "57671680",
        "Most bytes of one answer to a fetch.", SETTING_AT_LEAST(1024) },
    { "group.consumer.assignment.interval.ms", SETTING_INT32,
        AT(coordinator.consumer_assignment_interval_ms), "1000",
        "The least time between two assignments of a group that is larger than "
        "strom.group.assign.at.once.",
        SETTING_AT_LEAST(0), .flags = SETTING_LIVE },
    { "group.consumer.assignors", SETTING_LIST, AT(coordinator.consumer_assignors),
        "uniform,range",
        "The assignors that consumer groups may choose from, the first being the default.",
        .choices = assignor_names, .flags = SETTING_NOT_EMPTY },
    { "group.consumer.heartbeat.interval.ms", SETTING_INT32, AT(coordinator.consumer_heartbeat_ms),
        "5000",
        "How often members of the consumer protocol are told to send a heartbeat when their group "
        "is "
        "stable and the node has many members. Of more than 1000 those that are due within 10 ms come "
        "together.",
        SETTING_AT_LEAST(1) },
    { "group.consumer.max.assignment.interval.ms", SETTING_INT32,
        AT(coordinator.consumer_assignment_bounds.most), "15000",
        "The largest consumer.assignment.interval.ms that a group may have.", SETTING_AT_LEAST(0) },
    { "group.consumer.max.heartbeat.interval.ms", SETTING_INT32,
        AT(coordinator.consumer_heartbeat_bounds.most), "15000",
        "The largest consumer.heartbeat.interval.ms that a group may have.", SETTING_AT_LEAST(1) },
    { "group.consumer.max.session.timeout.ms", SETTING_INT32,
        AT(coordinator.consumer_session_bounds.most), "60000",
        "The largest consumer.session.timeout.ms that a group may have.", SETTING_AT_LEAST(1) },
    { "group.consumer.max.size", SETTING_INT32, AT(coordinator.consumer_max_size), "2147483647",
        "Most members of a group of the consumer protocol.", SETTING_AT_LEAST(1) },
    { "group.consumer.migration.policy", SETTING_CHOICE, AT(coordinator.migration_policy),
        "bidirectional",
        "Whether a group may change between the classic and the consumer protocol while it lives.",
        .choices = migration_policies, .flags = SETTING_ANY_CASE },
    { "group.consumer.min.assignment.interval.ms", SETTING_INT32,
        AT(coordinator.consumer_assignment_bounds.least), "0",
        "The smallest consumer.assignment.interval.ms that a group may have.",
        SETTING_AT_LEAST(0) },
    { "group.consumer.min.heartbeat.interval.ms", SETTING_INT32,
        AT(coordinator.consumer_heartbeat_bounds.least), "5000",
        "The smallest consumer.heartbeat.interval.ms that a group may have.", SETTING_AT_LEAST(1) },
    { "group.consumer.min.session.timeout.ms", SETTING_INT32,
        AT(coordinator.consumer_session_bounds.least), "45000",
        "The smallest consumer.session.timeout.ms that a group may have.", SETTING_AT_LEAST(1) },
    { "group.consumer.session.timeout.ms", SETTING_INT32, AT(coordinator.consumer_session_ms),
        "45000",
        "A member of the consumer protocol that is silent for so long is taken out of its group.",
        SETTING_AT_LEAST(1) },
    { "group.coordinator.rebalance.protocols", SETTING_CHOICES, AT(group_protocols),
        "classic,consumer,streams",
        "The group protocols that are served: classic must be there, consumer may be left out; the "
        "others have no effect in this version.",
        .choices = group_protocols },
    { "group.initial.rebalance.delay.ms", SETTING_INT32, AT(coordinator.classic_initial_delay_ms),
        "3000", "How long a new classic group waits for more members before it begins." },
    { "group.max.session.timeout.ms", SETTING_INT32, AT(coordinator.classic_max_session_ms),
        "1800000", "The longest session that a member of a classic group may ask for." },
    { "group.max.size", SETTING_INT32, AT(coordinator.classic_max_size), "2147483647",
        "Most members of a classic group.", SETTING_AT_LEAST(1) },
    { "group.min.session.timeout.ms", SETTING_INT32, AT(coordinator.classic_min_session_ms), "6000",
        "The shortest session that a member of a classic group may ask for." },
    { "listeners", SETTING_LIST, SETTING_NOWHERE, "PLAINTEXT://localhost:9092",
        "Where the node listens, one NAME://host:port for each listener; without one for the "
        "controller, that gets any free port of localhost. A change needs a restart.",
        .flags = SETTING_PER_BROKER },
    { "log.cleaner.backoff.ms", SETTING_INT64, AT(cleaner_backoff_ms), "15000",
        "How often compacted logs are looked at when there is nothing to clean.",
        SETTING_AT_LEAST(0), .flags = SETTING_LIVE },
    { "log.cleaner.dedupe.buffer.size", SETTING_INT64, AT(cleaner_dedupe_bytes), "134217728",
        "Memory for the keys of all cleanings together; taken only while they run. More than 1 MiB "
        "for "
        "each of log.cleaner.threads.",
        .flags = SETTING_LIVE },
    { "log.cleaner.enable", SETTING_BOOL, AT(cleaner_enable), "true",
        "Whether compacted topics are cleaned." },
    { "log.cleaner.io.buffer.load.factor", SETTING_DOUBLE, AT(cleaner_load_factor), "0.9",
        "How full the table of keys may become; what does not fit is left for another cleaning. "
        "Below 0.01 it counts as 0.01, above 0.99 as 0.99.",
        .flags = SETTING_LIVE },
    { "log.cleaner.io.buffer.size", SETTING_INT32, AT(cleaner_io_buffer_bytes), "524288",
        "Memory for reading and writing of all cleanings together.", SETTING_AT_LEAST(0),
        .flags = SETTING_LIVE },
    { "log.cleaner.io.max.bytes.per.second", SETTING_DOUBLE, AT(cleaner_max_bytes_per_second),
        "1.7976931348623157E308",
        "Most bytes that all cleanings together read and write in a second.",
        .flags = SETTING_LIVE },
    { "log.cleaner.threads", SETTING_INT32, AT(cleaner_threads), "1",
        "How many logs are cleaned at a time, on the node's workers.", SETTING_AT_LEAST(0),
        .flags = SETTING_LIVE },
    { "log.dir", SETTING_LIST, SETTING_NOWHERE, "strom-data",
        "The directory of data where log.dirs is not said." },
    { "log.initial.task.delay.ms", SETTING_INT64, AT(initial_task_delay_ms), "30000",
        "Wait after the start before old segments are first looked for.", SETTING_AT_LEAST(0),
        .flags = SETTING_INTERNAL },
    { "log.retention.check.interval.ms", SETTING_INT64, AT(retention_check_interval_ms), "300000",
        "How often old segments are looked for.", SETTING_AT_LEAST(1) },
    { "max.connection.creation.rate", SETTING_INT32, AT(max_connection_creation_rate), "2147483647",
        "Most connections accepted a second, on average; those that come faster wait.",
        SETTING_AT_LEAST(0), .flags = SETTING_LIVE },
    { "max.connections", SETTING_INT32, AT(max_connections), "2147483647",
        "Most connections at once; further ones wait.", SETTING_AT_LEAST(0),
        .flags = SETTING_LIVE },
    { "max.connections.per.ip", SETTING_INT32, AT(max_connections_per_ip), "2147483647",
        "Most connections at once from one address; further ones are closed.", SETTING_AT_LEAST(0),
        .flags = SETTING_LIVE },
    { "max.connections.per.ip.overrides", SETTING_STRING, AT(max_connections_per_ip_overrides), "",
        "Other limits of single addresses: host:count, with commas.", .flags = SETTING_LIVE },
    { "max.incremental.fetch.session.cache.slots", SETTING_INT32, AT(fetch_session_slots), "1000",
        "Most incremental fetch sessions at once.", SETTING_AT_LEAST(0) },
    { "max.request.partition.size.limit", SETTING_INT32, AT(max_request_partition_size_limit),
        "2000", "Most partitions in one answer to DescribeTopicPartitions.", SETTING_AT_LEAST(1) },
    { "metadata.log.max.record.bytes.between.snapshots", SETTING_INT64,
        AT(metadata_max_record_bytes_between_snapshots), "20971520",
        "Write a metadata snapshot after so many bytes of records.", SETTING_AT_LEAST(1) },
    { "metadata.log.max.snapshot.interval.ms", SETTING_INT64, AT(metadata_max_snapshot_interval_ms),
        "3600000",
        "Write a metadata snapshot after this time when there are new records. 0: never.",
        SETTING_AT_LEAST(0) },
    { "metadata.log.segment.bytes", SETTING_INT32, AT(metadata_segment_bytes), "1073741824",
        "Size of the metadata log's segments.", SETTING_AT_LEAST(8388608) },
    { "metadata.log.segment.ms", SETTING_INT64, AT(metadata_segment_ms), "604800000",
        "Begin a new segment of the metadata log after this time." },
    { "metadata.max.idle.interval.ms", SETTING_INT32, AT(metadata_max_idle_interval_ms), "500",
        "Write a no-op record when the metadata log is silent for so long. 0: never.",
        SETTING_AT_LEAST(0) },
    { "metadata.max.retention.bytes", SETTING_INT64, AT(metadata_max_retention_bytes), "104857600",
        "Drop the oldest of the metadata log beyond this size." },
    { "metadata.max.retention.ms", SETTING_INT64, AT(metadata_max_retention_ms), "604800000",
        "Drop the oldest of the metadata log beyond this age." },
    { "node.id", SETTING_INT32, AT(node_id), "1", "The number of this node in the cluster.",
        SETTING_AT_LEAST(0), .flags = SETTING_REQUIRED },
    { "num.partitions", SETTING_INT32, AT(num_partitions), "1",
        "Partitions of a topic that does not say.", SETTING_AT_LEAST(1) },
    { "offset.metadata.max.bytes", SETTING_INT32, AT(coordinator.offset_metadata_max_bytes), "4096",
        "Most bytes of metadata beside a committed offset." },
    { "offsets.retention.check.interval.ms", SETTING_INT64, AT(offsets_check_interval_ms), "600000",
        "How often committed offsets that are too old are looked for.", SETTING_AT_LEAST(1) },
    { "offsets.retention.minutes", SETTING_INT32, AT(coordinator.offsets_retention_minutes),
        "10080",
        "Forget the offsets of a group that is empty for so long; of one without members, of each "
        "that was committed before.",
        SETTING_AT_LEAST(1) },
    { "offsets.topic.compression.codec", SETTING_INT32, AT(offsets_topic_codec), "0",
        "How __consumer_offsets is compressed: 1 gzip, 2 snappy, 3 lz4, 4 zstd; 0 not at all." },
    { "offsets.topic.num.partitions", SETTING_INT32, AT(offsets_topic_partitions), "50",
        "Partitions of __consumer_offsets when it is made.", SETTING_AT_LEAST(1) },
    { "offsets.topic.replication.factor", SETTING_INT16, AT(offsets_topic_replication_factor), "3",
        "Replicas of __consumer_offsets when it is made; as many as there are brokers when those "
        "are fewer.",
        SETTING_AT_LEAST(1) },
    { "offsets.topic.segment.bytes", SETTING_INT32, AT(offsets_topic_segment_bytes), "104857600",
        "Size of the segments of __consumer_offsets.", SETTING_AT_LEAST(1) },
    { "process.roles", SETTING_LIST, SETTING_NOWHERE, "broker,controller",
        "What this node is; this version runs nodes that are both broker and controller.",
        .choices = roles, .flags = SETTING_REQUIRED },
    { "produce.validate", SETTING_CHOICE, AT(produce_validate), "full",
        "full: decompress and check every record. header: trust compressed batches whose header "
        "and CRC are right.",
        .choices = validations },
    { "producer.id.expiration.ms", SETTING_INT32, AT(producer_id_expiration_ms), "86400000",
        "Forget an idempotent producer that is silent for so long; looked for with old segments.",
        SETTING_AT_LEAST(1), .flags = SETTING_LIVE },
    { "queued.max.request.bytes", SETTING_INT64, AT(queued_max_request_bytes), "-1",
        "Memory for requests in work and answers that are not sent. -1: a quarter of the "
        "machine's, "
        "at most 1 GiB." },
    { "report.format", SETTING_CHOICE, AT(report_format), "text", "How diagnostics are printed.",
        .choices = formats },
    { "report.level", SETTING_CHOICE, AT(report_level), "info",
        "The least diagnostics that are printed. SIGHUP reads it again from the file.",
        .choices = levels },
    { "socket.request.max.bytes", SETTING_INT32, AT(socket_request_max_bytes), "104857600",
        "The largest request.", SETTING_AT_LEAST(1) },
    { "strom.cache.bytes", SETTING_INT64, AT(cache_bytes), "67108864",
        "So many bytes at a partition's end stay in the page cache; what is durable before them "
        "goes once every reader of the last ten seconds is past it. 8 MiB stay always. -1: all "
        "stays until the system wants the memory.",
        SETTING_AT_LEAST(-1) },
    { "strom.dirty.bytes", SETTING_INT64, AT(dirty_bytes), "-1",
        "What a log directory may hold that is written and not flushed; beyond it, produce to that "
        "directory waits. -1: a sixteenth of the machine's memory, at least 256 MiB.",
        SETTING_AT_LEAST(-1) },
    { "strom.group.assign.at.once", SETTING_INT64, AT(coordinator.consumer_assign_at_once),
        "1000000",
        "A group of the consumer protocol is assigned by the heartbeat that finds it in need of that, "
        "while members times partitions are no more than this, and members at most 1000; a larger "
        "one beside, by a worker.",
        SETTING_AT_LEAST(0) },
    { "strom.group.heartbeat.ms", SETTING_INT32, AT(coordinator.consumer_moving_heartbeat_ms),
        "100",
        "How often members of the consumer protocol are told to send a heartbeat while partitions "
        "of "
        "their group change hands.",
        SETTING_AT_LEAST(1) },
    { "strom.group.memory.bytes", SETTING_INT64, AT(group_memory_bytes), "0",
        "What the groups of the node may take of memory: their members and offsets. From seven "
        "eighths of it on nobody new comes, beyond it what would take more is refused. 0: a quarter "
        "of the machine's memory.",
        SETTING_AT_LEAST(0) },
    { "strom.shards", SETTING_INT32, AT(shards), "0",
        "Threads that own partitions. 0: one for two processors.", SETTING_BETWEEN(0, 256) },
    { "strom.workers", SETTING_INT32, AT(workers), "0",
        "Threads for what blocks (flushing, deleting, cold reads). 0: as many as processors, at "
        "least 2.",
        SETTING_BETWEEN(0, 256) },
};
const int node_setting_row_count = sizeof(node_setting_rows) / sizeof(node_setting_rows[0]);

/* Both tables are in order of names. */
static const struct setting *find_sorted(const struct setting *rows, int count, struct str name)
{
    int from = 0, to = count;
    while (from < to) {
        int middle = from + (to - from) / 2;
        int order = str_compare(name, str_from(rows[middle].name));
        if (order == 0)
            return &rows[middle];
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

const struct setting *node_setting_find(struct str name)
{
    const struct setting *row = find_sorted(node_setting_rows, node_setting_row_count, name);
    return row != NULL ? row : find_sorted(kafka_node_settings, kafka_node_settings_count, name);
}

const struct setting *node_setting_nearest(struct str name)
{
    const struct setting *ours = setting_nearest(node_setting_rows, node_setting_row_count, name);
    const struct setting *kafkas =
        setting_nearest(kafka_node_settings, kafka_node_settings_count, name);
    if (ours == NULL || kafkas == NULL)
        return ours != NULL ? ours : kafkas;
    bool ours_is_nearer =
        str_distance(name, str_from(ours->name)) < str_distance(name, str_from(kafkas->name));
    return ours_is_nearer ? ours : kafkas;
}

/* Both tables are in order of names; Kafka's rows that have one of ours are left out. */
void node_settings_visit(void (*visit)(void *context, const struct setting *row), void *context)
{
    int ours = 0, kafkas = 0;
    while (ours < node_setting_row_count || kafkas < kafka_node_settings_count) {
        int order = ours == node_setting_row_count ? 1
                    : kafkas == kafka_node_settings_count
                        ? -1
                        : strcmp(node_setting_rows[ours].name, kafka_node_settings[kafkas].name);
        visit(context, order <= 0 ? &node_setting_rows[ours] : &kafka_node_settings[kafkas]);
        ours += order <= 0;
        kafkas += order >= 0;
    }
}
