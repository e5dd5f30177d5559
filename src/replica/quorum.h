/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata quorum of this node: drives raft/ over the log __cluster_metadata-0, keeps
 * quorum-state and snapshots, and hosts the controller on it. Everything runs on the control loop,
 * which owns it. A record counts as committed when a majority has it durable; images are published
 * from committed offsets only, in order, before the answers of the requests that made them. */
#pragma once
#include "base/uuid.h"
#include "metadata/controller.h"
#include "metadata/image.h"

struct flusher;
struct io;
struct quorum;

struct quorum_endpoint {
    const char *name, *host;
    uint16_t port;
};
struct quorum_voter {
    int32_t id;
    struct uuid directory_id; /* zero: not known (controller.quorum.voters) */
    const struct quorum_endpoint *endpoints;
    int32_t endpoint_count;
};

struct quorum_settings {
    struct flusher
        *flusher; /* of the control loop in the metadata directory, which is open and formatted */
    int32_t node_id;
    const struct quorum_voter
        *voters; /* controller.quorum.voters, for kraft.version 0; may be empty */
    int32_t voter_count;
    int64_t segment_bytes, segment_ms;     /* metadata.log.segment.* */
    int64_t retention_bytes, retention_ms; /* metadata.max.retention.* */
    int64_t snapshot_bytes, snapshot_ms;   /* metadata.log.max.record.bytes.between.snapshots,
                                              metadata.log.max.snapshot.interval.ms */
    int64_t idle_ms; /* metadata.max.idle.interval.ms; used with observers or more voters */
    int32_t election_timeout_ms, election_backoff_max_ms,
        fetch_timeout_ms; /* controller.quorum.* */
    struct controller_settings controller;
};

/* Called on the control loop, from a clean stack. */
struct quorum_hooks {
    void *context;
    void (*publish)(void *context, const struct image *image); /* borrowed: image_ref() to keep */
    void (*leader_changed)(void *context, int32_t leader_id, int32_t epoch); /* -1: none known */
    void (*failed)(void *context, const char *reason,
        int status); /* the node must stop; reason names file and offset */
};

/* Opens or fails with -errno, after reporting what and where. Replays the newest snapshot and the
 * log. The first image is published when the node's own epoch is committed (a quorum of one: in the
 * next pass). */
int quorum_open(const struct quorum_settings *settings, const struct quorum_hooks *hooks,
    struct quorum **out_quorum);
/* Fails what waits and closes the log; flusher_stop() comes first when all is to be durable. NULL
 * does nothing. */
void quorum_close(struct quorum *quorum);

void quorum_submit(struct quorum *quorum,
    struct controller_request *request); /* done is called later, never inside */
bool quorum_leads(const struct quorum *quorum);
int32_t quorum_leader(const struct quorum *quorum); /* -1: none known */
int32_t quorum_epoch(const struct quorum *quorum);
int64_t quorum_high_watermark(const struct quorum *quorum);
int16_t quorum_kraft_version(const struct quorum *quorum);
/* The voters, and how far each is known to be (-1: not heard of). Returns how many; the list is in
 * the arena. */
struct quorum_replica {
    int32_t id;
    struct uuid directory_id;
    int64_t end_offset;
};
int32_t quorum_list_voters(
    const struct quorum *quorum, struct arena *arena, struct quorum_replica **out_list);
const struct image *quorum_loaded(const struct quorum *quorum); /* what the disk said, committed or
                                                                   not, right after opening */
const struct image *quorum_image(
    const struct quorum *quorum); /* last published; NULL before the first */

/* Formatting: what kafka-storage writes into the metadata directory beside meta.properties. */
struct quorum_feature {
    const char *name;
    int16_t level;
};
struct quorum_scram {
    const char *name;
    int8_t mechanism; /* 1: SCRAM-SHA-256, 2: SCRAM-SHA-512 */
    struct bytes salt, stored_key, server_key;
    int32_t iterations;
};
struct quorum_format {
    const char *directory;
    int16_t metadata_version;          /* 0: the newest */
    int16_t kraft_version;             /* 1 with voters; 0: static voters, none are written */
    const struct quorum_voter *voters; /* --standalone: oneself; --initial-controllers */
    int32_t voter_count;
    const struct quorum_feature *features; /* over the defaults of metadata_version */
    int32_t feature_count;
    const struct quorum_scram *scram;
    int32_t scram_count;
};
/* Writes __cluster_metadata-0/ and its bootstrap snapshot. -EINVAL with *out_reason (constant) for
 * levels that do not fit. */
int quorum_format(struct io *io, const struct quorum_format *format, const char **out_reason);

/* metadata.version by release name ("4.4", "4.4-IV2"); 0: unknown. And the newest that is for
 * production. */
int16_t quorum_metadata_version(struct str release);
int16_t quorum_newest_metadata_version(void);
