/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/broken.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/str.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/cleaning.h"
#include "storage/flush.h"
#include "storage/flusher.h"
#include "storage/log_state.h"
#include "storage/scan.h"
#include "storage/swap.h"


void log_settings_defaults(struct log_settings *settings)
{
    *settings = (struct log_settings){
        .segment_bytes = 1 << 30,
        .segment_ms = 7LL * 24 * 3600 * 1000,
        .index_bytes = 10 << 20,
        .index_interval_bytes = 4096,
        .retention_ms = 7LL * 24 * 3600 * 1000,
        .retention_bytes = -1,
        .deletes = true,
        .min_cleanable_ratio = 0.5,
        .max_compaction_lag_ms = INT64_MAX,
        .delete_retention_ms = 24LL * 3600 * 1000,
        .max_message_bytes = 1 << 20,
        .flush_messages = INT64_MAX,
        .flush_ms = INT64_MAX,
        .file_delete_delay_ms = 60 * 1000,
        .producer_expiry_ms = 24LL * 3600 * 1000,
    };
}

int32_t log_segment_at(const struct log *log, int64_t offset)
{
    int32_t low = 0, high = log->segment_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (log->segments[middle].base_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

struct segment *log_push_segment(struct log *log)
{
    if (log->segment_count == log->segment_capacity) {
        log->segment_capacity = log->segment_capacity == 0 ? 1 : log->segment_capacity * 2;
        log->segments =
            memory_resize(log->segments, (size_t)log->segment_capacity * sizeof(*log->segments));
    }
    return &log->segments[log->segment_count++];
}

int log_wake(struct log *log)
{
    struct segment *active = log_active(log);
    log->touched_ms = loop_now_ms(flusher_loop(log->flusher));
    if (active->file != NULL && active->indexes != NULL)
        return 0;
    bool was_new = active->is_new;
    int status = segment_open(active, log->io, log->path);
    if (status == 0)
        status = segment_load(active, log->io, log->path);
    if (status < 0)
        return status;
    active->is_new = false;
    log->names_made += was_new;
    flush_note_awake(log);
    return 0;
}

void log_note_boundary(struct log *log, int64_t offset, int64_t base_offset, int64_t position)
{
    for (int i = 0; i < LOG_HINTS; i++)
        if (log->hints[i].offset == offset && log->hints[i].base_offset == base_offset)
            return;
    log->hints[log->hint_next] = (struct log_boundary){ offset, base_offset, position };
    log->hint_next = (uint8_t)((log->hint_next + 1) % LOG_HINTS);
}

void log_forget_boundaries(struct log *log)
{
    for (int i = 0; i < LOG_HINTS; i++)
        log->hints[i].offset = -1;
    log->durable_boundary.offset = -1;
}

void log_forget_boundaries_in(struct log *log, int64_t from_base, int64_t to_base)
{
    for (int i = 0; i < LOG_HINTS; i++)
        if (log->hints[i].base_offset >= from_base && log->hints[i].base_offset < to_base)
            log->hints[i].offset = -1;
    if (log->durable_boundary.base_offset >= from_base &&
        log->durable_boundary.base_offset < to_base)
        log->durable_boundary.offset = -1;
}

void log_take_snapshot(struct log *log, uint8_t **out_data, size_t *out_size)
{
    *out_data = producers_print(&log->producers, out_size);
    log->producers.dirty = false;
}

/* ---- Life. ---- */

static struct log *allocate(struct flusher *flusher, const char *path, const char *topic,
    int32_t partition, const struct log_settings *settings)
{
    struct log *log = memory_take(sizeof(*log));
    log->flusher = flusher;
    log->io = loop_io(flusher_loop(flusher));
    log->path = memory_copy_text(path);
    log->topic = memory_copy_text(topic);
    log->partition = partition;
    log->mark_index[0] = log->mark_index[1] = -1;
    log->snapshot_offset = -1;
    log->clean_end = -1;
    log->horizon_ms = INT64_MAX;
    log->settings = *settings;
    log_forget_boundaries(log);
    return log;
}

static void release(struct log *log)
{
    for (int32_t i = 0; i < log->segment_count; i++)
        segment_deinit(&log->segments[i]);
    memory_give(log->segments);
    epochs_deinit(&log->epochs);
    producers_deinit(&log->producers);
    memory_give(log->roll_snapshot);
    memory_give(log->readers);
    memory_give(log->path);
    memory_give(log->topic);
    memory_give(log);
}

struct found_segments {
    int64_t *bases;
    int32_t count, capacity;
    struct log *log;
    bool has_leftovers; /* of a cleaning: swap.h */
};

static bool ends_with(const char *name, const char *suffix)
{
    size_t size = strlen(name), suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

/* Notes a segment or a producer snapshot, removes what an earlier life left to be deleted. */
static int visit_name(void *context, const char *name)
{
    struct found_segments *found = context;
    char path[SEGMENT_PATH_SIZE];
    int64_t base;
    if (ends_with(name, ".deleted")) {
        path_in(path, found->log->path, name);
        int status = file_unlink(found->log->io, path);
        return status == -ENOENT ? 0 : status;
    }
    if (ends_with(name, ".cleaned") || ends_with(name, ".swap"))
        found->has_leftovers = true;
    if (strspn(name, "0123456789") != 20 || !str_to_int64((struct str){ name, 20 }, &base))
        return 0;
    if (strcmp(name + 20, ".snapshot") == 0 && base > found->log->snapshot_offset)
        found->log->snapshot_offset = base;
    if (strcmp(name + 20, ".log") != 0)
        return 0;
    if (found->count == found->capacity) {
        found->capacity = found->capacity == 0 ? 4 : found->capacity * 2;
        found->bases = memory_resize(found->bases, (size_t)found->capacity * sizeof(int64_t));
    }
    found->bases[found->count++] = base;
    return 0;
}

static int compare_bases(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int find_segments(struct log *log)
{
    struct found_segments found = { .log = log };
    int status = directory_list(log->io, log->path, visit_name, &found);
    if (status == 0 && found.has_leftovers && !broken(swap_forgotten)) {
        found.count = 0;
        status = swap_settle(log->io, log->path);
        if (status == 0)
            status = directory_list(log->io, log->path, visit_name, &found);
    }
    if (status == 0 && found.count > 0)
        qsort(found.bases, (size_t)found.count, sizeof(int64_t), compare_bases);
    for (int32_t i = 0; status == 0 && i < found.count; i++)
        segment_note(log_push_segment(log), found.bases[i]);
    if (status == 0 && found.count == 0) {
        segment_begin(log_push_segment(log), log->start);
        log->names_made = 1; /* who made the directory may have been killed before it was durable */
        log->directory_new = true;
    }
    memory_give(found.bases);
    return status;
}

int log_open(struct flusher *flusher, const struct log_place *place,
    const struct log_settings *settings, struct log **out_log)
{
    struct log *log = allocate(flusher, place->path, place->topic, place->partition, settings);
    log->place = place;
    log->topic_id = place->topic_id;
    log->is_listed = place->is_listed;
    log->point_unknown = place->recovery_point < 0;
    log->recovery_point = log->point_unknown ? 0 : place->recovery_point;
    log->point_told = log->point_mailed = log->recovery_point;
    log->start = place->log_start;
    log->high_watermark = place->high_watermark;
    log->clean_end = place->clean_end;
    log->must_be_whole = place->stopped;
    int status = find_segments(log);
    if (status == 0 && log->start > 0 && log->start == log->segments[0].base_offset)
        status = directory_sync(log->io, log->path); /* the file need not say it any longer */
    if (status == 0)
        status = log_load_epochs(log);
    if (status == 0)
        status = log_recover(log, place->clean);
    log->must_be_whole = false;
    if (status < 0) {
        release(log);
        if (status == -EIO)
            flush_note_failure(flusher, status);
        return status;
    }
    log->trimmed.base_offset = log->tail.base_offset;
    flush_attach(log);
    if (log->start > log->segments[0].base_offset)
        flush_note_start(log);
    if (log->is_awake) {
        log->touched_ms = loop_now_ms(flusher_loop(flusher));
        flush_note_awake(log);
    }
    if (log->epochs.dirty)
        flush_note_dirty(log);
    if (!place->clean) {
        flush_note_dirty(log);
        if (log->durable_end < log->tail.end_offset)
            log_want_flush(log);
    }
    *out_log = log;
    return 0;
}

enum { METADATA_TEXT_SIZE = 64 };

static int print_metadata(char text[METADATA_TEXT_SIZE], struct uuid topic_id)
{
    char id[UUID_TEXT_SIZE + 1];
    uuid_print(topic_id, id);
    return snprintf(text, METADATA_TEXT_SIZE, "version: 0\ntopic_id: %s", id);
}

static int replace_metadata_file(struct flusher *flusher, const char *path, struct uuid topic_id)
{
    char name[SEGMENT_PATH_SIZE], text[METADATA_TEXT_SIZE];
    path_in(name, path, "partition.metadata");
    int size = print_metadata(text, topic_id);
    int status = file_replace(flusher->io, name, text, (size_t)size);
    if (status == -EIO)
        flush_note_failure(flusher, status);
    return status;
}

int log_open_for(struct flusher *flusher, const struct log_place *place, struct uuid topic_id,
    const struct log_settings *settings, struct log **out_log)
{
    bool has_id = !uuid_is_zero(place->topic_id);
    int written = has_id ? 0 : replace_metadata_file(flusher, place->path, topic_id);
    if (written < 0 && written != -ENOSPC) /* there is room at another start */
        return written;
    int status = log_open(flusher, place, settings, out_log);
    if (status == 0 && !has_id && written == 0)
        (*out_log)->topic_id = topic_id;
    return status;
}

static int write_metadata_file(struct io *io, const char *path, struct uuid topic_id)
{
    char name[SEGMENT_PATH_SIZE], text[METADATA_TEXT_SIZE];
    struct file *file;
    path_in(name, path, "partition.metadata");
    int size = print_metadata(text, topic_id);
    int status = file_open(io, name, FILE_CREATE_NEW, &file);
    if (status < 0)
        return status;
    status = file_write_all(
        file, text, (size_t)size, 0); /* synced by the first flush, with the directory */
    file_unref(file);
    if (status < 0)
        (void)file_unlink(io, name);
    return status;
}

static int make_directory(struct io *io, const char *path, struct uuid topic_id)
{
    int status = directory_create(io, path);
    if (status < 0 || uuid_is_zero(topic_id))
        return status;
    status = write_metadata_file(io, path, topic_id);
    if (status < 0)
        (void)directory_remove(io, path); /* a full disk: as if nothing had been tried */
    return status;
}

static int create_at(struct flusher *flusher, const char *path, const char *topic,
    int32_t partition, struct uuid topic_id, const struct log_settings *settings,
    struct log **out_log)
{
    int status = make_directory(loop_io(flusher_loop(flusher)), path, topic_id);
    if (status == -EIO)
        flush_note_failure(flusher, status);
    if (status < 0)
        return status;
    struct log *log = allocate(flusher, path, topic, partition, settings);
    log->topic_id = topic_id;
    log->is_listed = strcmp(topic, "__cluster_metadata") != 0;
    log->names_made = 1;
    log->directory_new = true;
    segment_begin(log_push_segment(log), 0);
    log_begin_tail(log, 0);
    flush_attach(log);
    flush_note_dirty(log);
    *out_log = log;
    return 0;
}

int log_create(struct flusher *flusher, const char *directory_path, const char *topic,
    int32_t partition, struct uuid topic_id, const struct log_settings *settings,
    struct log **out_log)
{
    char path[SEGMENT_PATH_SIZE], name[512];
    snprintf(name, sizeof(name), "%s-%d", topic, partition);
    path_in(path, directory_path, name);
    return create_at(flusher, path, topic, partition, topic_id, settings, out_log);
}

int log_create_future(struct flusher *flusher, const char *directory_path, const char *topic,
    int32_t partition, struct uuid topic_id, const struct log_settings *settings,
    struct log **out_log)
{
    char beside[SEGMENT_PATH_SIZE];
    path_in(beside, directory_path, topic);
    char *path = log_parting_path(
        loop_io(flusher_loop(flusher)), beside, topic, partition, "future");
    int status = create_at(flusher, path, topic, partition, topic_id, settings, out_log);
    memory_give(path);
    if (status == 0) /* the file may have the line of one that was given up */
        (*out_log)->point_told = (*out_log)->point_mailed = INT64_MAX;
    return status;
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    assert(log->staging == NULL);
    log_forget_replacement(log, false);
    flush_detach(log);
    release(log);
}

void log_set_settings(struct log *log, const struct log_settings *settings)
{
    log->settings = *settings;
}

bool log_is_settled(const struct log *log)
{
    return !log->is_swapping;
}

void log_hold(struct log *log, bool hold)
{
    log->is_held = hold;
    if (hold && log->cleaning != NULL)
        cleaning_stop(log->cleaning);
}
int64_t log_clean_end(const struct log *log)
{
    return log->clean_end;
}
void log_set_clean_end(struct log *log, int64_t offset)
{
    log->clean_end = offset;
}
const struct log_settings *log_settings(const struct log *log)
{
    return &log->settings;
}
/* The file follows with the first record of the epoch: until then nobody can have learned of it. */
void log_lead(struct log *log, int32_t leader_epoch)
{
    assert(log->staging == NULL);
    epochs_assign(&log->epochs, leader_epoch, log->tail.end_offset);
}

void log_set_durable_task(struct log *log, struct task *task)
{
    log->durable_task = task;
}

/* ---- Positions. ---- */

int64_t log_start(const struct log *log)
{
    return log->start;
}
int64_t log_end(const struct log *log)
{
    return log->tail.end_offset;
}
int64_t log_snapshot_offset(const struct log *log)
{
    return log->snapshot_offset;
}
int64_t log_segment_base(const struct log *log, int64_t offset)
{
    int32_t place = log_segment_at(log, offset);
    return log->segments[place < 0 ? 0 : place].base_offset;
}
uint32_t log_generation(const struct log *log)
{
    return log->generation;
}
bool log_names_are_durable(const struct log *log)
{
    return !log->directory_new && log->names_synced == log->names_made;
}
struct flusher *log_flusher(const struct log *log)
{
    return log->flusher;
}
const char *log_path(const struct log *log)
{
    return log->path;
}
const char *log_topic(const struct log *log)
{
    return log->topic;
}
int32_t log_partition(const struct log *log)
{
    return log->partition;
}
struct uuid log_topic_id(const struct log *log)
{
    return log->topic_id;
}
int64_t log_high_watermark(const struct log *log)
{
    return log->high_watermark;
}
struct producers *log_producers(struct log *log)
{
    return &log->producers;
}
const struct epochs *log_epochs(struct log *log)
{
    return log->epochs_checked || log_check_epochs(log) == 0 ? &log->epochs : NULL;
}

int64_t log_staged_end(const struct log *log)
{
    return log->staging == NULL ? log->tail.end_offset : log->staging->tail.end_offset;
}

int64_t log_size(struct log *log)
{
    if (log->sealed_size < 0) {
        int64_t total = 0;
        bool is_known = true;
        for (int32_t i = 0; i < log->segment_count - 1; i++) {
            int64_t size = segment_size(&log->segments[i], log->io, log->path);
            total += size < 0 ? 0 : size;
            is_known = is_known && size >= 0;
        }
        if (!is_known)
            return total + log->tail.size;
        log->sealed_size = total;
    }
    return log->sealed_size + log->tail.size;
}

void log_set_high_watermark(struct log *log, int64_t high_watermark)
{
    if (log->high_watermark == high_watermark)
        return;
    log->high_watermark = high_watermark;
    flush_note_dirty(log);
}

int64_t log_last_stable_offset(const struct log *log)
{
    int64_t first_open = producers_first_open(&log->producers);
    if (first_open < 0 || first_open >= log->high_watermark)
        return log->high_watermark;
    return first_open < log->start ? log->start : first_open;
}
