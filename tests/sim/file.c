/* SPDX-License-Identifier: Apache-2.0 */
#include "io/file.h"

#include <errno.h>
#include <string.h>

#include "sim/disk.h"

enum { LONGEST_NAME = 255 };

static const int64_t disk_bytes = INT64_C(1) << 40;

struct file {
    struct file *prev, *next; /* of the io */
    int references;
    struct io *io;
    struct inode *inode;
    enum file_mode mode;
    bool shares_lock;
    int sync_failure;       /* 0, or what a sync answered, for good */
    int untold, untold_all; /* how a write-back failed, of its inode and of its file system, since it was opened or asked last */
    char *path;
};

struct place {
    struct inode *directory, *inode; /* inode NULL: nothing of that name */
    char name[LONGEST_NAME + 1];
};

static bool is_below(const char *path, const char *prefix) { return strncmp(path, prefix, strlen(prefix)) == 0; }

/* What is wrong with a call of the disk before it does anything: 0, or the error that it answers. */
static int meet_fault(struct io *io, const char *path, enum disk_call call)
{
    struct sim *sim = io->sim;
    struct disk_faults *faults = &io->machine->disk.faults;
    if (call != DISK_READ && faults->changes_left > 0 && --faults->changes_left == 0)
        faults->is_dead = true;
    if (call == DISK_NAME && faults->names_left > 0 && --faults->names_left == 0)
        faults->is_dead = true;
    if (faults->is_dead)
        return -EIO;
    if (faults->slow > 0 && prng_chance(&sim->disk, faults->slow))
        sim->held_us += draw_between(&sim->disk, 1, faults->slow_us);
    if ((call == DISK_SYNC || call == DISK_SYNC_NAMES) && faults->sync_us > 0)
        sim->held_us += draw_between(&sim->disk, 1, faults->sync_us);
    if (faults->fails[call] == 0 || !prng_chance(&sim->disk, faults->fails[call]) ||
        (faults->fails_below != NULL && !is_below(path, faults->fails_below)))
        return 0;
    faults->failures++;
    return faults->fails_with != 0 ? faults->fails_with : -EIO;
}

static int find(struct io *io, const char *path, struct place *place)
{
    *place = (struct place){ .inode = io->machine->disk.root };
    if (path[0] == '\0')
        return -ENOENT;
    while (*path != '\0') {
        size_t size = strcspn(path, "/");
        if (size > LONGEST_NAME)
            return -ENAMETOOLONG;
        if (size > 0 && !(size == 1 && path[0] == '.')) {
            if (place->inode == NULL)
                return -ENOENT;
            if (!place->inode->is_directory)
                return -ENOTDIR;
            place->directory = place->inode;
            place->inode = names_find(place->directory->names_seen, path, size);
            memcpy(place->name, path, size);
            place->name[size] = '\0';
        }
        path += size + (path[size] == '/');
    }
    return 0;
}

static int find_existing(struct io *io, const char *path, struct place *place)
{
    int status = find(io, path, place);
    return status < 0 ? status : place->inode == NULL ? -ENOENT : 0;
}

static int find_directory(struct io *io, const char *path, struct place *place)
{
    int status = find_existing(io, path, place);
    return status < 0 ? status : place->inode->is_directory ? 0 : -ENOTDIR;
}

static void make(struct io *io, struct place *place, bool is_directory)
{
    struct disk *disk = &io->machine->disk;
    place->inode = inode_create(disk, is_directory);
    disk_change_name(disk, place->inode, NULL, NULL, place->directory, place->name);
    inode_unref(disk, place->inode); /* its name holds it */
}

int file_open(struct io *io, const char *path, enum file_mode mode, struct file **out_file)
{
    struct place place;
    int status = find(io, path, &place);
    if (status < 0)
        return status;
    if (place.inode != NULL && mode == FILE_CREATE_NEW)
        return -EEXIST;
    if (place.inode != NULL && place.inode->is_directory && mode != FILE_READ)
        return -EISDIR;
    if (place.inode == NULL && (mode == FILE_READ || mode == FILE_WRITE))
        return -ENOENT;
    status = meet_fault(io, path, DISK_OPEN);
    if (status < 0)
        return status;
    if (place.inode == NULL && io->machine->disk.faults.is_full)
        return -ENOSPC;
    if (place.inode == NULL)
        make(io, &place, false);
    struct file *file = memory_take(sizeof(*file));
    *file = (struct file){ .references = 1, .io = io, .inode = place.inode, .mode = mode,
                           .path = memory_copy_text(path), .untold = place.inode->untold };
    inode_ref(place.inode);
    DL_APPEND(io->files, file);
    *out_file = file;
    return 0;
}

struct file *file_ref(struct file *file)
{
    assert(file->references > 0);
    file->references++;
    return file;
}

static void close_file(struct file *file)
{
    if (file->inode->lock_holder == file)
        file->inode->lock_holder = NULL;
    if (file->shares_lock)
        file->inode->shared_lock_count--;
    DL_DELETE(file->io->files, file);
    inode_unref(&file->io->machine->disk, file->inode);
    memory_give(file->path);
    memory_give(file);
}

void file_unref(struct file *file)
{
    if (file == NULL)
        return;
    assert(file->references > 0);
    if (--file->references == 0)
        close_file(file);
}

const char *files_first_path(const struct io *io) { return io->files == NULL ? NULL : io->files->path; }

void files_drop(struct io *io)
{
    while (io->files != NULL)
        close_file(io->files);
}

int64_t file_size(struct file *file) { return (int64_t)file->inode->seen.size; }

int64_t file_pread(struct file *file, void *data, size_t size, int64_t position)
{
    const struct image *image = &file->inode->seen;
    if (file->inode->is_directory)
        return -EISDIR;
    if (position < 0)
        return -EINVAL;
    int status = meet_fault(file->io, file->path, DISK_READ);
    if (status < 0)
        return status;
    if ((size_t)position >= image->size)
        return 0;
    if (size > image->size - (size_t)position)
        size = image->size - (size_t)position;
    if (position < file->inode->forgotten)
        file->inode->forgotten = 0; /* what was read is there again */
    if (!inode_is_readable(file->inode, (size_t)position, size)) {
        file->io->machine->disk.faults.failures++;
        return -EIO;
    }
    memcpy(data, image->data + position, size);
    return (int64_t)size;
}

static void trace_write(struct file *file, const void *data, size_t size, int64_t position)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *)data)[i]) * 1099511628211u;
    sim_mix(file->io->sim, hash ^ (uint64_t)position << 8 ^ file->inode->number);
}

/* How much of a write at position fits, when the disk is full. */
static int64_t take_room(struct file *file, int64_t position, int64_t size)
{
    struct disk_faults *faults = &file->io->machine->disk.faults;
    int64_t end = (int64_t)file->inode->seen.size;
    int64_t most = end > position ? end - position : 0; /* what is there already */
    int64_t grows = size > most ? size - most : 0;
    if (!faults->is_full)
        return size;
    grows = grows < faults->room_left ? grows : faults->room_left;
    faults->room_left -= grows;
    return size < most + grows ? size : most + grows;
}

int64_t file_pwritev(struct file *file, const struct iovec *vectors, int count, int64_t position)
{
    struct sim *sim = file->io->sim;
    const struct disk_faults *faults = &file->io->machine->disk.faults;
    int64_t done = 0;
    if (file->mode == FILE_READ)
        return -EBADF;
    if (position < 0)
        return -EINVAL;
    int status = meet_fault(file->io, file->path, DISK_WRITE);
    if (status < 0)
        return status;
    int64_t wanted = 0;
    for (int i = 0; i < count; i++)
        wanted += (int64_t)vectors[i].iov_len;
    int64_t left = take_room(file, position, wanted);
    if (left == 0 && wanted > 0)
        return -ENOSPC;
    bool is_short = prng_chance(&sim->disk, faults->short_write);
    for (int i = 0; i < count; i++) {
        size_t size = vectors[i].iov_len;
        if (is_short && i == count - 1 && (size > 1 || done > 0))
            size = size <= 1 ? size : 1 + (size_t)prng_below(&sim->disk, size - 1); /* never nothing at all */
        if ((int64_t)size > left - done)
            size = (size_t)(left - done);
        trace_write(file, vectors[i].iov_base, size, position + done);
        inode_write(file->inode, vectors[i].iov_base, size, (size_t)(position + done));
        done += (int64_t)size;
    }
    return done;
}

int file_write_all(struct file *file, const void *data, size_t size, int64_t position)
{
    struct iovec vector = { (void *)data, size };
    int64_t written = 0;
    for (size_t done = 0; done < size; done += (size_t)written) {
        vector = (struct iovec){ (uint8_t *)data + done, size - done };
        written = file_pwritev(file, &vector, 1, position + (int64_t)done);
        if (written < 0)
            return (int)written;
    }
    return 0;
}

/* ---- Syncs. What a write-back loses counts as clean, as on Linux: each file that was open before is told once, by its next sync, and
 * as long as nobody was told, also who opens the inode later. Of the file system only those are told that were open: more is not
 * promised. Each directory of the root is a file system of its own. ---- */

static void lose_inode(struct io *io, struct inode *inode, int status)
{
    struct file *file;
    inode_lose_changes(inode);
    inode->untold = status;
    DL_FOREACH(io->files, file)
        if (file->inode == inode)
            file->untold = status;
}

static void lose_below(struct io *io, struct inode *inode, int status)
{
    if (inode->changes != NULL)
        lose_inode(io, inode, status);
    for (struct name *name = inode->names_seen; name != NULL; name = name->hh.next)
        lose_below(io, name->inode, status);
}

static size_t file_system_size(const char *path) { return 1 + strcspn(path + 1, "/"); }

static void note_failed_write_back(const struct file *by, int status)
{
    struct file *file;
    size_t size = file_system_size(by->path);
    DL_FOREACH(by->io->files, file)
        if (file_system_size(file->path) == size && strncmp(file->path, by->path, size) == 0)
            file->untold_all = status;
}

static void lose_file_system(struct file *file, int status)
{
    const struct inode *root = file->io->machine->disk.root;
    struct inode *top = names_find(root->names_seen, file->path + 1, file_system_size(file->path) - 1);
    if (top != NULL)
        lose_below(file->io, top, status);
    note_failed_write_back(file, status);
}

static int tell(int status, int *untold)
{
    int told = status < 0 ? status : *untold;
    *untold = 0;
    return told;
}

int file_sync(struct file *file)
{
    const struct disk_faults *faults = &file->io->machine->disk.faults;
    sim_mix(file->io->sim, file->inode->number << 1 | 1);
    if (file->sync_failure != 0)
        return file->sync_failure;
    int status = meet_fault(file->io, file->path, DISK_SYNC);
    if (status < 0 && !faults->is_dead) {
        lose_inode(file->io, file->inode, status);
        note_failed_write_back(file, status);
    } else if (status == 0 && (faults->sync_lies_below == NULL || !is_below(file->path, faults->sync_lies_below))) {
        inode_sync(file->inode);
    }
    file->sync_failure = tell(status, &file->untold);
    if (file->sync_failure != 0)
        file->inode->untold = 0;
    return file->sync_failure;
}

int file_sync_all(struct file *file)
{
    struct disk *disk = &file->io->machine->disk;
    if (file->sync_failure != 0)
        return file->sync_failure;
    int status = meet_fault(file->io, file->path, DISK_SYNC);
    if (status < 0 && !disk->faults.is_dead)
        lose_file_system(file, status);
    else if (status == 0)
        disk_sync_all(disk);
    return file->sync_failure = tell(status, &file->untold_all);
}

int file_truncate(struct file *file, int64_t size)
{
    if (file->mode == FILE_READ || size < 0)
        return -EINVAL;
    int status = meet_fault(file->io, file->path, DISK_WRITE);
    if (status == 0)
        inode_truncate(file->inode, (size_t)size);
    return status;
}

int file_reserve(struct file *file, int64_t position, int64_t size)
{
    return file->mode == FILE_READ ? -EBADF : position < 0 || size <= 0 ? -EINVAL : 0;
}

bool file_is_cached(struct file *file, int64_t position, int64_t size)
{
    if (size > 0 && position < file->inode->forgotten)
        return false;
    return !prng_chance(&file->io->sim->disk, file->io->machine->disk.faults.cold_read);
}

void file_drop_cache(struct file *file, int64_t position, int64_t size)
{
    if (position + size > file->inode->forgotten)
        file->inode->forgotten = position + size;
}

int file_rename(struct io *io, const char *from, const char *to)
{
    struct place old, new;
    int status = find_existing(io, from, &old);
    if (status == 0)
        status = find(io, to, &new);
    if (status < 0)
        return status;
    if (old.directory == NULL || new.directory == NULL)
        return -EBUSY;
    if (new.inode == old.inode)
        return 0;
    if (new.inode != NULL && new.inode->is_directory != old.inode->is_directory)
        return new.inode->is_directory ? -EISDIR : -ENOTDIR;
    if (new.inode != NULL && new.inode->names_seen != NULL)
        return -ENOTEMPTY;
    status = meet_fault(io, from, DISK_NAME);
    if (status == 0)
        disk_change_name(&io->machine->disk, old.inode, old.directory, old.name, new.directory, new.name);
    return status;
}

static int remove_place(struct io *io, const char *path, bool is_directory)
{
    struct place place;
    int status = find_existing(io, path, &place);
    if (status < 0)
        return status;
    if (place.inode->is_directory != is_directory)
        return is_directory ? -ENOTDIR : -EISDIR;
    if (place.directory == NULL)
        return -EBUSY;
    if (place.inode->names_seen != NULL)
        return -ENOTEMPTY;
    status = meet_fault(io, path, DISK_NAME);
    if (status == 0)
        disk_change_name(&io->machine->disk, place.inode, place.directory, place.name, NULL, NULL);
    return status;
}

int file_unlink(struct io *io, const char *path) { return remove_place(io, path, false); }
int directory_remove(struct io *io, const char *path) { return remove_place(io, path, true); }

int file_stat(struct io *io, const char *path, int64_t *out_size)
{
    struct place place;
    int status = find_existing(io, path, &place);
    if (status == 0)
        *out_size = (int64_t)place.inode->seen.size;
    return status;
}

int directory_create(struct io *io, const char *path)
{
    struct place place;
    int status = find(io, path, &place);
    if (status == 0 && place.inode != NULL)
        status = -EEXIST;
    if (status == 0 && io->machine->disk.faults.is_full)
        status = -ENOSPC;
    if (status == 0)
        status = meet_fault(io, path, DISK_NAME);
    if (status == 0)
        make(io, &place, true);
    return status;
}

int directory_sync(struct io *io, const char *path)
{
    struct place place;
    int status = find_directory(io, path, &place);
    if (status == 0)
        status = meet_fault(io, path, DISK_SYNC_NAMES);
    if (status == 0)
        disk_sync_directory(&io->machine->disk, place.inode);
    return status;
}

int directory_exists(struct io *io, const char *path)
{
    struct place place;
    return find_directory(io, path, &place);
}

int directory_current(struct io *io, char *out_path, size_t size)
{
    (void)io;
    if (size < 2)
        return -ERANGE;
    memcpy(out_path, "/", 2);
    return 0;
}

int64_t directory_total_bytes(struct io *io, const char *path)
{
    struct place place;
    int status = find_directory(io, path, &place);
    return status < 0 ? status : disk_bytes;
}

int64_t directory_free_bytes(struct io *io, const char *path)
{
    int64_t free_bytes = directory_total_bytes(io, path);
    if (free_bytes < 0)
        return free_bytes;
    struct inode *inode;
    DL_FOREACH(io->machine->disk.inodes, inode)
        free_bytes -= (int64_t)inode->seen.size;
    return free_bytes;
}

/* The names are copied first: visit() may remove what it sees. */
int directory_list(struct io *io, const char *path, int (*visit)(void *context, const char *name), void *context)
{
    struct place place;
    int status = find_directory(io, path, &place);
    if (status == 0)
        status = meet_fault(io, path, DISK_READ);
    if (status < 0)
        return status;
    size_t size = 0;
    for (struct name *name = place.inode->names_seen; name != NULL; name = name->hh.next)
        size += strlen(name->text) + 1;
    char *copy = memory_take(size + 1), *end = copy;
    for (struct name *name = place.inode->names_seen; name != NULL; name = name->hh.next)
        end = stpcpy(end, name->text) + 1;
    for (char *at = copy; at < end && status >= 0; at += strlen(at) + 1)
        status = visit(context, at);
    memory_give(copy);
    return status < 0 ? status : 0;
}

int file_lock(struct io *io, const char *path, struct file **out_file)
{
    struct file *file;
    int status = file_open(io, path, FILE_CREATE, &file);
    if (status < 0)
        return status;
    if (file->inode->lock_holder != NULL || file->inode->shared_lock_count > 0) {
        file_unref(file);
        return -EWOULDBLOCK;
    }
    file->inode->lock_holder = file;
    *out_file = file;
    return 0;
}

int file_lock_shared(struct io *io, const char *path, struct file **out_file)
{
    struct file *file;
    int status = file_open(io, path, FILE_READ, &file);
    if (status < 0)
        return status;
    if (file->inode->lock_holder != NULL) {
        file_unref(file);
        return -EWOULDBLOCK;
    }
    file->inode->shared_lock_count++;
    file->shares_lock = true;
    *out_file = file;
    return 0;
}
