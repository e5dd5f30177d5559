/* SPDX-License-Identifier: Apache-2.0 */
/* What a node is told before it starts, and what a topic is told while it runs. Values come from
 * the file, the environment, --override, and (live ones) from the metadata log; everything in these
 * structs is checked and complete, so that nobody behind them asks whether a value is there. Texts
 * belong to the node settings' arena. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/setting.h"
#include "base/str.h"
#include "coordinator/coordinator.h"
#include "error.h"

struct cleaner_settings;
struct image;
struct log_settings;
struct settings_input;

enum listener_protocol {
    LISTENER_PLAINTEXT,
    LISTENER_SSL,
    LISTENER_SASL_PLAINTEXT,
    LISTENER_SASL_SSL
};

struct node_listener {
    struct str name;            /* upper case */
    struct str host;            /* "": all interfaces */
    int32_t port;               /* 0: any free one */
    struct str advertised_host; /* never empty for a broker's listener; "" where the node itself has
                                   to ask */
    int32_t advertised_port;    /* 0: the one that was bound */
    enum listener_protocol protocol;
    bool is_controller;
};

struct node_endpoint {
    int32_t node_id; /* -1: not said */
    struct str host;
    int32_t port;
};

enum { CODEC_OF_PRODUCER = -1 };
enum timestamp_type { TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME };
enum cleanup_policy { CLEANUP_DELETE = 1, CLEANUP_COMPACT = 2 }; /* bits */
enum ack_durability { ACK_DISK, ACK_PAGE_CACHE };
enum produce_validate { PRODUCE_VALIDATE_FULL, PRODUCE_VALIDATE_HEADER };

/* All per-topic settings that mean something to a broker. */
struct topic_settings {
    int32_t cleanup_policy; /* CLEANUP_ bits; 0: kept for ever */
    int32_t compression;    /* codec number of a batch's attributes, or CODEC_OF_PRODUCER */
    int32_t gzip_level, lz4_level, zstd_level;
    int64_t delete_retention_ms;
    int64_t file_delete_delay_ms;
    int64_t flush_messages, flush_ms;
    int32_t index_interval_bytes;
    int32_t max_message_bytes;
    int32_t max_decompressed_message_bytes;
    int64_t timestamp_after_max_ms, timestamp_before_max_ms;
    int32_t timestamp_type; /* enum timestamp_type */
    double min_cleanable_dirty_ratio;
    int64_t min_compaction_lag_ms, max_compaction_lag_ms;
    int32_t min_insync_replicas;
    bool preallocate;
    int64_t retention_bytes, retention_ms; /* -1: no bound */
    int32_t segment_bytes, segment_index_bytes;
    int64_t segment_ms, segment_jitter_ms;
    bool unclean_leader_election;
    int32_t ack_durability; /* enum ack_durability */
};

/* That are served; of the last two nothing is yet. */
enum group_protocol {
    GROUP_PROTOCOL_CLASSIC = 1,
    GROUP_PROTOCOL_CONSUMER = 2,
    GROUP_PROTOCOL_SHARE = 4,
    GROUP_PROTOCOL_STREAMS = 8
};

struct node_settings {
    struct arena arena;
    int32_t node_id;
    bool is_broker, is_controller;
    struct str rack; /* null: none */
    struct str
        cluster_id; /* null: as the directories say, or a new one when they are formatted here */

    struct node_listener *listeners;
    int listener_count;
    struct str inter_broker_listener;    /* a listener's name */
    struct node_endpoint *quorum_voters; /* static voters; none: the voters stand in the log */
    int quorum_voter_count;
    struct node_endpoint *quorum_bootstrap;
    int quorum_bootstrap_count;
    int32_t quorum_election_timeout_ms, quorum_fetch_timeout_ms, quorum_election_backoff_max_ms;

    struct str *log_dirs;
    int log_dir_count;
    struct str metadata_log_dir; /* one of log_dirs, or a directory of its own */
    int64_t metadata_max_record_bytes_between_snapshots, metadata_max_snapshot_interval_ms;
    int32_t metadata_segment_bytes, metadata_max_idle_interval_ms;
    int64_t metadata_segment_ms, metadata_max_retention_bytes, metadata_max_retention_ms;

    int32_t shards;           /* at least 1 */
    int32_t workers;          /* at least 1 */
    int32_t produce_validate; /* enum produce_validate */

    int32_t socket_request_max_bytes;
    int64_t queued_max_request_bytes; /* the memory budget; resolved, at least 1 MiB */
    int64_t cache_bytes;              /* of a partition; -1: all */
    int64_t dirty_bytes;              /* of a log directory; resolved */
    int32_t max_connections, max_connections_per_ip, max_connection_creation_rate;
    struct str max_connections_per_ip_overrides; /* host:count, with commas */
    int64_t connections_max_idle_ms;
    int32_t fetch_session_slots;
    int32_t fetch_max_bytes;
    int32_t max_request_partition_size_limit;

    struct coordinator_settings coordinator;
    int32_t group_protocols;    /* enum group_protocol, or-ed */
    int64_t group_memory_bytes; /* of all coordinators; resolved */
    int64_t offsets_check_interval_ms;
    int32_t offsets_topic_codec, offsets_topic_partitions, offsets_topic_replication_factor;
    int32_t offsets_topic_segment_bytes;

    bool auto_create_topics, delete_topic_enable;
    int32_t num_partitions, default_replication_factor;
    int32_t broker_heartbeat_interval_ms;
    int32_t producer_id_expiration_ms;
    int64_t initial_task_delay_ms, retention_check_interval_ms;
    bool cleaner_enable;
    int32_t cleaner_threads, cleaner_io_buffer_bytes;
    int64_t cleaner_backoff_ms, cleaner_dedupe_bytes;
    double cleaner_load_factor, cleaner_max_bytes_per_second;

    int32_t report_format, report_level; /* enum report_format of cli, enum report_level */
    struct topic_settings
        topic; /* what a topic gets that says nothing, before live broker settings */
    const struct settings_input
        *input; /* where each value was said, for DescribeConfigs and --print-config */
};

/* The rows. A Kafka broker key that Strom does not use is known too, and bound to no field. */
extern const struct setting topic_setting_rows[];
extern const int topic_setting_count;
const struct setting *topic_setting_find(struct str name);   /* NULL: no such topic setting */
const struct setting *node_setting_find(struct str name);    /* NULL: neither Kafka's nor ours */
const struct setting *node_setting_nearest(struct str name); /* NULL: none is near */
void node_settings_visit(
    void (*visit)(void *context, const struct setting *row), void *context); /* by name */

/* A topic's settings: its own override, else a live broker setting (this node's, then the default
 * of all), else the node's. Values that do not parse any more are passed over. image NULL: nothing
 * is overridden. */
void topic_settings_resolve(const struct node_settings *node, const struct image *image,
    struct str topic, struct topic_settings *out_settings);
/* The same in two steps, for many topics: what all get, and over it what one says. */
void topic_settings_inherit(const struct node_settings *node, const struct image *image,
    struct topic_settings *out_settings);
void topic_settings_override(
    const struct image *image, struct str topic, struct topic_settings *settings);

/* One wish of CreateTopics or IncrementalAlterConfigs. ERROR_NONE, or ERROR_INVALID_CONFIG with
 * Kafka's message. */
enum error topic_setting_check(
    struct str name, struct str value, struct arena *arena, struct str *out_message);

bool connection_overrides_are_understood(struct str list);
/* One of max.connections.per.ip.overrides. False: there is no more, or (when *list is not null) it is not understood. */
bool connection_override_next(struct str *list, struct str *out_host, int32_t *out_count);

/* What holds now of producer.id.expiration.ms, which is no topic's. */
int64_t producer_expiry_resolve(const struct node_settings *node, const struct image *image);
enum { CLEANER_BUFFER_LEAST = 1024 * 1024 }; /* more than that of the dedupe buffer for each thread */
/* The same of log.cleaner.*. */
void cleaner_settings_resolve(const struct node_settings *node, const struct image *image,
    struct cleaner_settings *out_settings);
/* The same of those that groups go by. */
void coordinator_settings_resolve(const struct node_settings *node, const struct image *image,
    struct coordinator_settings *out_settings);
void topic_settings_to_log(
    const struct topic_settings *topic, int64_t producer_expiry_ms, struct log_settings *out_log);
