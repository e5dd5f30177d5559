/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the invariants, shared by the files that look: invariants.c (when, and at what),
 * invariants_partition.c (one partition and what it promised), invariants_retention.c (what retention took of it), invariants_log.c (one log and its
 * files), invariants_move.c (the two logs of a move), invariants_durable.c (what is promised to be durable), invariants_clean.c (cleaned segments), invariants_index.c
 * (their indexes), invariants_read.c (reading it), invariants_quorum.c (the metadata), invariants_memory.c
 * (what is held for peers), invariants_disk.c (directories and checkpoint files). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "metadata/controller.h"
#include "raft/raft.h"
#include "replica/partition.h"
#include "sim/invariants.h"
#include "sim/ledger.h"
#include "sim/recorder.h"
#include "sim/sim.h"

#define INVARIANTS(INVARIANT)                                                                      \
    INVARIANT(positions_are_ordered,                                                               \
        "log start <= durable end <= log end, recovery point <= durable end, and log start <= "    \
        "last stable offset <= high watermark <= log end")                                         \
    INVARIANT(high_watermark_is_durable,                                                           \
        "but for a page-cache topic, what is below the high watermark survives a power cut")       \
    INVARIANT(durable_is_durable,                                                                  \
        "what a log counts as durable stands on the disk as a power cut would leave it")           \
    INVARIANT(recovery_is_durable,                                                                 \
        "when a log has been opened, no byte and no segment stands on the disk behind its end")    \
    INVARIANT(nothing_stands_behind_the_end,                                                       \
        "what a failed write left is cut off before anything else is written")                     \
    INVARIANT(answered_is_durable,                                                                 \
        "a record whose acks=all answer a client hears is durable, but for a page-cache topic")    \
    INVARIANT(high_watermark_follows,                                                              \
        "after an event the high watermark is as far as what is durable (page-cache: written)")    \
    INVARIANT(high_watermark_never_falls,                                                          \
        "in one life never; in the next it is not below what was promised to survive")             \
    INVARIANT(log_start_never_falls,                                                               \
        "records that are gone do not come back, also after a crash; but what only retention "     \
        "took may")                                                                                \
    INVARIANT(retention_takes_what_it_may,                                                         \
        "a segment that nobody deleted goes when its newest record is older than retention.ms, "   \
        "or what stays is as much as retention.bytes")                                             \
    INVARIANT(retention_takes_what_is_durable,                                                     \
        "a segment goes by retention when it is durable to its end")                               \
    INVARIANT(epochs_never_fall,                                                                   \
        "leader epoch and partition epoch of a partition never fall, also after a crash")          \
    INVARIANT(cleaned_is_below_the_recovery_point,                                                 \
        "a log is cleaned below the recovery point that its checkpoint file says durably")         \
    INVARIANT(swaps_are_durable,                                                                   \
        "segments go for a cleaned one when its name is durable")                                  \
    INVARIANT(opened_logs_are_settled,                                                             \
        "a log that was opened has no file of a swap that a crash cut short")                      \
    INVARIANT(partitions_are_online,                                                               \
        "while its disk is well each partition of the image has its log")                          \
    INVARIANT(new_topics_are_unknown,                                                              \
        "checkpoint files say nothing of a topic that has just been made")                         \
    INVARIANT(no_start_counts_as_clean,                                                            \
        "a node that runs has durably taken away the mark of the last clean stop")                 \
    INVARIANT(no_failure_counts_as_clean,                                                          \
        "a directory that failed does not get the mark of a clean stop")                           \
    INVARIANT(recovery_keeps_what_was_promised,                                                    \
        "a log ends where it did after a stop or kill, and after a power cut not below "           \
        "what was durable or below a durable high watermark")                                      \
    INVARIANT(nobody_waits_for_what_is_there,                                                      \
        "an append whose acks are met was answered in the same pass")                              \
    INVARIANT(nothing_stays_staged, "what is staged in a pass is written or taken back in it")     \
    INVARIANT(batches_are_whole,                                                                   \
        "from the first segment to its end a log is batches whose CRC is right")                   \
    INVARIANT(offsets_are_dense, "offsets of a log have no gap, and leader epochs do not fall")    \
    INVARIANT(batches_never_change,                                                                \
        "a batch that is found after a crash or stop is the one that stood there before")          \
    INVARIANT(epochs_equal_a_scan, "what is known of the leader epochs is what the batches say")   \
    INVARIANT(log_and_index_agree,                                                                 \
        "entries of offset and time indexes point to the batches that they speak of, in order, "   \
        "and a sealed segment's time index ends with its newest time")                             \
    INVARIANT(producers_equal_a_rebuild, "what is known of the producers is what a scan of the "   \
                                         "batches makes of them, unless they have expired")        \
    INVARIANT(                                                                                     \
        published_is_committed, "of the metadata: published <= committed <= durable <= written")   \
    INVARIANT(vote_is_durable,                                                                     \
        "epoch and vote of the quorum are on the disk before anybody can hear of them")            \
    INVARIANT(one_leader_an_epoch,                                                                 \
        "the epoch of the quorum never falls, has one vote, and no epoch is led in two lives")     \
    INVARIANT(image_equals_its_replay,                                                             \
        "the controller's image is what the newest snapshot and the log behind it make")           \
    INVARIANT(coordinators_equal_a_replay,                                                         \
        "what a coordinator knows of its groups is what its partition makes when it is replayed")  \
    INVARIANT(targets_are_whole,                                                                   \
        "the target for the present epoch of a group gives each partition to one member")          \
    INVARIANT(                                                                                     \
        snapshot_covers_log_start, "the metadata log begins at or below its newest snapshot")      \
    INVARIANT(snapshots_are_durable,                                                               \
        "a metadata snapshot that counts as written stands on the disk under its durable name")    \
    INVARIANT(producer_ids_are_given_once, "the next producer id never falls, also after a crash") \
    INVARIANT(budget_is_what_is_held,                                                              \
        "what is charged for memory is what connections and requests hold; without them it is 0")  \
    INVARIANT(dirty_bytes_are_what_is_not_flushed,                                                 \
        "a flusher counts as dirty what its logs have written and not made durable")               \
    INVARIANT(answers_stand_in_order, "answers of a connection stand in the order of their "       \
                                      "requests, and only the first is begun")                     \
    INVARIANT(no_fetch_outlives_its_deadline,                                                      \
        "a fetch that waits is answered in the pass in which its time is up")                      \
    INVARIANT(nothing_leaks,                                                                       \
        "after a clean stop the process has given back every block of memory that it took")        \
    INVARIANT(disk_matches_shards, "each partition's directory is that of a log which a shard "    \
                                   "has open, and the other way round")                            \
    INVARIANT(moves_copy_what_is_there,                                                            \
        "a future log holds the batches that the current one does, up to its own end, and all of " \
        "them once the two are joined")                                                            \
    INVARIANT(moves_bound_the_high_watermark,                                                      \
        "no high watermark goes beyond what both logs of a move that is joined keep")              \
    INVARIANT(checkpoints_say_what_was, "after a clean stop the checkpoint files say durably "     \
                                        "where each log ended, and that it was clean; so the "     \
                                        "indexes are durable")                                     \
    INVARIANT(producer_snapshots_equal_a_rebuild,                                                  \
        "after a clean stop each log has a durable snapshot of its producers")                     \
    INVARIANT(lookups_equal_a_scan, "a read begins with the batch that holds its offset, and "     \
                                    "ends at or below the high watermark")                         \
    INVARIANT(frames_stay_in_the_budget, "what is read of requests is within the budget, but for " \
                                         "the first bytes that each peer sent")                    \
    INVARIANT(images_go_forward,                                                                   \
        "the image of a shard is one that was published, and never older than the one before")     \
    INVARIANT(nothing_stays_open,                                                                  \
        "after a clean stop the process has no file, no connection and no loop left")

#define INVARIANT_NUMBER(name, sentence) INVARIANT_##name,
enum invariant { INVARIANTS(INVARIANT_NUMBER) INVARIANT_COUNT };
#undef INVARIANT_NUMBER

struct log;
struct loop;
struct node;
struct quorum;
struct shard;

/* What is remembered of a partition, over all lives. */
struct past {
    struct partition_key key;
    UT_hash_handle hh;
    int life; /* in which it was last seen */
    int64_t end, durable_end, high_watermark, log_start;
    int64_t promised;       /* below this everything survives a power cut */
    int64_t promised_ever;  /* rot may have taken some of it since, and an answer be under way still */
    int64_t page_cache_end; /* below this the topic had ack.durability=page-cache */
    int32_t leader_epoch;
    int32_t published_leader_epoch, partition_epoch; /* in the image */
    struct ledger ledger;
    int64_t on_disk;  /* below it, what this life has was found on the disk */
    int64_t asked_below; /* clients asked for deletion of what is below */
    bool is_retained;    /* its start is where retention moved it */
    bool may_be_gone; /* deletion of its topic was asked for */
    bool was_damaged; /* files of it had decayed once */
    int64_t hole_end; /* below it batches came and went while the ledger could not be kept; 0: none did */
    int64_t producer_expiry_ms;
    int64_t latest_start; /* the highest */
    int log_dir_index;    /* where it was seen last */
    bool was_swapped;     /* cleaned segments took the place of others since it was looked at last */
    bool has_moved;       /* since it was looked at last: its files are others */
    bool is_moving;       /* its high watermark waits for the other log, too, which may be durable last in a stop */
    int64_t index_base;   /* of the active segment: so many entries of its indexes were looked at */
    int32_t index_count[2];
};

struct metadata_past {
    struct past log;
    struct raft_vote vote;
    int32_t led_epoch; /* and in which life */
    int led_life;
    struct controller replay; /* when is_replayed: up to offset replayed */
    bool is_replayed;
    int64_t replayed;
    const struct image *published; /* to compare only */
    int64_t snapshot_offset;       /* of the newest that was looked at in this life */
    int64_t next_producer_id;
};

enum { DIRECTORIES_MOST = 4, SHARDS_MOST = 8 };

/* Which shard had it, in which life. */
struct producer_id_block_seen {
    int64_t end;
    int32_t shard;
    int life;
};

struct invariants {
    struct sim_watch watch; /* first */
    struct recorder_watch recorder_watch;
    struct sim *sim;
    struct machine *machine;
    struct recorder *recorder;
    const struct node *node; /* NULL: down */
    int life;                /* 1: the first */
    enum ending ending;      /* of the life before */
    int cut_life; /* the last one after which power was cut; a partition may have been away since
                     before */
    uint64_t look_count;
    int64_t failures_before; /* of the disk, this life */
    int64_t failures_before_last; /* the life before it */
    int full_life; /* the last one in which the disk was full */
    int64_t budget_used;    /* when it was looked at last */
    int64_t latest_wall_ms; /* that a loop of a node has seen */
    struct past *pasts;     /* map by key */
    struct start_watch *start_watch; /* NULL: none */
    int64_t retained_count;
    struct metadata_past metadata;
    struct producer_id_block_seen *blocks; /* of producer ids, by their ends */
    int32_t block_count;
    int64_t image_offsets[SHARDS_MOST];     /* of the shards, in this life */
    char directories[DIRECTORIES_MOST][64]; /* of the node that has stopped; "": none */
    bool has_failed[DIRECTORIES_MOST];      /* that one, and no mark of a clean stop is in it */
};

void invariant_fell(struct invariants *invariants, enum invariant invariant, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/* invariants_partition.c. Thorough: also what an event can hardly have touched. */
void look_at_partition(
    struct invariants *invariants, const struct partition *partition, bool is_thorough);
struct past *past_find(const struct invariants *invariants, struct partition_key key); /* NULL: never seen */
struct past *past_of(struct invariants *invariants, struct partition_key key);
const char *log_label(const struct log *log); /* good until the next call */
void pasts_deinit(struct invariants *invariants);

/* invariants_clean.c */
void look_at_cleaning(struct invariants *invariants, const struct log *log);
void look_for_leftovers(struct invariants *invariants, const struct log *log);

/* invariants_move.c. What the files hold is compared when is_thorough. */
void look_at_move(struct invariants *invariants, const struct partition *partition,
    const struct past *past, bool is_thorough);

/* invariants_log.c */
void look_at_log(
    struct invariants *invariants, const struct log *log, struct past *past, bool is_thorough);

void look_at_producer_snapshot(struct invariants *invariants, const char *label,
    const struct past *past, struct bytes snapshot);

/* invariants_durable.c */
void look_at_durable_end(
    struct invariants *invariants, const struct log *log, struct past *past, bool anew);
void look_at_opened_log(struct invariants *invariants, const struct log *log);
void look_at_line(struct recorder_watch *watch, const struct event *event);

bool batch_is_on_disk(
    const struct machine *machine, const struct log *log, const struct ledger_batch *batch);

/* invariants_retention.c. Before what is remembered of the partition is renewed. */
void look_at_retention(struct invariants *invariants, const struct log *log, struct past *past);

/* invariants_groups.c. Puts the groups of a coordinator in order, which no answer depends on. */
void look_at_coordinators(struct invariants *invariants, const struct shard *shard);

/* invariants_index.c. all: not only what the active segment got since it was looked at last. */
void look_at_indexes(
    struct invariants *invariants, const struct log *log, const struct past *past, bool all);
void remember_indexes(const struct log *log, struct past *past);
void look_at_boundaries(struct invariants *invariants, const struct log *log, const struct ledger *ledger);
void look_at_index_files(struct invariants *invariants, const char *directory, const char *label,
    const struct past *past);
void look_at_durable_indexes(struct invariants *invariants, const char *directory, const struct past *past); /* of its active segment */

/* invariants_read.c. The node will be killed. */
void look_up_offsets(struct invariants *invariants, const struct partition *partition);

/* invariants_memory.c */
void look_at_budget(struct invariants *invariants, const struct node *node, bool is_thorough);
void look_at_holdings(struct invariants *invariants, const struct shard *shard);
void look_at_leaks(struct invariants *invariants);

/* invariants_disk.c */
void look_at_directories(struct invariants *invariants, const struct node *node);
void look_at_stopped_directory(struct invariants *invariants, const char *directory);
bool is_marked_clean(const struct invariants *invariants, const char *directory); /* durably */
void look_at_clean_marks(struct invariants *invariants, const struct node *node);

/* What a checkpoint file says durably of a log; -1: nothing. */
int64_t durable_checkpoint(const struct invariants *invariants, const struct log *log, const char *file);

/* invariants_quorum.c */
void look_at_quorum(struct invariants *invariants, const struct quorum *quorum, bool is_thorough);
void look_at_shard_metadata(struct invariants *invariants, const struct shard *shard);
void metadata_past_init(struct metadata_past *past);
void metadata_past_deinit(struct metadata_past *past);
