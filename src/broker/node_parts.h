/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a node: what node.c makes, and node_stop.c starts and takes down in order. Everything but the shards'
 * own is touched by the control loop only, while loops turn. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/budget.h"
#include "base/pace.h"
#include "broker/control.h"
#include "broker/group_home.h"
#include "broker/shard.h"
#include "net/limits.h"
#include "storage/log_dir.h"

struct flusher;
struct listener;
struct listener_options;
struct listener_target;

/* What a shard is told of a directory that failed: by mail, then at the end of the pass. */
struct node_failure {
    struct node_directory *directory;
    struct shard *shard;
    struct mail mail;
    struct task task;
};

struct node_directory {
    struct node *node;
    struct log_dir *dir;
    struct task failed; /* on the control loop, once */
    struct node_failure *failures; /* by shard; NULL: it has not failed */
    int index;
};

/* What travels between the control loop and a shard when the node starts to serve and when it ends. */
struct node_shard {
    struct node *node;
    struct shard *shard;
    struct mail open, stop; /* there, and stop comes back */
    struct task stopped;
    char name[24];
};

struct node_listening {
    struct loop *loop;
    struct listener *listener;
    struct listener_target *targets;
    struct image_endpoint endpoint;
};

/* The limits of the listeners of one loop: the brokers' together, the controllers' by themselves. */
struct node_limits {
    struct limits limits;
    struct shard_watch watch; /* of the shard whose loop it is */
    struct node *node;
    struct str overrides;           /* as last taken; owned */
    struct override_lookup *lookup; /* of their names, by a worker; NULL: none is under way */
    bool has_names;                 /* that are not looked up yet */
    bool of_controllers;
};

enum node_stage { NODE_STARTING, NODE_SERVING, NODE_LEAVING, NODE_STOPPED };

struct node {
    struct io *io;
    const struct node_settings *settings;
    struct arena arena;
    struct budget budget;
    struct budget cleaning_memory;
    struct group_load group_load;
    struct pace move_pace; /* of all moves between directories */
    struct shard_list shards;
    struct node_shard *parts; /* by shard */
    struct shard *control_shard;
    struct control control;
    struct control_identity identity;
    struct flusher *metadata_flusher;
    struct node_directory *directories;
    struct log_dir **log_dirs; /* the same, for the shards */
    int directory_count, data_directory_count, metadata_index;
    struct node_listening *listening; /* by listener */
    struct node_limits broker_limits, controller_limits;
    enum node_stage stage;
    int32_t shards_stopping;
    struct task metadata_stopped;
    bool failed;
};

/* Of the directories that could be opened. */
const char *node_cluster_id(const struct node *node);
/* 0, or -EINVAL after a report: the directory is of another node, of another cluster than those before it, or a copy of one of
 * them. */
int node_directory_check(const struct node *node, int index);
/* Directories of older versions have no id; each gets one, as Kafka gives it. 0, or -errno after a report: a node that the
 * metadata knows by its directories has lost the id of one. Once the metadata is loaded. */
int node_directories_name(struct node *node);
void node_control_init(struct node *node);

/* broker/node_limits.c */
void node_limits_init(struct node *node); /* as the node was started; images tell what has changed */
void node_limits_deinit(struct node *node);
void node_limit_listener(struct node *node, int index, struct listener_options *options);
void node_directory_failed(struct task *task);
