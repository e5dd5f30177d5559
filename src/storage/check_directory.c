/* SPDX-License-Identifier: Apache-2.0 */
/* A log directory: its lock, its identity, its checkpoint files, and which directories in it are
 * partitions. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "io/file.h"
#include "storage/check_parts.h"
#include "storage/checkpoint_file.h"
#include "storage/log_dir.h"
#include "storage/places.h"

#define METADATA "__cluster_metadata-0"

enum { FILE_LIMIT = 1 << 30, REASON_SIZE = 512 };

/* The files that say offsets of partitions, and the field of struct check_place where each is
 * noted. */
static const struct offset_file {
    enum checkpoint_kind kind;
    size_t field;
    const char *follows;
} offset_files[] = {
    { CHECKPOINT_RECOVERY, offsetof(struct check_place, recovery_point),
        "after an unclean stop every log is read from its first segment; nothing is lost" },
    { CHECKPOINT_HIGH_WATERMARK, offsetof(struct check_place, high_watermark),
        "high watermarks begin at what is durable" },
    { CHECKPOINT_START, offsetof(struct check_place, log_start),
        "logs begin at their first segment: records that were deleted may be seen again" },
    { CHECKPOINT_CLEANER, offsetof(struct check_place, cleaned),
        "logs are compacted from their start again" },
};
enum { OFFSET_FILES = sizeof(offset_files) / sizeof(offset_files[0]) };

struct entry {
    char *name; /* of a directory in the log directory; owned */
    enum place_kind kind;
    struct check_place place;
};

struct directory_check {
    struct check *check;
    const char *path;
    struct file *lock;     /* NULL: nobody made one */
    struct entry *entries; /* by name; owned */
    int32_t count, capacity;
    const struct offset_file *reading;
};

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int visit_name(void *context, const char *name)
{
    struct directory_check *directory = context;
    struct str topic;
    int32_t partition;
    enum place_kind kind = place_kind(str_from(name), &topic, &partition);
    if (kind == PLACE_OTHER)
        return 0;
    if (directory->count == directory->capacity) {
        directory->capacity = directory->capacity == 0 ? 16 : directory->capacity * 2;
        directory->entries = memory_resize(
            directory->entries, (size_t)directory->capacity * sizeof(*directory->entries));
    }
    directory->entries[directory->count++] =
        (struct entry){ memory_copy_text(name), kind, { 0, -1, -1, -1, false } };
    return 0;
}

static struct entry *find_entry(const struct directory_check *directory, char *name)
{
    struct entry key = { .name = name };
    return directory->count == 0 ? NULL
                                 : bsearch(&key, directory->entries, (size_t)directory->count,
                                       sizeof(*directory->entries), compare_entries);
}

/* The partition that a checkpoint file names: one that is being moved here has its lines already.
 */
static struct entry *find_named(const struct directory_check *directory, char *name)
{
    struct entry *entry = find_entry(directory, name);
    size_t size = strlen(name);
    for (int32_t i = 0; i < directory->count && entry == NULL; i++) {
        struct entry *moved = &directory->entries[i];
        if (moved->kind == PLACE_FUTURE && strncmp(moved->name, name, size) == 0 &&
            moved->name[size] == '.')
            entry = moved;
    }
    return entry;
}

static void note_absent(struct directory_check *directory, const char *name)
{
    char path[SEGMENT_PATH_SIZE];
    path_in(path, directory->path, checkpoint_file_name[directory->reading->kind]);
    check_say(directory->check,
        &(struct finding){
            FINDING_NOTE, path, -1, .follows = "the line goes when the file is written anew" },
        "it names partition %s, which is not here", name);
}

static void note_offset(void *context, struct str topic, int32_t partition, int64_t offset)
{
    struct directory_check *directory = context;
    char name[SEGMENT_PATH_SIZE];
    snprintf(name, sizeof(name), "%.*s-%d", STR_PRINT(topic), partition);
    struct entry *entry = find_named(directory, name);
    if (entry != NULL)
        *(int64_t *)((char *)&entry->place + directory->reading->field) = offset;
    else
        note_absent(directory, name);
}

/* Until then 0: of a partition that a whole file does not name, nothing is known to be durable. */
static void forget_recovery_points(struct directory_check *directory)
{
    for (int32_t i = 0; i < directory->count; i++)
        directory->entries[i].place.recovery_point = -1;
}

static int find_log_file(void *context, const char *name)
{
    size_t size = strlen(name);
    *(bool *)context |= size > 4 && strcmp(name + size - 4, ".log") == 0;
    return 0;
}

/* False for a directory that was only formatted. */
static bool holds_logs(const struct directory_check *directory)
{
    char path[SEGMENT_PATH_SIZE];
    bool found = false;
    for (int32_t i = 0; i < directory->count && !found; i++) {
        path_in(path, directory->path, directory->entries[i].name);
        (void)directory_list(directory->check->io, path, find_log_file, &found);
    }
    return found;
}

static int load_offsets(struct directory_check *directory, const struct offset_file *file)
{
    char path[SEGMENT_PATH_SIZE], *text;
    size_t size;
    path_in(path, directory->path, checkpoint_file_name[file->kind]);
    directory->reading = file;
    int status = file_load(directory->check->io, path, FILE_LIMIT, &text, &size);
    if (status == -ENOENT && (file->kind != CHECKPOINT_RECOVERY || !holds_logs(directory)))
        return 0;
    if (status < 0 && status != -ENOENT)
        return status;
    const char *fault =
        status == -ENOENT ? "it is missing"
        : size == 0       ? "it is empty"
        : !checkpoint_file_read((struct str){ text, (int32_t)size }, note_offset, directory)
            ? "it is not a checkpoint file, or only a part of one"
            : NULL;
    if (status == 0)
        memory_give(text);
    if (fault != NULL && file->kind == CHECKPOINT_RECOVERY)
        forget_recovery_points(directory);
    if (fault != NULL)
        check_say(directory->check,
            &(struct finding){ FINDING_DAMAGE, path, -1, .follows = file->follows }, "%s", fault);
    return 0;
}

/* Everything but the partitions themselves. */
static int load(struct directory_check *directory)
{
    char path[SEGMENT_PATH_SIZE];
    struct io *io = directory->check->io;
    int64_t size;
    path_in(path, directory->path, ".lock");
    int status = file_lock_shared(io, path, &directory->lock);
    if (status < 0 && status != -ENOENT)
        return status;
    status = directory_list(io, directory->path, visit_name, directory);
    if (directory->count > 0)
        qsort(directory->entries, (size_t)directory->count, sizeof(*directory->entries),
            compare_entries);
    for (size_t i = 0; i < OFFSET_FILES && status == 0; i++)
        status = load_offsets(directory, &offset_files[i]);
    path_in(path, directory->path, ".kafka_cleanshutdown");
    bool clean = file_stat(io, path, &size) == 0;
    for (int32_t i = 0; i < directory->count; i++)
        directory->entries[i].place.clean = clean && directory->entries[i].kind == PLACE_LOG;
    return status;
}

static void release(struct directory_check *directory)
{
    for (int32_t i = 0; i < directory->count; i++)
        memory_give(directory->entries[i].name);
    memory_give(directory->entries);
    file_unref(directory->lock);
}

static void check_identity(struct directory_check *directory)
{
    struct log_dir_identity identity;
    char path[SEGMENT_PATH_SIZE], reason[REASON_SIZE];
    int status =
        log_dir_identify(directory->check->io, directory->path, &identity, reason, sizeof(reason));
    if (status == 0)
        return;
    path_in(path, directory->path, "meta.properties");
    size_t path_size = strlen(path); /* the reason begins with it */
    check_say(directory->check,
        &(struct finding){ FINDING_DAMAGE, path, -1, .follows = "no node starts on this directory",
            .remedy = "restore it" },
        "%s", strncmp(reason, path, path_size) == 0 ? reason + path_size + 2 : reason);
}

static const char *const kind_note[] = {
    [PLACE_DELETED] = "a partition that was deleted",
    [PLACE_FUTURE] = "a partition that is being moved here from another directory",
    [PLACE_STRAY] =
        "a partition that was set aside, since the metadata does not give it to this node",
};
static const char *const kind_follows[] = {
    [PLACE_DELETED] = "the next start removes it",
    [PLACE_FUTURE] = "the move goes on after the next start",
    [PLACE_STRAY] = "it is kept; nothing reads it, and it may be removed",
};

static int check_entry(struct directory_check *directory, const struct entry *entry)
{
    char path[SEGMENT_PATH_SIZE];
    path_in(path, directory->path, entry->name);
    if (entry->kind != PLACE_LOG)
        check_say(directory->check,
            &(struct finding){ FINDING_NOTE, path, -1, .follows = kind_follows[entry->kind] }, "%s",
            kind_note[entry->kind]);
    if (entry->kind == PLACE_DELETED)
        return 0;
    return check_log(directory->check, path, &entry->place, strcmp(entry->name, METADATA) == 0);
}

int check_log_dir(struct check *check, const char *path)
{
    struct directory_check directory = { .check = check, .path = path };
    int status = load(&directory);
    if (status == 0)
        check_identity(&directory);
    check->log_total += directory.count;
    for (int32_t i = 0; i < directory.count && status == 0; i++)
        status = check_entry(&directory, &directory.entries[i]);
    release(&directory);
    return status;
}

int check_partition(struct check *check, const char *path)
{
    char parent[SEGMENT_PATH_SIZE], meta[SEGMENT_PATH_SIZE];
    struct directory_check directory = { .check = check, .path = parent };
    struct check_place place = { -1, -1, -1, -1, false };
    int64_t size;
    int length = (int)strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    int end = length;
    while (length > 0 && path[length - 1] != '/')
        length--;
    char *name = memory_take((size_t)(end - length) + 1);
    memcpy(name, path + length, (size_t)(end - length));
    snprintf(parent, sizeof(parent), "%.*s", length > 0 ? length : 1, length > 0 ? path : ".");
    path_in(meta, parent, "meta.properties");
    int status = 0;
    if (file_stat(check->io, meta, &size) == 0) {
        status = load(&directory);
        const struct entry *entry = find_entry(&directory, name);
        if (entry != NULL)
            place = entry->place;
    }
    check->log_total++;
    if (status == 0)
        status = check_log(check, path, &place, strcmp(name, METADATA) == 0);
    memory_give(name);
    release(&directory);
    return status;
}
