/* SPDX-License-Identifier: Apache-2.0 */
/* A partition machine hosts one decide/apply machine (rsm/rsm.h) on the log of one partition, as
 * the coordinators are on theirs. While this node leads the partition and the log is well, it is
 * loaded, and then ready: its state is what the log says up to the end of what is staged. A
 * decision is one batch, written whole or not at all; only one that is larger than a batch may be
 * becomes several, of which a crash or a failed write may leave the first ones. All decisions of a
 * pass go into one write, at its end, and are answered when they are durable and below the high
 * watermark. What others append there meanwhile, as Kafka lets an administrator, counts from the
 * next load on.
 *
 * States: OFF not led here, offline or damaged; LOADING the owner is told what the log holds;
 * READY. A write that fails takes records back that were applied, so that state is lost, and loaded
 * again; and so it is in each new leader epoch. Owned by the partition's loop. */
#pragma once
#include "replica/partition.h"
#include "replica/replay.h"
#include "rsm/rsm.h"

enum partition_machine_state { MACHINE_OFF, MACHINE_LOADING, MACHINE_READY };

struct partition_machine {
    struct rsm rsm; /* rsm_submit() at any time, but not in a finish hook; done() may note and
                       enqueue only. Errors are a log's, or COORDINATOR_LOAD_IN_PROGRESS */
    enum partition_machine_state state;
    const struct partition_machine_type *type;
    struct rsm_log log;
    struct partition_watch watch; /* its partition; NULL: that is gone */
    struct replay_turns *turns;
    struct replay_reader reader;
    struct replay *replay; /* LOADING, until all is told */
    struct timer prepare;  /* after that */
    enum codec codec; /* of what is appended, unless the topic has its own; the owner may set it */
    int32_t leader_epoch;    /* not OFF: whose state it is */
    int64_t refuse_until_ms; /* a write failed: no new ones before */
};

/* What the owner does. */
struct partition_machine_type {
    /* LOADING, in order of the log. False: the record is damaged, and so is the partition. */
    bool (*replay)(struct partition_machine *machine, int64_t offset, struct rsm_record record,
        int64_t producer_id /* -1: outside of a transaction */);
    void (*replay_marker)(struct partition_machine *machine, int64_t producer_id, bool committed);
    /* LOADING, all is told. False: the owner has more to do with it, in the next pass. */
    bool (*prepare)(struct partition_machine *machine);
    void (*loaded)(struct partition_machine *machine); /* READY */
    /* The state is to be forgotten; who waited has been told. It may have been told only in part.
     */
    void (*lost)(struct partition_machine *machine);
};

/* The partition hosts no other one. Loading begins with the next pass. */
void partition_machine_init(struct partition_machine *machine,
    const struct partition_machine_type *type, struct rsm_machine *rsm_machine,
    struct partition *partition, struct replay_turns *turns);
/* Fails who waits; lost() is called. Before the partition's flusher is stopped. */
void partition_machine_deinit(struct partition_machine *machine);

/* Bytes: a larger record is refused for certain. 0: that depends on how it compresses. */
size_t partition_machine_record_most(const struct partition_machine *machine);
