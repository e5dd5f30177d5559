/* SPDX-License-Identifier: Apache-2.0 */
/* The control loop's side of a node: the metadata quorum, what shards ask of it, and the images it publishes to them.
 * An answer leaves only after every shard has taken the image that it speaks of. Owned by the control loop; others may
 * only call control_send(). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "broker/shard.h"
#include "replica/quorum.h"

struct assign_call;
struct assignment;
struct control;
struct log_dir;

/* One wish. The caller sets wish.type, wish.request, wish.response, wish.rsm.arena and done; from control_send() until
 * done() it belongs to the control loop, and so does the arena. */
struct control_errand {
    struct mail mail;
    struct controller_request wish;
    struct control *control;
    struct loop *home;
    struct control_errand *next;
    int64_t version; /* images up to this one must have arrived everywhere */
    enum error error; /* other than ERROR_NONE: the response holds nothing */
    void (*done)(struct control_errand *errand); /* on home's thread, from a clean stack */
};

void control_send(struct control *control, struct loop *home, struct control_errand *errand);

struct control_hooks {
    void *context;
    void (*loaded)(void *context, const struct image *image); /* the first image; no shard has it yet */
    void (*ready)(void *context);                    /* registered, unfenced, and every shard knows */
    void (*failed)(void *context, const char *reason); /* the node must stop */
    void (*left)(void *context);                     /* after control_leave() */
};

/* What the broker says of itself when it registers. Lives as long as the control. */
struct control_identity {
    const char *cluster_id;
    struct uuid incarnation_id;
    const struct image_endpoint *broker_endpoints, *controller_endpoints;
    int32_t broker_endpoint_count, controller_endpoint_count;
    const struct uuid *directories;
    int32_t directory_count;
    int64_t previous_epoch; /* of the last clean stop; -1: the end was not clean */
};

struct control {
    struct loop *loop;
    const struct node_settings *settings;
    const struct shard_list *shards;
    struct shard *desk; /* the control loop's own, for the controller listener */
    struct control_hooks hooks;
    struct control_identity identity;
    struct quorum *quorum;
    int64_t published, *arrived; /* arrived: by shard */
    struct control_errand *waiting;
    struct control_errand *held; /* in order: topics to be made or deleted after those that are being deleted */
    int32_t deletions;           /* errands that delete topics, and are not home yet */
    struct task release_held;
    /* lifecycle */
    enum { CONTROL_LOADING, CONTROL_REGISTERING, CONTROL_UNFENCING, CONTROL_SERVING, CONTROL_LEAVING, CONTROL_LEFT } stage;
    int64_t broker_epoch; /* -1 before it is registered */
    struct timer heartbeat;
    char *cordons_told;        /* cordoned.log.dirs as the last heartbeat told it; NULL: none did */
    struct control_life *life; /* the registration or heartbeat that is under way; NULL: none */
    struct assignment *assignments; /* broker/assign.h */
    struct assign_call *assign_call;
    struct uuid offline[8];
    int32_t offline_count;
    bool unregistered_told;
};

void control_init(struct control *control, struct loop *loop, const struct node_settings *settings,
    const struct shard_list *shards, struct shard *desk, const struct control_hooks *hooks);
/* Opens the quorum and replays; the first image is published by the loop's first passes. 0 or -errno, reported. */
int control_open(struct control *control, const struct quorum_settings *quorum_settings);
void control_deinit(struct control *control); /* closes the quorum */

/* broker/lifecycle.c */
void control_register(struct control *control, const struct control_identity *identity); /* once, when it listens */
void control_led(struct control *control); /* this node's quorum has a leader and an image: go on with the lifecycle */
void control_see_settings(struct control *control); /* a new image: what the controller must hear of at once */
void control_leave(struct control *control); /* a controlled stop; hooks.left follows */
/* The metadata can change no more, so nobody would answer; hooks.left is called at once, unless it was. */
void control_leave_at_once(struct control *control);
void control_abandon_life(struct control *control); /* at the end, when no loop turns */
void control_directory_failed(struct control *control, struct uuid directory_id);
