/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a quorum, shared by the files that make it: quorum.c (life and requests),
 * quorum_replay.c (from disk to state), quorum_admit.c (may this node lead it?), quorum_commit.c
 * (from decisions to the disk, and what is committed to the world), quorum_keep.c (snapshots and
 * what they make superfluous). */
#pragma once
#include "base/arena.h"
#include "io/loop.h"
#include "raft/raft.h"
#include "replica/quorum.h"
#include "replica/quorum_snapshot.h"
#include "storage/log.h"

enum { QUORUM_PATH_SIZE = 4096 };

/* A frozen image that waits until its offset is committed. */
struct pending_image {
    struct image *image;
    struct pending_image *next;
};

struct snapshot_job;

struct quorum {
    struct quorum_settings settings;
    struct quorum_hooks hooks;
    struct loop *loop;
    struct io *io;
    char directory[QUORUM_PATH_SIZE]; /* of the metadata partition */
    struct log *log;
    struct log_settings log_settings;

    struct raft raft;
    int16_t kraft_version;
    struct raft_voters voters;
    struct bytes voters_record; /* as it stands in the log or the bootstrap snapshot; data NULL:
                                   static voters */
    struct bytes next_voters;   /* staged and not yet written: kraft.version becomes 1 with them */
    struct arena kept;          /* voters_record and the bootstrap records */
    char fault[160];            /* why a control record could not be taken; "": all were */

    struct controller controller;
    struct rsm rsm;
    struct rsm_log rsm_log;
    struct rsm_request *submitted, *submitted_last;
    struct controller_request activation;
    struct arena activation_arena;
    bool gained, active, failed;

    struct pending_image *pending, *pending_last;
    const struct image *published;

    struct snapshot_list snapshots;
    struct snapshot_job *snapshot_job; /* runs */
    int64_t bytes_since_snapshot, last_snapshot_ms;
    int64_t replayed_ms; /* time of the last batch of the log */

    struct task begin_task, submit_task, write_task, durable_task, activated_task;
    struct timer timer;
};

/* quorum_replay.c: everything on the disk into the controller: 0, or -errno after a report. */
int quorum_load(struct quorum *quorum);
int quorum_replay(struct quorum *quorum); /* the controller's state only, again */
int32_t quorum_last_epoch(const struct quorum *quorum, int64_t end_offset);

/* quorum_admit.c: 0, or -errno after a report, when the voters know this node by another directory,
 * or are others than this node alone. */
int quorum_admit_directory(const struct quorum *quorum);
int quorum_admit_voters(const struct quorum *quorum); /* once raft knows itself */

/* quorum_commit.c */
void quorum_step(
    struct quorum *quorum, struct raft_event *event); /* fills times and random numbers, acts */
void quorum_write(struct task *task);
void quorum_durable(struct task *task);
void quorum_activated(struct task *task);
void quorum_drop_pending(struct quorum *quorum);
void quorum_fail(struct quorum *quorum, const char *reason, int status);
extern const struct rsm_log_type quorum_rsm_log_type;

/* quorum_keep.c */
void quorum_consider_snapshot(struct quorum *quorum);
void quorum_abandon_snapshot(struct quorum *quorum);
