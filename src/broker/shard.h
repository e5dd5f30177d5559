/* SPDX-License-Identifier: Apache-2.0 */
/* A shard is one loop and all that it owns: connections, requests, partitions, fetch sessions, and a reference to the
 * newest image it heard of. The control loop has one too (index -1), for the controller listener; it owns no partition.
 * Only its own loop touches a shard; others send mail. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "broker/fetch_session.h"
#include "broker/group_reports.h"
#include "broker/preference.h"
#include "broker/producer_ids.h"
#include "broker/room.h"
#include "metadata/image.h"
#include "net/conn.h"
#include "replica/move.h"
#include "replica/partition.h"
#include "replica/replay.h"
#include "storage/log_dir.h"

struct control;
struct decompressor;
struct group_assigning;
struct group_resolving;
struct group_home;
struct group_load;
struct flusher;
struct node_settings;
struct io;
struct pace;
struct request;

enum { SHARD_OF_CONTROL = -1 };

/* The shards of a node, in order of index; fixed once the node is created. */
struct shard_list {
    struct shard **list;
    int32_t count;
};

/* Who wants to see each image that a shard takes. */
struct shard_watch {
    void (*image_taken)(struct shard_watch *watch, const struct image *image);
};

/* A listener's side of a shard: which APIs its connections may use. */
struct shard_desk {
    struct conn_owner owner; /* first */
    struct shard *shard;
    unsigned listener;          /* API_ON_ bit */
    struct str listener_name;   /* advertised endpoints of this listener are told to its clients */
};

struct shard {
    int32_t index;
    struct io *io;
    struct loop *loop;
    const struct node_settings *settings;
    const struct shard_list *shards;
    struct control *control;
    struct net net;
    struct shard_desk *desks; /* one per listener */
    int desk_count;
    const struct image *image; /* NULL until the first is published */
    const struct image_topic *group_topic; /* __consumer_offsets there; NULL: none */
    int16_t kraft_version;     /* as of that image */
    struct shard_watch *watch; /* NULL: nobody */
    bool stopping;             /* nothing is appended any more */
    struct partition *partitions; /* map by key */
    struct flusher **flushers;    /* one per log directory */
    struct room *rooms;           /* one per log directory */
    struct log_dir **log_dirs;    /* the control loop's; here their paths and identities are read */
    int log_dir_count;
    int next_log_dir;
    struct budget *cleaning_memory; /* of the node: for the keys of compacted logs */
    struct move_watch move_watch; /* broker/moves.h */
    struct move_pace move_pace;
    struct replay_turns replay_turns;
    struct group_home *group_homes; /* utlist; broker/group_home.h */
    struct group_assigning *group_assigning; /* what a worker computes for one of them; NULL: nothing */
    struct group_resolving *group_resolving; /* the same, of expressions */
    struct group_load *group_load;  /* of the node */
    int64_t next_load_report_us;
    struct preferences preferences; /* of where to make new replicas */
    struct decompressor *decompressor;
    struct fetch_session_cache sessions;
    struct request *requests;      /* utlist, all in work */
    struct request *held;          /* wait for an admin request before them on their connection */
    struct request *spare;         /* for reuse, with their arenas */
    int32_t spare_count;
    int64_t next_report_us;        /* reports about peers are rate limited */
    int64_t reports_left_out;
    struct group_reports group_reports;
    struct producer_ids producer_ids;
    const char *cluster_id;
    struct task *stopped; /* of shard_stop() */
    struct task flusher_stopped;
    int flushers_running;
};

struct shard_start {
    struct io *io;
    int32_t index;
    const char *name;
    const struct node_settings *settings;
    const struct shard_list *shards;
    struct control *control;
    const char *cluster_id; /* lives as long as the shard */
    struct budget *budget;
    struct budget *cleaning_memory; /* of the node: for the keys of compacted logs */
    struct group_load *group_load;  /* of the node */
    struct log_dir **log_dirs;
    int log_dir_count;
    struct pace *move_pace; /* of the node */
};

/* Makes the loop, too. A shard of the control loop gets no flushers. */
struct shard *shard_create(const struct shard_start *start);
void shard_destroy(struct shard *shard); /* its loop has ended, shard_close() ran; NULL does nothing */

/* A clean stop on its own loop: refuses appends, makes everything durable, then enqueues stopped. */
void shard_stop(struct shard *shard, struct task *stopped);
void shard_close(struct shard *shard); /* then, or at the end: ends connections and requests, closes the partitions */
void shard_directory_failed(struct shard *shard, int log_dir_index, int status);

/* Passes on, once, that a read found the partition damaged: the controller shall hear of it. */
void shard_tell_damage(struct shard *shard, struct partition *partition);

/* Whose partition it is. The same for every node run with as many shards. */
struct shard *shard_of(const struct shard *shard, struct uuid topic_id, int32_t partition_index);
struct partition *shard_partition(const struct shard *shard, struct uuid topic_id, int32_t partition_index); /* NULL */

/* Takes the reference to a newer image: makes, changes and drops partitions so that they are as it says. */
void shard_take_image(struct shard *shard, const struct image *image);

/* True when something may be reported about a peer now; the count that was left out before is in *out_left_out. */
bool shard_may_report(struct shard *shard, int64_t *out_left_out);
