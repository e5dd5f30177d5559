/* SPDX-License-Identifier: Apache-2.0 */
/* What a log keeps beside its batches, and could be told from them: leader epochs and producers;
 * and whose log it is. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "io/file.h"
#include "storage/check_parts.h"
#include "storage/places.h"

enum { FILE_LIMIT = 1 << 30 };

/* ---- leader-epoch-checkpoint ---- */

static const char epochs_remedy[] =
    "with the node stopped, empty the file: a start makes it anew from the batches";

int check_epochs_load(struct log_check *log)
{
    char path[SEGMENT_PATH_SIZE], *text;
    size_t size;
    path_in(path, log->path, "leader-epoch-checkpoint");
    int status = file_load(log->check->io, path, FILE_LIMIT, &text, &size);
    if (status == -ENOENT)
        return 0;
    if (status < 0)
        return status;
    log->has_epochs = epochs_parse(&log->epochs, (struct str){ text, (int32_t)size });
    memory_give(text);
    if (!log->has_epochs)
        check_say(log->check,
            &(struct finding){ FINDING_DAMAGE, path, -1,
                .follows = "a start takes the epochs from the batches, and says so" },
            size == 0 ? "it is empty" : "it is no checkpoint file of leader epochs");
    return 0;
}

void check_epochs_take(struct log_check *log, const struct checked_batch *batch)
{
    char path[SEGMENT_PATH_SIZE];
    const struct epochs *epochs = &log->epochs;
    int64_t offset = batch->header.base_offset;
    int32_t said = -1, epoch = batch->header.leader_epoch;
    if (epoch < 0 || log->epochs_told || (!log->has_epochs && log->epochs.count == 0))
        return;
    while (log->epoch_index + 1 < epochs->count &&
           epochs->entries[log->epoch_index + 1].start_offset <= offset)
        log->epoch_index++;
    if (epochs->count > 0)
        said = epochs->entries[log->epoch_index].epoch;
    if (epochs->count > 0 && offset < epochs->entries[0].start_offset)
        return; /* below the log's start */
    if (said == epoch)
        return;
    if (!log->place.clean && (log->is_metadata || offset >= log->place.recovery_point))
        return; /* a start asks the batches there: the file may be older, or speak of a lost tail */
    log->epochs_told = true;
    path_in(path, log->path, "leader-epoch-checkpoint");
    check_say(log->check,
        &(struct finding){ FINDING_DAMAGE, path, -1,
            .follows = "a follower that asks where an epoch ended may be cut at the wrong offset",
            .remedy = epochs_remedy },
        "offset %" PRId64 " is of epoch %d, and the file says %d", offset, epoch, said);
}

/* ---- Producer snapshots. ---- */

static void say_snapshot(
    struct log_check *log, int64_t offset, int64_t producer_id, const char *what)
{
    char path[SEGMENT_PATH_SIZE];
    segment_path(path, log->path, offset, ".snapshot");
    check_say(log->check,
        &(struct finding){ FINDING_DAMAGE, path, -1,
            .follows = "a batch that a producer sends again may be stored twice, or a good one be "
                       "refused",
            .remedy = "with the node stopped, remove it: the producers are taken from the snapshot "
                      "before and the batches behind that one" },
        "producer %" PRId64 ": %s", producer_id, what);
}

static int64_t last_offset_of(const struct producer *producer)
{
    return producer->batch_count == 0 ? -1
                                      : producer->batches[producer->batch_count - 1].last_offset;
}

/* What the snapshot says of one producer against what the batches below it say. Batches that are
 * not here any more, or were compacted away, may have said more. */
static const char *compare(
    const struct log_check *log, const struct producer *said, const struct producer *walked)
{
    int64_t said_last = last_offset_of(said);
    int64_t walked_last = walked == NULL ? -1 : last_offset_of(walked);
    bool may_be_gone = log->has_gaps || said_last < log->first_offset;
    if (said_last > walked_last)
        return may_be_gone ? NULL : "no batch of its stands where the snapshot has its last one";
    if (walked == NULL)
        return NULL;
    if (walked_last > said_last)
        return "the log holds a later batch of its below the snapshot's offset";
    if (said->epoch != walked->epoch)
        return log->has_gaps && said->epoch > walked->epoch ? NULL : "its epoch is another one";
    if (walked_last >= 0 && said->batches[said->batch_count - 1].last_sequence !=
                                walked->batches[walked->batch_count - 1].last_sequence)
        return "its last sequence is another one";
    if (said->transaction_start != walked->transaction_start && !log->has_gaps &&
        (said->transaction_start < 0 || said->transaction_start >= log->first_offset))
        return "its open transaction is another one";
    return NULL;
}

/* One producer that is wrong speaks for all of the snapshot. */
static void compare_all(struct log_check *log, int64_t offset, const struct producers *said)
{
    const struct producer *producer = NULL;
    const char *fault = NULL;
    for (int32_t i = 0; i < said->count && fault == NULL; i++) {
        producer = said->entries[i];
        fault = compare(log, producer, producers_find(&log->producers, producer->id));
    }
    /* One that is silent for long is forgotten, but not within a transaction. */
    for (int32_t i = 0; i < log->producers.count && fault == NULL; i++) {
        producer = log->producers.entries[i];
        if (producer->transaction_start >= 0 && producers_find(said, producer->id) == NULL)
            fault = "it is in a transaction, and the snapshot does not know it";
    }
    if (fault != NULL)
        say_snapshot(log, offset, producer->id, fault);
}

static int check_snapshot(struct log_check *log, int64_t offset)
{
    char path[SEGMENT_PATH_SIZE], *data;
    struct producers said = { 0 };
    size_t size;
    segment_path(path, log->path, offset, ".snapshot");
    int status = file_load(log->check->io, path, FILE_LIMIT, &data, &size);
    if (status < 0)
        return status;
    if (!producers_load(&said, (struct bytes){ (const uint8_t *)data, size }))
        check_say(log->check,
            &(struct finding){ FINDING_DAMAGE, path, 0,
                .follows = "a start passes it over: the producers are taken from the one before "
                           "it, or from all batches" },
            "it is no producer snapshot, or its CRC is wrong");
    else if (!log->has_hole && log->first_offset >= 0 && offset > log->first_offset)
        compare_all(log, offset, &said);
    producers_deinit(&said);
    memory_give(data);
    return 0;
}

int check_producers_before(struct log_check *log, int64_t offset)
{
    int status = 0;
    while (status == 0 && log->snapshot_next < log->snapshot_count &&
           log->snapshots[log->snapshot_next] <= offset)
        status = check_snapshot(log, log->snapshots[log->snapshot_next++]);
    return status;
}

void check_producers_take(struct segment_check *segment, const struct checked_batch *batch)
{
    struct producer before;
    int32_t coordinator_epoch;
    const struct batch_header *header = &batch->header;
    producers_take(&segment->log->producers, header, batch->bytes, &before);
    if (!batch_is_control(header) || before.id < 0 ||
        producers_marker(header, batch->bytes, &coordinator_epoch) != MARKER_ABORT)
        return;
    check_aborted(segment, header, before.batch_count < 0 ? -1 : before.transaction_start);
}

/* ---- partition.metadata ---- */

int check_topic_id(struct log_check *log)
{
    static const char follows[] =
        "the partition is taken for that of any topic of its name, whose id is then written here";
    char path[SEGMENT_PATH_SIZE];
    struct uuid topic_id;
    path_in(path, log->path, "partition.metadata");
    int status = place_topic_id(log->check->io, log->path, &topic_id);
    if (status == -ENOENT)
        check_say(log->check, &(struct finding){ FINDING_NOTE, path, -1, .follows = follows },
            "the file is not there");
    else if (status == 0 && uuid_is_zero(topic_id)) /* a power cut may take what was in it */
        check_say(log->check,
            &(struct finding){
                log->place.clean ? FINDING_DAMAGE : FINDING_NOTE, path, -1, .follows = follows },
            "it names no topic id");
    return status == -ENOENT ? 0 : status;
}
