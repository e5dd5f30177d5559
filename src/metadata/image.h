/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster's truth at one offset of the metadata log. A published image never changes and is
 * shared by reference count among threads; unchanged parts are shared with the image before.
 * Pointers into an image live as long as the reference. What changed between two images is found by
 * comparing them, in the time of the difference. Only metadata/ itself changes an image, by
 * applying records (metadata/apply.h). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/uuid.h"
#include "metadata/tree.h"
#include "wire/message.h"

/* Directory ids that are not directories (KIP-858). */
#define DIRECTORY_MIGRATING UUID_ZERO
#define DIRECTORY_UNASSIGNED ((struct uuid){ { [15] = 1 } })
#define DIRECTORY_LOST ((struct uuid){ { [15] = 2 } })
static inline bool directory_is_real(struct uuid id)
{
    return !uuid_equal(id, DIRECTORY_LOST) && !uuid_equal(id, DIRECTORY_UNASSIGNED) &&
           !uuid_equal(id, DIRECTORY_MIGRATING);
}

enum setting_scope {
    SCOPE_TOPIC = 2,
    SCOPE_BROKER = 4,
    SCOPE_BROKER_LOGGER = 8,
    SCOPE_CLIENT_METRICS = 16,
    SCOPE_GROUP = 32
};

struct node_list {
    const int32_t *ids;
    int32_t count;
};

struct image_partition {
    struct tree_value value;
    int32_t leader; /* -1: none */
    int32_t leader_epoch, partition_epoch;
    int8_t leader_recovery_state; /* 1: recovering from an unclean election */
    struct node_list replicas, isr, adding, removing;
    struct node_list elr, last_known_elr; /* eligible leaders out of the ISR (KIP-966) */
    const struct uuid *directories;       /* parallel to replicas; NULL when the record had none */
    const struct unknown_tags *unknown_tags; /* kept for snapshots; NULL: none */
};

struct image_topic {
    struct tree_value value;
    struct uuid id;
    struct str name;
    int32_t partition_count;
    struct image_partition **partitions; /* none is NULL in a published image */
    int32_t partition_capacity;
    struct image_item *record; /* the topic record, for snapshots */
};

struct image_endpoint {
    struct str name, host;
    uint16_t port;
    int16_t security_protocol;
};

struct image_broker {
    struct tree_value value;
    int32_t id;
    uint8_t key[4];
    struct uuid incarnation_id;
    int64_t epoch;
    bool fenced, in_controlled_shutdown;
    struct str rack; /* null: none */
    const struct image_endpoint *endpoints;
    int32_t endpoint_count;
    const struct uuid *directories; /* sorted */
    int32_t directory_count;
    const struct uuid *cordoned;
    int32_t cordoned_count;                      /* -1: the record had none */
    const struct register_broker_record *record; /* as it would be written in a snapshot */
    struct arena arena;
};

/* Everything else: kept as the encoded record under its key, decoded where it is needed. */
struct image_item {
    struct tree_value value;
    struct bytes key, record;
    struct str text; /* a setting's value */
    int16_t level;   /* a feature's level */
    double number;   /* a quota's value */
};

/* How many replicas a directory holds, for placing more. */
struct image_directory {
    struct tree_value value;
    struct uuid id;
    int64_t replica_count;
};

struct image {
    _Atomic int32_t references;
    uint64_t seed, edit;
    int64_t offset;    /* end: everything below is applied */
    int32_t epoch;     /* of the last record applied */
    int64_t append_ms; /* its time */
    int64_t partition_total;
    struct tree topics_by_name, topics_by_id;
    struct tree brokers;
    struct tree directories; /* those that hold a replica */
    struct tree settings, features, acls, tokens, scram, quotas, controllers;
    int64_t next_producer_id;        /* -1: no block was ever given */
    struct image_item *producer_ids; /* the record, for snapshots; NULL: none */
    struct image_item *zk_migration; /* the record; NULL: none */
};

/* An empty image. The seed protects against names that were chosen to make trees deep. */
struct image *image_create(uint64_t seed);
/* A copy that shares everything, the caller's reference; the original may go on changing, the copy
 * never does. */
struct image *image_share(struct image *image);
struct image *image_ref(const struct image *image);
void image_unref(const struct image *image); /* NULL does nothing; any thread */

const struct image_topic *image_topic_by_name(const struct image *image, struct str name);
const struct image_topic *image_topic_by_id(const struct image *image, struct uuid id);
/* The first topic whose name comes after; a null name gives the first of all. NULL: none. */
const struct image_topic *image_topic_after(const struct image *image, struct str name);
int64_t image_topic_count(const struct image *image);
const struct image_partition *image_partition(
    const struct image_topic *topic, int32_t index); /* NULL: none */
/* Where the replica of the broker lies; DIRECTORY_UNASSIGNED when it has none or the record is
 * older than those. */
struct uuid image_partition_directory(const struct image_partition *partition, int32_t broker_id);
bool node_list_has(struct node_list list, int32_t id);

const struct image_broker *image_broker(const struct image *image, int32_t id);
const struct image_broker *image_broker_after(
    const struct image *image, int32_t id); /* -1: the first */
const struct image_endpoint *image_broker_endpoint(
    const struct image_broker *broker, struct str listener);

int64_t image_directory_replicas(const struct image *image, struct uuid directory_id);

/* The value set for exactly this resource; broker name "" is the cluster-wide default. Null: not
 * set. */
struct str image_setting(
    const struct image *image, enum setting_scope scope, struct str name, struct str key);
/* The settings of a resource in key order: pass a null key first, then the last *out_key. False: no
 * more. */
bool image_setting_after(const struct image *image, enum setting_scope scope, struct str name,
    struct str key, struct str *out_key, struct str *out_value);
/* Each resource of the scope that has settings, once, in no particular order: a null name gives the
 * first. False: no more. */
bool image_setting_resource_after(
    const struct image *image, enum setting_scope scope, struct str name, struct str *out_name);
int16_t image_feature(const struct image *image, struct str name); /* finalized level; 0: not set */
/* Finalized features in name order, as image_setting_after(). */
bool image_feature_after(
    const struct image *image, struct str name, struct str *out_name, int16_t *out_level);

/* What changed. Any of the functions may be NULL. A topic that was deleted and made again under its
 * name is two calls. */
struct image_watch {
    /* created: old NULL; deleted: now NULL; else some partitions differ (compare the pointers in
     * partitions[]) */
    void (*topic)(struct image_watch *watch, const struct image_topic *old_topic,
        const struct image_topic *new_topic);
    void (*setting)(struct image_watch *watch, enum setting_scope scope, struct str name,
        struct str key, struct str value /* null: removed */);
    void (*broker)(struct image_watch *watch, const struct image_broker *old_broker,
        const struct image_broker *new_broker);
};
void image_difference(const struct image *old_image /* NULL: empty */,
    const struct image *new_image, struct image_watch *watch);
