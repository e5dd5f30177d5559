/* SPDX-License-Identifier: Apache-2.0 */
/* One partition's directory: what files are there, the walk along its segments, and its end against
 * what the log directory's files say of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "io/file.h"
#include "storage/check_parts.h"

enum { OFFSET_DIGITS = 20, TEXT_SIZE = 512 };

void check_say(struct check *check, const struct finding *finding, const char *format, ...)
{
    char text[TEXT_SIZE];
    struct finding whole = *finding;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    whole.what = text;
    check->found(check, &whole);
}

/* ---- The files. ---- */

/* What a stop or a crash may leave of work that was not over. */
static const struct leftover {
    const char *suffix, *what, *follows;
} leftovers[] = {
    { ".deleted", "a file that was to be deleted", "the next start removes it" },
    { ".cleaned", "a segment that a cleaner had begun to write", "the next start removes it" },
    { ".swap", "a cleaned segment that was about to take its place",
        "the next start puts it in its place, or takes it away" },
    { ".part", "a metadata snapshot that was not finished", "the next start removes it" },
    { ".tmp", "a small file that was being replaced; the one without .tmp holds",
        "the next replacement writes it anew" },
};

static bool ends_with(const char *name, const char *suffix)
{
    size_t size = strlen(name), suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

static int note_leftover(struct log_check *log, const char *name)
{
    char path[SEGMENT_PATH_SIZE];
    for (size_t i = 0; i < sizeof(leftovers) / sizeof(leftovers[0]); i++) {
        if (!ends_with(name, leftovers[i].suffix))
            continue;
        path_in(path, log->path, name);
        check_say(log->check,
            &(struct finding){ FINDING_NOTE, path, -1, .follows = leftovers[i].follows }, "%s",
            leftovers[i].what);
        log->is_unsettled |= strcmp(leftovers[i].suffix, ".swap") == 0;
        return 1;
    }
    return 0;
}

static void add_offset(int64_t **offsets, int32_t *count, int64_t offset)
{
    if ((*count & (*count - 1)) == 0) /* full at each power of two */
        *offsets =
            memory_resize(*offsets, (size_t)(*count == 0 ? 1 : *count * 2) * sizeof(**offsets));
    (*offsets)[(*count)++] = offset;
}

static int visit_name(void *context, const char *name)
{
    struct log_check *log = context;
    char path[SEGMENT_PATH_SIZE];
    int64_t offset;
    if (note_leftover(log, name) || strspn(name, "0123456789") != OFFSET_DIGITS ||
        !str_to_int64((struct str){ name, OFFSET_DIGITS }, &offset))
        return 0;
    const char *rest = name + OFFSET_DIGITS;
    if (strcmp(rest, ".log") == 0)
        add_offset(&log->bases, &log->base_count, offset);
    else if (strcmp(rest, ".snapshot") == 0)
        add_offset(&log->snapshots, &log->snapshot_count, offset);
    else if (ends_with(rest, ".checkpoint")) {
        if (offset > log->newest_checkpoint)
            log->newest_checkpoint = offset;
        path_in(path, log->path, name);
        return check_metadata_snapshot(log->check, path);
    }
    return 0;
}

static int compare_offsets(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int find_files(struct log_check *log)
{
    int status = directory_list(log->check->io, log->path, visit_name, log);
    if (log->base_count > 0)
        qsort(log->bases, (size_t)log->base_count, sizeof(int64_t), compare_offsets);
    if (log->snapshot_count > 0)
        qsort(log->snapshots, (size_t)log->snapshot_count, sizeof(int64_t), compare_offsets);
    return status;
}

/* ---- The end. ---- */

static void say_of_place(struct log_check *log, enum finding_kind kind, const char *name,
    int64_t said, const char *follows)
{
    check_say(log->check,
        &(struct finding){ kind, log->path, -1, .follows = follows,
            .remedy = kind == FINDING_NOTE
                          ? NULL
                          : "restore its files, or move the partition's directory aside and let "
                            "another replica fill it" },
        "the log ends at offset %" PRId64 ", below its %s of %" PRId64, log->end_offset, name,
        said);
}

/* A checkpoint file may be older than the log, but never ahead of what it speaks of. */
static void judge_place(struct log_check *log)
{
    const struct check_place *place = &log->place;
    if (log->has_hole)
        return; /* told; the end may be another one */
    if (place->recovery_point > log->end_offset)
        say_of_place(log, FINDING_DAMAGE, "recovery point", place->recovery_point,
            "batches that were durable are gone, and a node takes the partition offline");
    if (place->clean && place->recovery_point >= 0 && place->recovery_point < log->end_offset &&
        !log->is_metadata)
        check_say(log->check,
            &(struct finding){ FINDING_DAMAGE, log->path, -1,
                .follows = "the offsets behind are served, though nobody was promised them" },
            "the log ends at offset %" PRId64 ", and was stopped cleanly at %" PRId64,
            log->end_offset, place->recovery_point);
    if (place->log_start > log->end_offset)
        say_of_place(log, FINDING_DAMAGE, "start", place->log_start,
            "a node takes the partition offline; Kafka drops all its segments");
    if (place->high_watermark > log->end_offset)
        say_of_place(log, log->place.clean ? FINDING_DAMAGE : FINDING_NOTE, "high watermark",
            place->high_watermark, "the high watermark goes back to the end of the log");
    if (place->cleaned > log->end_offset && !ends_with(log->path, "-future")) /* there it is the current log's */
        say_of_place(log, FINDING_NOTE, "line in cleaner-offset-checkpoint", place->cleaned,
            "the cleaner begins anew at the log's start");
}

/* A metadata log that does not begin at 0 goes on where a snapshot ends. */
static void judge_metadata_start(struct log_check *log)
{
    int64_t base = log->base_count == 0 ? 0 : log->bases[0];
    if (base > 0 && log->newest_checkpoint < base)
        check_say(log->check,
            &(struct finding){ FINDING_DAMAGE, log->path, -1, .follows = "the node does not start",
                .remedy = "restore the snapshot" },
            "the metadata log begins at offset %" PRId64 ", and no snapshot holds what came before",
            base);
}

static void judge_no_segments(struct log_check *log)
{
    if (log->place.recovery_point <= 0)
        return; /* made, and nothing written yet */
    log->has_hole = true;
    check_say(log->check,
        &(struct finding){ FINDING_DAMAGE, log->path, -1,
            .follows = "a node takes the partition offline",
            .remedy = "restore its files, or move the directory aside" },
        "there is no segment, and the recovery point is %" PRId64, log->place.recovery_point);
}

static int walk(struct log_check *log)
{
    int status = check_topic_id(log);
    if (status == 0)
        status = check_epochs_load(log);
    if (log->base_count > 0)
        log->end_offset = log->bases[0];
    else
        judge_no_segments(log);
    for (int32_t i = 0; i < log->base_count && status == 0 && !log->is_torn; i++)
        status = check_segment(log, i);
    if (status == 0)
        status = check_producers_before(log, log->end_offset);
    return status;
}

int check_log(
    struct check *check, const char *path, const struct check_place *place, bool is_metadata)
{
    struct log_check log = { .check = check,
        .path = path,
        .place = *place,
        .is_metadata = is_metadata,
        .first_offset = -1,
        .newest_checkpoint = -1,
        .epoch = -1 };
    int status = find_files(&log);
    if (status == 0)
        status = walk(&log);
    if (status == 0) {
        judge_place(&log);
        if (is_metadata)
            judge_metadata_start(&log);
        check->log_count++;
        struct check_log_result result = { log.first_offset, log.end_offset, log.epoch };
        if (check->walked != NULL)
            check->walked(check, path, &result);
        if (check->progressed != NULL)
            check->progressed(check);
    }
    memory_give(log.bases);
    memory_give(log.snapshots);
    epochs_deinit(&log.epochs);
    producers_deinit(&log.producers);
    return status;
}
