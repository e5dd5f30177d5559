/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that the simulator must see broken. `broken(RULE)` stands in one line at the spot that keeps a rule, and is false: in the product
 * it leaves nothing behind. Only the second compilation of the rooms, which the simulator links (tests/sim/meson.build), can break one
 * of them for a run. A rule that no seed misses when it is broken shows what the simulated clients do not ask for. */
#pragma once
#include <stdbool.h>

#include "base/str.h"

/* Name; the rule of the design that it stands for; what is left out. */
#define BROKEN_RULES(RULE)                                                                                           \
    /* wire */                                                                                                       \
    RULE(append_crc, "S4", "the CRC of a batch is not looked at when it is appended")                                \
    RULE(sequence_wrap, "T2", "a producer's sequence INT32_MAX counts as 0")                                         \
    RULE(crc_not_renewed, "S4", "a batch gets another time, and keeps its CRC")                                      \
    RULE(records_unseen, "C3", "the records inside of a batch are not looked at when it is appended")                \
    /* io */                                                                                                         \
    RULE(replace_sync, "S3", "a small file takes the place of its older self before its bytes are durable")          \
    RULE(replace_directory, "S3", "the directory is not synced after a small file took the place of its older self") \
    /* storage */                                                                                                    \
    RULE(flush, "S1", "what was written counts as durable without a sync")                                           \
    RULE(room_untold, "P8", "who waits until less is dirty is not told that it is")                                  \
    RULE(sync_failure, "S2", "a sync that failed counts as done")                                                    \
    RULE(full_disk_retires, "S2", "a full disk counts as a broken one")                                              \
    RULE(directory_sync, "S3", "new names of files count as durable without a sync of their directory")              \
    RULE(clean_file_left, "S3", "the mark of a clean stop is not taken away at the start")                           \
    RULE(last_flush, "S3", "a clean stop leaves out the last checkpoint")                                            \
    RULE(unopened_is_clean, "S3", "a stop counts as clean for logs that nobody opened since a crash")                \
    RULE(failure_is_clean, "S3", "a directory that failed gets the mark of a clean stop")                            \
    RULE(active_indexes_left, "S3", "a clean stop does not sync the indexes of active segments")                     \
    RULE(open_sync, "S1", "what a killed process left counts as durable, though nothing was synced")                 \
    RULE(cut_sync, "S4", "a torn end is cut off, and that is not synced")                                            \
    RULE(recovery_crc, "S4", "recovery takes batches whose CRC is wrong")                                            \
    RULE(recovery_hole, "S4", "recovery takes batches behind a hole in the offsets")                                 \
    RULE(recovery_cuts_all, "S4", "recovery cuts off all that stands above the recovery point")                      \
    RULE(recovery_point_ahead, "S4", "the recovery point of the checkpoint file is beyond what is durable")          \
    RULE(damage_cut_away, "R14", "damage below the recovery point is cut away like a torn end")                      \
    RULE(index_kept, "S4", "recovery keeps the index entries above the place from which it checks")                  \
    RULE(seal_forgotten, "S4", "a segment that ends at the recovery point keeps the indexes that it had before")     \
    RULE(failed_write_left, "S4", "what a failed write left behind the end of a log stays there")                    \
    RULE(search_skips_segment, "P2", "ListOffsets by time does not look into the first segment")                     \
    RULE(recovery_directory, "S3", "recovery removes segments, and does not sync their directory")                   \
    RULE(clean_file_sync, "S3", "the mark of a clean stop is taken away, and its directory is not synced")           \
    RULE(snapshot_beyond_end, "T7", "a producer snapshot is believed that speaks of more than the log holds")        \
    RULE(retention_undurable, "S5", "retention removes segments before what follows them is durable")                \
    RULE(retention_early, "S5", "retention removes segments after a tenth of their time")                            \
    RULE(retention_too_much, "S5", "retention by size leaves less than is to stay")                                  \
    RULE(index_before_batch, "S4", "index entries name the offset before their batch")                               \
    RULE(offset_given_twice, "P2", "all batches of a pass get the same offset")                                      \
    RULE(producer_snapshot, "T7", "what is known of the producers is forgotten when a log is opened")                \
    RULE(producers_not_restored, "T2", "a batch whose write failed stays known as the last of its producer")         \
    RULE(duplicate_as_new, "T2", "a batch that was taken before is appended once more")                              \
    RULE(window_of_four, "T2", "of a producer's last five batches the oldest is not known again")                    \
    RULE(sequence_gap, "T2", "a batch is taken though those before it are missing")                                  \
    RULE(old_producer_epoch, "T2", "a batch of an older epoch of its producer is taken")                             \
    RULE(window_short, "T2", "only the last four batches of a producer are known")                                   \
    RULE(new_epoch_any_sequence, "T2", "a new epoch of a producer begins with any sequence")                         \
    RULE(epochs_not_written, "R10", "leader-epoch-checkpoint is never written")                                      \
    RULE(cleaned_unchecked, "S5", "a log is cleaned before the checkpoint file has its recovery point")              \
    RULE(swap_not_durable, "S5", "the old segments go before the name of the cleaned one is durable")                \
    RULE(boundaries_kept, "S5", "positions in the old segment are looked up in the cleaned one")                     \
    RULE(swap_forgotten, "S5", "a swap that a crash cut short is not finished")                                      \
    RULE(start_forgotten, "P2", "log starts of the checkpoint file are not read")                                    \
    /* replica */                                                                                                    \
    RULE(watermark_before_durable, "S1", "the high watermark follows what is written, not what is durable")          \
    RULE(watermark_falls, "R5", "after a start the high watermark is that of the last checkpoint")                   \
    RULE(watermark_stays, "R5", "the high watermark does not follow what became durable")                            \
    RULE(answer_before_flush, "R1", "acks=all is answered when the batch is written")                                \
    RULE(answer_short, "R1", "acks=all is answered while the last record of the batch is not durable")               \
    RULE(answer_waits_for_more, "R1", "acks=all waits until more is durable than its own records")                   \
    RULE(old_epoch_served, "R11", "who asks with an older leader epoch is served")                                   \
    RULE(divergence_untold, "R10", "a reader is not told that what it read last belongs to another history")         \
    RULE(duplicate_early, "T2", "a duplicate is answered though its original is not durable")                        \
    RULE(read_beyond_watermark, "R5", "readers get what is written, not what is below the high watermark")           \
    RULE(list_beyond_watermark, "R5", "ListOffsets tells what is written, not what is below the high watermark")     \
    RULE(deletion_before_kept, "S3", "DeleteRecords is answered before the new log start is durable")                \
    RULE(move_before_durable, "S1", "a partition moves before all that was promised is durable in its new directory")\
    RULE(move_limits_nothing, "S1", "the high watermark does not wait for the directory that a partition moves to")  \
    RULE(vote_not_saved, "R13", "quorum-state is not written")                                                       \
    RULE(image_before_commit, "R16", "shards get an image whose records are not durable")                            \
    RULE(snapshot_directory, "S3", "the directory of a new metadata snapshot is not synced")                         \
    RULE(snapshot_sync, "S3", "a metadata snapshot gets its name before it is durable")                              \
    /* rsm, metadata */                                                                                              \
    RULE(change_before_commit, "R1", "a change is answered before its records are durable")                          \
    RULE(unwritten_kept, "R16", "the working image keeps what a full disk refused")                                  \
    RULE(snapshot_misses_topics, "T7", "metadata snapshots hold no topics")                                          \
    RULE(snapshot_misses_settings, "T7", "metadata snapshots hold no settings")                                      \
    RULE(snapshot_misses_producer_ids, "T7", "metadata snapshots do not hold which producer ids are given out")      \
    RULE(snapshot_misses_quotas, "T7", "metadata snapshots hold no quotas")                                          \
    RULE(epoch_not_raised, "R11", "a leader begins in the epoch of the one before")                                  \
    RULE(producer_ids_twice, "P3", "a block of producer ids is given out again")                                     \
    RULE(settings_not_kept, "R16", "a topic is made without the settings that it was to have")                       \
    RULE(name_taken_twice, "R16", "a topic is made though there is one of its name")                                 \
    /* coordinator, and what hosts it: for runs with groups */                                                       \
    RULE(offsets_before_durable, "P6", "a coordinator's answer leaves before its records are durable")               \
    RULE(unwritten_offsets_kept, "P6", "a coordinator keeps what it applied though the write failed")                \
    RULE(load_skips_tombstones, "P6", "a coordinator that loads does not see what was removed")                      \
    RULE(expiry_from_wrong_time, "P6", "offsets age from another time than their commit")                            \
    RULE(revocation_not_awaited, "P6", "a partition is given to a member before another has given it up")            \
    RULE(commit_epoch_unchecked, "P6", "a commit is taken whatever its member epoch or generation is")               \
    RULE(joiners_not_awaited, "P6", "a classic group goes on without those that have not joined again")              \
    RULE(owners_forgotten, "P6", "a group that becomes a consumer group forgets what its members own")               \
    RULE(stale_assignment_taken, "P6", "a target counts for the present group, whose members have changed since")    \
    /* broker */                                                                                                     \
    RULE(change_before_image, "R2", "a change is answered before all shards know of it")                             \
    RULE(name_before_free, "R14", "a topic is made while the data of the last one of its name are still there")      \
    RULE(topic_id_unseen, "R14", "a directory of a topic's name is taken though it belongs to another id")           \
    RULE(deleted_data_left, "R14", "a deleted topic's data stay where they are")                                     \
    RULE(session_epoch_any, "P2", "a fetch session takes a request of any epoch")                                    \
    RULE(epoch_end_short, "R10", "OffsetForLeaderEpoch answers one less than the end of the epoch")                  \
    RULE(low_watermark, "P2", "DeleteRecords tells another log start than there is")                                 \
    RULE(session_deaf, "P2", "a fetch session does not hear of new records")                                         \
    RULE(read_overtakes, "P5", "a request that reads the image overtakes a change on its connection")                \
    /* net */                                                                                                        \
    RULE(short_send, "P2", "bytes that the socket did not take count as sent")                                       \
    RULE(budget_kept, "P8", "what an answer took of the budget is not given back")

#ifdef STROM_BREAKABLE
struct broken_rule {
    const char *name, *id, *sentence;
};
#define BROKEN_NUMBER(name, id, sentence) BROKEN_##name,
enum { BROKEN_RULES(BROKEN_NUMBER) BROKEN_COUNT };
#undef BROKEN_NUMBER
extern const struct broken_rule broken_rules[];
extern int broken_chosen; /* BROKEN_COUNT: none */
int broken_find(struct str name); /* -1: there is no such rule */
#define broken(RULE) (broken_chosen == BROKEN_##RULE)
#else
#define broken(RULE) false
#endif
