/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/partition.h"

#include <assert.h>
#include <errno.h>
#include <utlist.h>

#include "base/broken.h"
#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "replica/move.h"
#include "replica/record_deletion.h"
#include "storage/epochs.h"
#include "storage/producers.h"
#include "wire/record.h"

enum error error_from_status(int status)
{
    switch (status) {
    case 0: return ERROR_NONE;
    case -ERANGE: return ERROR_OFFSET_OUT_OF_RANGE;
    default: return ERROR_KAFKA_STORAGE_ERROR;
    }
}

static void finish_append(struct append *append, enum error error)
{
    append->partition = NULL;
    append->error = error;
    append->done(append);
}

static void fail_list(struct append **list, enum error error)
{
    struct append *append, *next;

    DL_FOREACH_SAFE(*list, append, next) {
        DL_DELETE(*list, append);
        finish_append(append, error);
    }
}

static void tell_machine(struct partition *partition)
{
    if (partition->machine != NULL)
        partition->machine->moved(partition->machine);
}

static void wake_watches(struct partition *partition)
{
    struct partition_watch *watch, *next;

    DL_FOREACH_SAFE(partition->watches, watch, next)
        watch->moved(watch);
    tell_machine(partition);
}

static void advance_high_watermark(struct partition *partition)
{
    struct log *log = partition->log;
    bool written_counts = partition->settings.page_cache || broken(watermark_before_durable);
    int64_t offset = written_counts ? log_end(log) : log_durable_end(log);
    int64_t limit = partition->move == NULL ? INT64_MAX : move_limit(partition->move);

    if (offset > limit)
        offset = limit;
    if (offset <= partition->high_watermark)
        return;
    partition->high_watermark = offset;
    log_set_high_watermark(log, offset);
    int64_t answered = offset + broken(answer_short) - broken(answer_waits_for_more);
    while (partition->waiting != NULL && partition->waiting->last_offset < answered) {
        struct append *append = partition->waiting;
        DL_DELETE(partition->waiting, append);
        finish_append(append, ERROR_NONE);
    }
    wake_watches(partition);
}

static void durable_moved(struct task *task)
{
    struct partition *partition = container_of(task, struct partition, durable);

    if (partition->log == NULL)
        return;
    if (!broken(watermark_stays))
        advance_high_watermark(partition);
    record_deletions_look(partition);
    tell_machine(partition);
}

static int append_order(const struct append *a, const struct append *b)
{
    return a->last_offset < b->last_offset ? -1 : a->last_offset > b->last_offset;
}

static void wait_for_high_watermark(struct partition *partition, struct append *append)
{
    struct append *last = partition->waiting == NULL ? NULL : partition->waiting->prev;

    append->partition = partition;
    append->is_staged = false;
    if (last == NULL || append_order(last, append) <= 0)
        DL_APPEND(partition->waiting, append);
    else
        DL_INSERT_INORDER(partition->waiting, append, append_order); /* a duplicate of something older */
}

/* Once when it begins and once when it ends: a full disk fails every write until there is room. */
static void report_write(struct partition *partition, int status)
{
    bool failing = status < 0;

    if (failing == partition->write_failing)
        return;
    partition->write_failing = failing;
    if (failing)
        report_error("append_failed", "partition=%s-%d reason=\"%s\" consequence=\"produce is refused, reading goes on\"",
            log_topic(partition->log), log_partition(partition->log), strerror(-status));
    else
        report_info("append_recovered", "partition=%s-%d", log_topic(partition->log), log_partition(partition->log));
}

/* The end of a pass: one write for all that was staged, then everybody hears of it. */
static void write_staged(struct task *task)
{
    struct partition *partition = container_of(task, struct partition, write);
    struct log *log = partition->log;
    struct append *append, *next;

    if (log == NULL) {
        fail_list(&partition->staged, ERROR_KAFKA_STORAGE_ERROR);
        return;
    }
    int status = log_write(log);
    report_write(partition, status);
    if (partition->move != NULL)
        move_follow(partition->move);
    DL_FOREACH_SAFE(partition->staged, append, next) {
        DL_DELETE(partition->staged, append);
        append->log_start = log_start(log);
        if (append->last_offset >= log_end(log))
            finish_append(append, error_from_status(status));
        else if (append->acks == -1 && !broken(answer_before_flush))
            wait_for_high_watermark(partition, append);
        else
            finish_append(append, ERROR_NONE);
    }
    if (!partition->settings.page_cache && log_durable_end(log) < log_end(log))
        log_want_flush(log);
    advance_high_watermark(partition);
    tell_machine(partition);
}

struct partition *partition_create(struct loop *loop, struct partition_key key, struct log *log,
    const struct partition_settings *settings)
{
    struct partition *partition = memory_take(sizeof(*partition));

    partition->key = key;
    partition->loop = loop;
    partition->log = log;
    partition->settings = *settings;
    partition->leader_epoch = -1;
    partition->log_dir_index = -1;
    partition->write.run = write_staged;
    partition->durable.run = durable_moved;
    if (log == NULL)
        return partition;
    log_set_durable_task(log, &partition->durable);
    partition->high_watermark = log_high_watermark(log);
    if (partition->high_watermark < log_start(log))
        partition->high_watermark = log_start(log);
    if (partition->high_watermark > log_end(log))
        partition->high_watermark = log_end(log);
    if (!broken(watermark_falls))
        advance_high_watermark(partition); /* alone, all that is durable counts */
    if (log_durable_end(log) < log_end(log))
        log_want_flush(log);
    return partition;
}

static void fail_everybody(struct partition *partition, enum error error)
{
    fail_list(&partition->staged, error);
    fail_list(&partition->waiting, error);
    record_deletions_fail(partition, error);
    wake_watches(partition);
}

void partition_destroy(struct partition *partition, enum error error, bool delete_log)
{
    struct partition_watch *watch, *next;

    assert(!partition->write.queued || partition->staged == NULL);
    assert(!partition->durable.queued);
    fail_everybody(partition, error);
    move_end(partition, delete_log);
    DL_FOREACH_SAFE(partition->watches, watch, next) {
        DL_DELETE(partition->watches, watch);
        watch->partition = NULL;
    }
    if (partition->machine != NULL) {
        partition->machine->partition = NULL;
        tell_machine(partition);
    }
    if (partition->log != NULL) {
        log_set_durable_task(partition->log, NULL);
        if (delete_log) {
            (void)log_delete(partition->log);
        } else {
            log_close(partition->log);
        }
    }
    memory_give(partition);
}

void partition_lead(struct partition *partition, bool leads, int32_t leader_epoch)
{
    bool changed = partition->leads != leads || partition->leader_epoch != leader_epoch;

    assert(leader_epoch >= partition->leader_epoch || !leads);
    partition->leads = leads;
    partition->leader_epoch = leader_epoch;
    if (leads && changed && partition->log != NULL)
        log_lead(partition->log, leader_epoch);
    if (!leads)
        fail_everybody(partition, ERROR_NOT_LEADER_OR_FOLLOWER);
    else if (changed)
        wake_watches(partition);
}

void partition_retire(struct partition *partition)
{
    if (partition->log == NULL)
        return;
    log_set_durable_task(partition->log, NULL);
    fail_everybody(partition, ERROR_KAFKA_STORAGE_ERROR);
    if (partition->move != NULL)
        move_pause(partition->move);
    log_close(partition->log);
    partition->log = NULL;
    tell_machine(partition);
}

void partition_note_damage(struct partition *partition, int64_t segment_base, int64_t position)
{
    const struct log *log = partition->log;

    if (log == NULL || partition->damaged)
        return;
    partition->damaged = true;
    report_error("partition_damaged", "partition=%s-%d file=%s/%020lld.log position=%lld consequence=\"it is offline, the others "
        "are served\": stop the node and restore the file, or delete the topic",
        log_topic(log), log_partition(log), log_path(log), (long long)segment_base, (long long)position);
    wake_watches(partition);
}

void partition_note_limit(struct partition *partition)
{
    if (partition->log != NULL)
        advance_high_watermark(partition);
}

void partition_set_settings(struct partition *partition, const struct partition_settings *settings)
{
    partition->settings = *settings;
    if (partition->log != NULL)
        advance_high_watermark(partition);
}

enum error partition_check(const struct partition *partition, int32_t current_leader_epoch)
{
    if (partition->log == NULL || partition->damaged)
        return ERROR_KAFKA_STORAGE_ERROR;
    if (current_leader_epoch != -1 && current_leader_epoch < partition->leader_epoch && !broken(old_epoch_served))
        return ERROR_FENCED_LEADER_EPOCH;
    if (current_leader_epoch != -1 && current_leader_epoch > partition->leader_epoch)
        return ERROR_UNKNOWN_LEADER_EPOCH;
    return partition->leads ? ERROR_NONE : ERROR_NOT_LEADER_OR_FOLLOWER;
}

/* Answers a duplicate like its original, once that meets the acks which the duplicate asks for. */
static bool append_duplicate(struct partition *partition, struct append *append, const struct producer_batch *original)
{
    append->base_offset = original->first_offset;
    append->last_offset = original->last_offset;
    append->append_time_ms = original->timestamp;
    if (original->last_offset >= log_end(partition->log)) {
        DL_APPEND(partition->staged, append); /* its original is staged in this very pass */
        append->partition = partition;
        append->is_staged = true;
        return true;
    }
    if (append->acks != -1 || original->last_offset < partition->high_watermark || broken(duplicate_early))
        return false;
    wait_for_high_watermark(partition, append);
    return true;
}

/* True when the batch is new; else append->error says why not, or *out_original what it repeats. */
static bool check_producer(const struct partition *partition, struct append *append, const struct batch_header *header,
    const struct producer_batch **out_original)
{
    *out_original = NULL;
    if (batch_is_transactional(header)) {
        append->error = ERROR_INVALID_TXN_STATE;
        return false;
    }
    if (header->producer_id < 0)
        return true;
    switch (producers_check(log_producers(partition->log), header, out_original)) {
    case PRODUCER_NEW: return true;
    case PRODUCER_DUPLICATE: append->error = ERROR_NONE; break;
    case PRODUCER_OUT_OF_ORDER: append->error = ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER; break;
    case PRODUCER_FENCED: append->error = ERROR_INVALID_PRODUCER_EPOCH; break;
    case PRODUCER_NO_TRANSACTION: append->error = ERROR_INVALID_TXN_STATE; break;
    }
    return false;
}

int64_t partition_stage(struct partition *partition, struct buffer *buffer, uint8_t *batch, const struct batch_header *header)
{
    int64_t base_offset;

    log_stage(partition->log, buffer, batch, header, partition->leader_epoch, loop_wall_ms(partition->loop), &base_offset);
    loop_finish(partition->loop, FINISH_WRITE, &partition->write);
    return base_offset;
}

static void stage(struct partition *partition, struct append *append, struct buffer *buffer, uint8_t *batch,
    const struct batch_header *header)
{
    append->base_offset = partition_stage(partition, buffer, batch, header);
    append->last_offset = append->base_offset + header->last_offset_delta;
    append->append_time_ms = batch_is_log_append_time(header) ? header->max_timestamp : -1;
    append->partition = partition;
    append->is_staged = true;
    DL_APPEND(partition->staged, append);
}

static bool fits_segment(const struct partition *partition, struct append *append, size_t size)
{
    if (size <= (size_t)partition->settings.segment_bytes)
        return true;
    append->error = ERROR_RECORD_LIST_TOO_LARGE;
    append->message = "the record batch exceeds segment.bytes";
    append->log_start = -1;
    return false;
}

/* The topic has a codec of its own. */
static bool stage_recompressed(struct partition *partition, struct append *append, struct decompressor *decompressor,
    const struct batch_header *header)
{
    const struct partition_settings *settings = &partition->settings;
    struct batch_header renewed;
    struct buffer *buffer;

    int status = batch_recompress(decompressor, append->records, header, (enum codec)settings->codec, settings->level,
        settings->rules.max_uncompressed_size, &buffer);
    if (status < 0) {
        append->error = ERROR_CORRUPT_MESSAGE;
        return false;
    }
    enum batch_status parsed = batch_parse((struct bytes){ buffer->data, buffer->size }, &renewed);
    assert(parsed == BATCH_OK);
    if (renewed.size > (size_t)settings->rules.max_message_bytes)
        append->error = ERROR_MESSAGE_TOO_LARGE;
    else if (fits_segment(partition, append, renewed.size))
        stage(partition, append, buffer, buffer->data, &renewed);
    buffer_unref(buffer);
    return append->error == ERROR_NONE;
}

bool partition_append(struct partition *partition, struct append *append, struct decompressor *decompressor,
    struct arena *arena)
{
    const struct producer_batch *original;
    struct batch_verdict verdict;

    append->partition = NULL;
    append->error = partition_check(partition, -1);
    if (append->error != ERROR_NONE)
        return false;
    struct batch_rules rules = partition->settings.rules;
    rules.allow_zstd = append->allow_zstd;
    rules.offsets_checked = partition->settings.codec >= 0;
    rules.topic = append->topic;
    rules.partition_index = partition->key.index;
    batch_validate(decompressor, &rules, loop_wall_ms(partition->loop), append->records,
        append->size, arena, &verdict);
    append->error = verdict.error;
    append->message = verdict.message;
    append->record_errors = verdict.record_errors;
    append->record_error_count = verdict.record_error_count;
    append->log_start = verdict.is_unseen ? -1 : log_start(partition->log);
    if (append->error != ERROR_NONE)
        return false;
    if (!check_producer(partition, append, &verdict.header, &original))
        return original != NULL && append_duplicate(partition, append, original);
    if (partition->settings.codec >= 0 && partition->settings.codec != batch_codec(&verdict.header))
        return stage_recompressed(partition, append, decompressor, &verdict.header);
    if (!fits_segment(partition, append, verdict.header.size))
        return false;
    stage(partition, append, append->buffer, append->records, &verdict.header);
    return true;
}

void partition_append_cancel(struct append *append)
{
    struct partition *partition = append->partition;

    assert(partition != NULL);
    if (append->is_staged)
        DL_DELETE(partition->staged, append);
    else
        DL_DELETE(partition->waiting, append);
    append->partition = NULL;
}

void partition_watch(struct partition *partition, struct partition_watch *watch)
{
    assert(watch->partition == NULL);
    watch->partition = partition;
    DL_APPEND(partition->watches, watch);
}

void partition_unwatch(struct partition_watch *watch)
{
    if (watch->partition == NULL)
        return;
    DL_DELETE(watch->partition->watches, watch);
    watch->partition = NULL;
}

/* Whether what the reader has belongs to another history than ours (KIP-595). */
static bool read_diverges(const struct partition *partition, struct partition_read *read)
{
    if (read->last_fetched_epoch < 0 || broken(divergence_untold))
        return false;
    const struct epochs *epochs = log_epochs(partition->log);
    if (epochs == NULL) {
        read->error = ERROR_KAFKA_STORAGE_ERROR;
        return true;
    }
    epochs_end(epochs, read->last_fetched_epoch, log_end(partition->log), &read->diverging_epoch, &read->diverging_end);
    if (read->diverging_epoch < 0 || read->diverging_end < 0) {
        read->diverging_epoch = -1;
        read->error = ERROR_OFFSET_OUT_OF_RANGE;
        return true;
    }
    if (read->diverging_epoch < read->last_fetched_epoch || read->diverging_end < read->offset)
        return true;
    read->diverging_epoch = -1;
    return false;
}

static void fail_read(struct partition_read *read, enum error error)
{
    read->error = error;
    read->high_watermark = read->last_stable_offset = read->log_start = -1;
}

int partition_read(struct partition *partition, struct partition_read *read, struct arena *arena)
{
    read->slice = (struct log_slice){ 0 };
    read->aborted = NULL;
    read->aborted_count = 0;
    read->diverging_epoch = -1;
    read->diverging_end = -1;
    fail_read(read, partition_check(partition, read->current_leader_epoch));
    if (read->error != ERROR_NONE)
        return 0;
    struct log *log = partition->log;
    read->high_watermark = partition->high_watermark;
    read->last_stable_offset = log_last_stable_offset(log);
    read->log_start = log_start(log);
    if (read_diverges(partition, read)) {
        if (read->error != ERROR_NONE)
            fail_read(read, read->error);
        return 0;
    }
    if (read->offset < log_start(log) || read->offset > log_end(log)) {
        fail_read(read, ERROR_OFFSET_OUT_OF_RANGE);
        return 0;
    }
    int64_t upper = read->committed_only ? read->last_stable_offset : read->high_watermark;
    if (broken(read_beyond_watermark))
        upper = log_end(log);
    if (read->offset >= upper || (read->max_bytes <= 0 && !read->at_least_one))
        return 0;
    int status = log_read(log, read->offset, upper, read->max_bytes, read->at_least_one, read->may_block, &read->slice);
    if (status == -EAGAIN)
        return status;
    if (status == -EUCLEAN) {
        partition_note_damage(partition, read->slice.first_offset, read->slice.position);
        read->slice = (struct log_slice){ 0 };
    }
    if (status == 0 && read->committed_only && read->slice.file != NULL) {
        int64_t behind = log_offset_behind(log, &read->slice);
        status = log_aborted(log, read->offset, behind, arena, &read->aborted, &read->aborted_count);
    }
    if (status < 0)
        fail_read(read, error_from_status(status));
    return 0;
}
