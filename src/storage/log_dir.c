/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/log_dir.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/broken.h"
#include "base/container.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "io/file.h"
#include "io/io.h"
#include "io/loop.h"
#include "storage/checkpoint_file.h"
#include "storage/flusher.h"
#include "storage/log_dir_mail.h"
#include "storage/log_state.h"
#include "storage/places.h"
#include "storage/segment.h"
#include "storage/work.h"

#define CLEAN_FILE ".kafka_cleanshutdown"
#define LOCK_FILE ".lock"

enum { SMALL_FILE = 1 << 16, RETRY_MS = 1000 };

/* How far the lines of deleted logs are on their way out of the checkpoint files. */
enum forgetting { FORGETTING_NOTHING, FORGETTING_BEGUN, FORGETTING_SENT, FORGETTING_WRITING };

/* The newest offsets that a flusher sent. */
struct flusher_state {
    const struct flusher *flusher; /* NULL: nobody's, of what was gone at the start */
    struct checkpoint_mail *mail; /* NULL: none yet */
    enum forgetting forgetting;
    struct checkpoint_kept *asked, *writing; /* to be answered: not begun, and when the write is over */
    struct flusher_state *next;
};

struct log_dir {
    struct loop *loop;
    struct io *io;
    char *path;
    struct log_dir_settings settings;
    struct log_dir_identity identity;
    struct file *lock;
    bool was_clean;
    int64_t broker_epoch;
    struct places places;
    struct flusher_state *states;
    struct work work; /* writes the checkpoint files */
    bool writing, write_again;
    struct timer retry; /* of a write that found the disk full, while lines of deleted logs are in the files */
    bool is_stale[CHECKPOINT_KIND_COUNT]; /* the file lacks what flushers sent */
    bool names_gone; /* a file speaks of partitions that are not here */
    uint32_t written_crc[CHECKPOINT_KIND_COUNT], writing_crc[CHECKPOINT_KIND_COUNT];
    struct task *failure_task, *forgotten_task;
    int failure;
};

void log_dir_settings_defaults(struct log_dir_settings *settings)
{
    *settings = (struct log_dir_settings){ .checkpoint_ms = 1000,
        .checkpoint_bytes = 64 << 20,
        .dirty_bytes = 256 << 20,
        .cache_bytes = 64 << 20,
        .retention_first_ms = 30 * 1000,
        .retention_check_ms = 5 * 60 * 1000,
        .rest_ms = 10 * 1000 };
}

/* ---- Writing the checkpoint files. ---- */

static void build_file(struct log_dir *dir, enum checkpoint_kind kind)
{
    struct checkpoint_text text = { 0 };
    struct flusher_state *state;
    char path[SEGMENT_PATH_SIZE];
    size_t size;
    LL_FOREACH(dir->states, state)
    if (state->mail != NULL)
        checkpoint_text_join(&text, &state->mail->texts[kind]);
    places_add_unclaimed(&dir->places, kind, &text);
    uint8_t *data = checkpoint_file_print(&text, &size);
    checkpoint_text_deinit(&text);
    dir->writing_crc[kind] = crc32c(0, data, size);
    if (dir->writing_crc[kind] == dir->written_crc[kind]) {
        memory_give(data);
        return;
    }
    path_in(path, dir->path, checkpoint_file_name[kind]);
    struct work_item *item = work_add(&dir->work, WORK_REPLACE);
    item->path = memory_copy_text(path);
    item->data = data;
    item->size = size;
}

static void build_clean_file(struct log_dir *dir, int64_t broker_epoch)
{
    char path[SEGMENT_PATH_SIZE], text[64];
    int size = snprintf(
        text, sizeof(text), "{\"version\":0,\"brokerEpoch\":%lld}", (long long)broker_epoch);
    path_in(path, dir->path, CLEAN_FILE);
    struct work_item *item = work_add(&dir->work, WORK_REPLACE);
    item->path = memory_copy_text(path);
    item->data = (uint8_t *)memory_copy_text(text);
    item->size = (size_t)size;
}

static void build_files(struct log_dir *dir)
{
    work_reset(&dir->work);
    memcpy(dir->writing_crc, dir->written_crc, sizeof(dir->writing_crc));
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT; kind++) {
        if (dir->is_stale[kind])
            build_file(dir, (enum checkpoint_kind)kind);
        dir->is_stale[kind] = false;
    }
}

static void note_all_stale(struct log_dir *dir)
{
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT; kind++)
        dir->is_stale[kind] = true;
}

static void note_what_is_written(struct log_dir *dir)
{
    struct flusher_state *state;
    LL_FOREACH(dir->states, state)
    {
        if (state->forgetting == FORGETTING_SENT)
            state->forgetting = FORGETTING_WRITING;
        state->writing = state->asked;
        state->asked = NULL;
    }
}

static void tell_what_was_written(struct log_dir *dir, int status)
{
    struct flusher_state *state;
    LL_FOREACH(dir->states, state)
    {
        if (state->forgetting == FORGETTING_WRITING && status < 0 && dir->failure == 0) {
            state->forgetting = FORGETTING_SENT;
            timer_set_in(dir->loop, &dir->retry, RETRY_MS);
        } else if (state->forgetting == FORGETTING_WRITING) {
            state->forgetting = FORGETTING_NOTHING;
            if (dir->forgotten_task != NULL)
                loop_enqueue(dir->loop, dir->forgotten_task);
        }
        while (state->writing != NULL) {
            struct checkpoint_kept *kept = state->writing;
            LL_DELETE(state->writing, kept);
            kept->status = status;
            mail_send(dir->loop, flusher_loop(state->flusher), &kept->mail);
        }
    }
}

static void write_files(struct log_dir *dir)
{
    if (dir->writing) {
        dir->write_again = true;
        return;
    }
    dir->write_again = false;
    note_what_is_written(dir);
    if (dir->failure == 0)
        build_files(dir);
    if (dir->failure != 0 || dir->work.count == 0) {
        tell_what_was_written(dir, dir->failure);
        return;
    }
    dir->writing = true;
    work_submit(&dir->work);
}

static void files_are_written(struct work *work)
{
    struct log_dir *dir = container_of(work, struct log_dir, work);
    dir->writing = false;
    if (work->status == -EIO)
        log_dir_fail(dir, work->status);
    if (work->status == 0)
        memcpy(dir->written_crc, dir->writing_crc, sizeof(dir->written_crc));
    else
        note_all_stale(dir);
    tell_what_was_written(dir, work->status);
    if (dir->write_again)
        write_files(dir);
}

static void write_once_more(struct timer *timer)
{
    write_files(container_of(timer, struct log_dir, retry));
}

static struct flusher_state *state_of(struct log_dir *dir, const struct flusher *flusher)
{
    struct flusher_state *state;
    LL_FOREACH(dir->states, state)
    if (state->flusher == flusher)
        return state;
    state = memory_take(sizeof(*state));
    state->flusher = flusher;
    LL_APPEND(dir->states, state);
    return state;
}

static void mail_destroy(struct checkpoint_mail *mail)
{
    if (mail == NULL)
        return;
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT; kind++)
        checkpoint_text_deinit(&mail->texts[kind]);
    memory_give(mail->claimed);
    memory_give(mail);
}

static void take_all(
    struct log_dir *dir, struct flusher_state *state, struct checkpoint_mail *checkpoint)
{
    mail_destroy(state->mail);
    state->mail = checkpoint;
    if (state->forgetting == FORGETTING_BEGUN && !checkpoint->outlives_a_log)
        state->forgetting = FORGETTING_SENT;
    note_all_stale(dir);
}

static void take_starts(
    struct log_dir *dir, struct flusher_state *state, struct checkpoint_mail *checkpoint)
{
    assert(state->mail != NULL); /* all comes first */
    struct checkpoint_text before = state->mail->texts[CHECKPOINT_START];
    state->mail->texts[CHECKPOINT_START] = checkpoint->texts[CHECKPOINT_START];
    checkpoint->texts[CHECKPOINT_START] = before;
    dir->is_stale[CHECKPOINT_START] = true;
    mail_destroy(checkpoint);
}

static void take_checkpoint(struct mail *mail)
{
    struct checkpoint_mail *checkpoint = container_of(mail, struct checkpoint_mail, mail);
    struct log_dir *dir = checkpoint->dir;
    struct flusher_state *state = state_of(dir, checkpoint->from);
    for (int32_t i = 0; i < checkpoint->claimed_count; i++)
        places_claim(&dir->places, checkpoint->claimed[i]);
    if (checkpoint->kept != NULL)
        LL_PREPEND(state->asked, checkpoint->kept);
    if (checkpoint->starts_only)
        take_starts(dir, state, checkpoint);
    else
        take_all(dir, state, checkpoint);
    write_files(dir);
}

void log_dir_mail_checkpoint(struct checkpoint_mail *mail, struct loop *from_loop)
{
    mail->mail.deliver = take_checkpoint;
    mail_send(from_loop, mail->dir->loop, &mail->mail);
}

/* ---- Deletions. ---- */

struct deletion_mail {
    struct mail mail;
    struct log_dir *dir;
    const struct flusher *from;
};

static void take_deletion(struct mail *mail)
{
    struct deletion_mail *deletion = container_of(mail, struct deletion_mail, mail);
    state_of(deletion->dir, deletion->from)->forgetting = FORGETTING_BEGUN;
    memory_give(deletion);
}

void log_dir_mail_deletion(struct log_dir *dir, const struct flusher *flusher, struct loop *from_loop)
{
    struct deletion_mail *deletion = memory_take(sizeof(*deletion));
    *deletion =
        (struct deletion_mail){ .mail.deliver = take_deletion, .dir = dir, .from = flusher };
    mail_send(from_loop, dir->loop, &deletion->mail);
}

bool log_dir_is_forgetting(const struct log_dir *dir)
{
    const struct flusher_state *state;
    LL_FOREACH(dir->states, state)
    if (state->forgetting != FORGETTING_NOTHING)
        return dir->failure == 0;
    return false;
}

void log_dir_set_forgotten_task(struct log_dir *dir, struct task *task)
{
    dir->forgotten_task = task;
}

/* ---- Failure. ---- */

struct failure_mail {
    struct mail mail;
    struct log_dir *dir;
    int status;
};

static void take_failure(struct mail *mail)
{
    struct failure_mail *failure = container_of(mail, struct failure_mail, mail);
    log_dir_fail(failure->dir, failure->status);
    memory_give(failure);
}

void log_dir_mail_failure(struct log_dir *dir, struct loop *from_loop, int status)
{
    struct failure_mail *failure = memory_take(sizeof(*failure));
    *failure = (struct failure_mail){ .mail.deliver = take_failure, .dir = dir, .status = status };
    mail_send(from_loop, dir->loop, &failure->mail);
}

void log_dir_fail(struct log_dir *dir, int status)
{
    assert(status < 0);
    if (dir->failure != 0)
        return;
    dir->failure = status;
    timer_cancel(dir->loop, &dir->retry);
    if (dir->failure_task != NULL)
        loop_enqueue(dir->loop, dir->failure_task);
    if (dir->forgotten_task != NULL)
        loop_enqueue(dir->loop, dir->forgotten_task);
}

void log_dir_set_failure_task(struct log_dir *dir, struct task *task)
{
    dir->failure_task = task;
}
int log_dir_failure(const struct log_dir *dir)
{
    return dir->failure;
}

static void release(struct log_dir *dir, bool clean)
{
    char path[SEGMENT_PATH_SIZE];
    timer_cancel(dir->loop, &dir->retry);
    if (dir->lock != NULL) {
        path_in(path, dir->path, LOCK_FILE);
        if (clean)
            (void)file_unlink(
                dir->io, path); /* as Kafka does; the lock itself goes with the descriptor */
        file_unref(dir->lock);
    }
    while (dir->states != NULL) {
        struct flusher_state *state = dir->states;
        LL_DELETE(dir->states, state);
        mail_destroy(state->mail);
        memory_give(state);
    }
    places_deinit(&dir->places);
    work_deinit(&dir->work);
    memory_give(dir->path);
    memory_give(dir);
}

/* ---- Opening. ---- */

static void visit_offset(void *context, struct str topic, int32_t partition, int64_t offset)
{
    struct places_reader *reader = context;
    places_set_offset(reader, topic, partition, offset);
}

/* What holds without the file. */
static const char *const checkpoint_loss[CHECKPOINT_KIND_COUNT] = {
    "every log is read from its first segment after an unclean stop",
    "high watermarks begin at what is durable",
    "logs begin at their first segment: what DeleteRecords took away may be seen again",
    "compacted logs are cleaned from their start",
};

static int find_log_file(void *context, const char *name)
{
    (void)context;
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".log") == 0 ? -EEXIST : 0;
}

/* False for a directory that was only formatted. */
static bool holds_logs(const struct log_dir *dir)
{
    for (int32_t i = 0; i < dir->places.count; i++)
        if (directory_list(dir->io, dir->places.items[i].path, find_log_file, NULL) != 0)
            return true;
    return false;
}

/* Recovery points are there before the first log is: so a directory of logs without the file has
 * lost it. */
static int miss_checkpoint(
    struct log_dir *dir, enum checkpoint_kind kind, const char *path, bool *out_lost)
{
    static const char none[] = "0\n0\n";
    *out_lost = kind == CHECKPOINT_RECOVERY && holds_logs(dir);
    if (kind != CHECKPOINT_RECOVERY || *out_lost)
        return 0;
    return file_replace(dir->io, path, none, sizeof(none) - 1);
}

static int load_checkpoint(struct log_dir *dir, enum checkpoint_kind kind, const char *path)
{
    char *text;
    size_t size;
    bool lost = false;
    struct places_reader reader = { .places = &dir->places, .kind = kind };
    int status = file_load(dir->io, path, 1 << 30, &text, &size);
    bool missing = status == -ENOENT;
    if (missing) {
        status = miss_checkpoint(dir, kind, path, &lost);
    } else if (status == 0) {
        bool is_new = kind == CHECKPOINT_CLEANER && size == 0; /* Kafka makes it empty */
        lost = !is_new &&
               !checkpoint_file_read((struct str){ text, (int32_t)size }, visit_offset, &reader);
        if (!lost)
            dir->written_crc[kind] = crc32c(0, text, size);
        dir->names_gone |= reader.met_unknown;
        memory_give(text);
    }
    if (status < 0 || !lost)
        return status;
    places_forget_offsets(&reader);
    report_warn("checkpoint_lost", "file=%s reason=\"%s\" consequence=\"%s\"", path,
        missing     ? "it is missing"
        : size == 0 ? "it is empty"
                    : "it is not a checkpoint file, or only a part of one",
        checkpoint_loss[kind]);
    return 0;
}

static int load_checkpoints(struct log_dir *dir, char *reason, int reason_size)
{
    char path[SEGMENT_PATH_SIZE];
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT; kind++) {
        path_in(path, dir->path, checkpoint_file_name[kind]);
        int status = load_checkpoint(dir, (enum checkpoint_kind)kind, path);
        if (status < 0) {
            snprintf(reason, (size_t)reason_size, "%s: %s", path, status_text(status));
            return status;
        }
    }
    return 0;
}

/* The file is gone, durably, before anything else happens: a crash from here on is not a clean
 * stop. */
static int take_clean_file(struct log_dir *dir)
{
    char path[SEGMENT_PATH_SIZE], *text;
    size_t size;
    path_in(path, dir->path, CLEAN_FILE);
    int status = file_load(dir->io, path, SMALL_FILE, &text, &size);
    if (status == -ENOENT)
        return 0;
    if (status < 0)
        return status;
    const char *epoch = strstr(text, "\"brokerEpoch\":");
    if (epoch != NULL) {
        epoch += strlen("\"brokerEpoch\":");
        struct str number = { epoch, (int32_t)strspn(epoch, "-0123456789") };
        if (!str_to_int64(number, &dir->broker_epoch))
            dir->broker_epoch = -1;
    }
    memory_give(text);
    dir->was_clean = true;
    status = broken(clean_file_left) ? 0 : file_unlink(dir->io, path);
    return status < 0 || broken(clean_file_sync) ? status : directory_sync(dir->io, dir->path);
}

static int open_steps(struct log_dir *dir, char *reason, int reason_size)
{
    char path[SEGMENT_PATH_SIZE];
    const char *at = dir->path;
    int status = log_dir_identify(dir->io, dir->path, &dir->identity, reason, reason_size);
    if (status < 0)
        return status;
    path_in(path, dir->path, LOCK_FILE);
    status = file_lock(dir->io, path, &dir->lock);
    if (status < 0) {
        snprintf(reason, (size_t)reason_size, "%s: %s", path,
            status == -EWOULDBLOCK
                ? "another process uses this directory; end it, or name another in log.dirs"
                : status_text(status));
        return status;
    }
    status = take_clean_file(dir);
    if (status == 0)
        status = places_find(&dir->places, dir->io, dir->path, dir->was_clean, &at);
    if (status == 0 && !dir->was_clean && !broken(open_sync) &&
        holds_logs(dir)) /* what a killed process left is read as durable from here on */
        status = file_sync_all(dir->lock);
    if (status < 0) {
        snprintf(reason, (size_t)reason_size, "%s: %s", at, status_text(status));
        return status;
    }
    return load_checkpoints(dir, reason, reason_size);
}

static struct log_dir *create(
    struct loop *owner, const char *path, const struct log_dir_settings *settings)
{
    struct log_dir *dir = memory_take(sizeof(*dir));
    dir->loop = owner;
    dir->io = loop_io(owner);
    dir->path = memory_copy_text(path);
    dir->settings = *settings;
    dir->broker_epoch = -1;
    dir->retry.run = write_once_more;
    work_init(&dir->work, dir->io, owner, files_are_written);
    return dir;
}

int log_dir_open(struct loop *owner, const char *path, const struct log_dir_settings *settings,
    struct log_dir **out_dir, char *reason, int reason_size)
{
    struct log_dir *dir = create(owner, path, settings);
    int status = open_steps(dir, reason, reason_size);
    if (status < 0) {
        release(dir, false);
        return status;
    }
    *out_dir = dir;
    return 0;
}

bool log_dir_is_offline(int status)
{
    switch (-status) {
    case EIO:
    case EACCES:
    case EPERM:
    case EROFS:
    case ENODEV:
    case ENXIO: return true;
    default: return false;
    }
}

struct log_dir *log_dir_open_offline(
    struct loop *owner, const char *path, const struct log_dir_settings *settings, int status)
{
    struct log_dir *dir = create(owner, path, settings);
    log_dir_fail(dir, status);
    return dir;
}

/* ---- Closing. ---- */

int log_dir_close(struct log_dir *dir, int64_t broker_epoch)
{
    assert(!dir->writing); /* the owner's loop has ended, and none ends while a job of its runs */
    int status = broken(failure_is_clean) ? 0 : dir->failure;
    if (status == 0) {
        note_all_stale(dir);
        build_files(dir);
        if (places_are_settled(&dir->places)) {
            /* The next start believes the indexes of active segments, which no checkpoint syncs. */
            if (!broken(active_indexes_left))
                work_add(&dir->work, WORK_SYNC_ALL)->file = file_ref(dir->lock);
            build_clean_file(dir, broker_epoch);
        }
        status = work_run(&dir->work);
    }
    release(dir, status == 0);
    return status;
}

const char *log_dir_path(const struct log_dir *dir)
{
    return dir->path;
}
const struct log_dir_identity *log_dir_identity(const struct log_dir *dir)
{
    return &dir->identity;
}
int log_dir_adopt_id(struct log_dir *dir, struct uuid directory_id)
{
    assert(uuid_is_zero(dir->identity.directory_id));
    dir->identity.directory_id = directory_id;
    return log_dir_write_identity(dir->io, dir->path, &dir->identity);
}
const struct log_dir_settings *log_dir_settings(const struct log_dir *dir)
{
    return &dir->settings;
}
bool log_dir_was_clean(const struct log_dir *dir)
{
    return dir->was_clean;
}
int64_t log_dir_broker_epoch(const struct log_dir *dir)
{
    return dir->broker_epoch;
}

/* As any that meets an I/O error, it is retired then. */
static int noted(struct log_dir *dir, int status)
{
    if (status == -EIO)
        log_dir_fail(dir, status);
    return status;
}

int log_dir_open_lock(struct log_dir *dir, struct file **out_file)
{
    char path[SEGMENT_PATH_SIZE];
    path_in(path, dir->path, LOCK_FILE);
    int status = file_open(dir->io, path, FILE_READ, out_file);
    if (status < 0)
        log_dir_fail(dir, status);
    return status;
}

int log_dir_set_aside(struct log_dir *dir, int32_t place_index, char **out_path)
{
    const struct log_place *place = log_dir_place(dir, place_index);
    *out_path = log_parting_path(dir->io, place->path, place->topic, place->partition, "stray");
    int status = file_rename(dir->io, place->path, *out_path);
    if (status < 0)
        return noted(dir, status);
    places_set_aside(&dir->places, place_index);
    dir->names_gone = true;
    return noted(dir, directory_sync(dir->io, dir->path));
}

int log_dir_finish_move(struct log_dir *dir, int32_t place_index)
{
    const struct log_place *place = log_dir_place(dir, place_index);
    char *path = log_final_path(place->path, place->topic, place->partition);
    int status = file_rename(dir->io, place->path, path);
    if (status < 0) {
        memory_give(path);
        return noted(dir, status);
    }
    places_finish_move(&dir->places, place, path);
    return noted(dir, directory_sync(dir->io, dir->path));
}

void log_dir_forget_gone(struct log_dir *dir)
{
    if (!dir->names_gone || dir->failure != 0)
        return;
    dir->names_gone = false;
    note_all_stale(dir);
    state_of(dir, NULL)->forgetting = FORGETTING_SENT; /* as for a deletion of this life: the write may come later, or fail */
    if (dir->writing) { /* at the metadata log's checkpoint */
        dir->write_again = true;
        return;
    }
    note_what_is_written(dir);
    build_files(dir);
    work_run(&dir->work);
    files_are_written(&dir->work);
}

int32_t log_dir_place_count(const struct log_dir *dir)
{
    return dir->places.count;
}

const struct log_place *log_dir_place(const struct log_dir *dir, int32_t place_index)
{
    assert(place_index >= 0 && place_index < dir->places.count);
    return &dir->places.items[place_index];
}

const struct log_place *log_dir_find(
    const struct log_dir *dir, const char *topic, int32_t partition)
{
    return places_lookup(&dir->places, str_from(topic), partition, false);
}

const struct log_place *log_dir_find_future(
    const struct log_dir *dir, const char *topic, int32_t partition)
{
    return places_lookup(&dir->places, str_from(topic), partition, true);
}
