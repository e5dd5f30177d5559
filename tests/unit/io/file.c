/* SPDX-License-Identifier: Apache-2.0 */
#include "io/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/io.h"
#include "test.h"

enum { PIECE = 3 };

static bool is_stingy; /* the system: it is interrupted every other time, and then does a piece of what it is asked for */
static int stingy_calls;

static bool is_interrupted(void)
{
    if (!is_stingy || ++stingy_calls % 2 == 0)
        return false;
    errno = EINTR;
    return true;
}

static size_t part_of(size_t size) { return is_stingy && size > PIECE ? PIECE : size; }

/* In the place of those of the C library. */
ssize_t pread(int descriptor, void *data, size_t size, off_t position)
{
    return is_interrupted() ? -1 : syscall(SYS_pread64, descriptor, data, part_of(size), position);
}

ssize_t pwritev(int descriptor, const struct iovec *vectors, int count, off_t position)
{
    if (is_interrupted())
        return -1;
    if (is_stingy)
        return syscall(SYS_pwrite64, descriptor, vectors[0].iov_base, part_of(vectors[0].iov_len), position);
    return syscall(SYS_pwritev, descriptor, vectors, count, position, 0);
}

static int sync_error; /* the system answers it to one sync, as it does when a write-back failed */

static int sync_once(long call, int descriptor)
{
    errno = sync_error;
    sync_error = 0;
    return errno != 0 ? -1 : (int)syscall(call, descriptor);
}

int fdatasync(int descriptor) { return sync_once(SYS_fdatasync, descriptor); }
int syncfs(int descriptor) { return sync_once(SYS_syncfs, descriptor); }

static char place[64];

static struct io *begin(void)
{
    strcpy(place, "/tmp/unit-io-file-XXXXXX");
    assert_non_null(mkdtemp(place));
    return io_create(1);
}

static const char *at(const char *name)
{
    static char paths[4][160];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", place, name);
    return path;
}

static int remove_entry(void *context, const char *name) { return file_unlink(context, at(name)); }

static void end(struct io *io)
{
    assert_int_equal(directory_list(io, place, remove_entry, io), 0);
    assert_int_equal(directory_remove(io, place), 0);
    io_destroy(io);
}

static int count_entry(void *context, const char *name)
{
    (void)name;
    ++*(int *)context;
    return 0;
}

void test_file__reads_what_was_written(void)
{
    struct io *io = begin();
    struct file *file;
    char text[16] = { 0 };
    assert_int_equal(file_open(io, at("a"), FILE_READ, &file), -ENOENT);
    assert_int_equal(file_open(io, at("a"), FILE_CREATE_NEW, &file), 0);
    struct iovec vectors[] = { { "hello ", 6 }, { "world", 5 } };
    assert_int_equal(file_pwritev(file, vectors, 2, 0), 11);
    assert_int_equal(file_write_all(file, "W", 1, 6), 0);
    assert_int_equal(file_size(file), 11);
    assert_true(file_is_cached(file, 0, 11));
    assert_int_equal(file_pread(file, text, sizeof(text), 4), 7);
    assert_string_equal(text, "o World");
    int status = file_reserve(file, 0, 1 << 20);
    assert_true(status == 0 || status == -EOPNOTSUPP);
    assert_int_equal(file_size(file), 11);
    assert_int_equal(file_sync(file), 0);
    assert_int_equal(file_truncate(file, 5), 0);
    struct file *same = file_ref(file);
    file_unref(file);
    assert_int_equal(file_size(same), 5);
    file_unref(same);
    assert_int_equal(file_open(io, at("a"), FILE_CREATE_NEW, &file), -EEXIST);
    end(io);
}

/* What the header promises, whatever the system does: so nobody above has a loop of his own, and the simulator's reads are whole. */
void test_file__reads_and_writes_all_though_the_system_does_less(void)
{
    struct io *io = begin();
    struct file *file;
    char text[64] = { 0 }, *data;
    size_t size;
    is_stingy = true;
    stingy_calls = 0;
    assert_int_equal(file_open(io, at("a"), FILE_CREATE_NEW, &file), 0);
    assert_int_equal(file_write_all(file, "so it is said of old", 20, 0), 0);
    assert_int_equal(file_pread(file, text, 20, 0), 20);
    assert_string_equal(text, "so it is said of old");
    assert_int_equal(file_pread(file, text, sizeof(text), 17), 3); /* the end */
    assert_memory_equal(text, "old", 3);
    assert_int_equal(file_pread(file, text, sizeof(text), 20), 0);
    struct iovec vector = { "new", 3 };
    assert_int_equal(file_pwritev(file, &vector, 1, 17), 3); /* interrupted only */
    file_unref(file);
    assert_int_equal(file_replace(io, at("b"), "as it is written", 16), 0);
    assert_int_equal(file_load(io, at("b"), 100, &data, &size), 0);
    assert_int_equal(size, 16);
    assert_string_equal(data, "as it is written");
    memory_give(data);
    assert_true(stingy_calls > 4 * (20 / PIECE)); /* it was the system that was asked here */
    is_stingy = false;
    end(io);
}

void test_file__replaces_a_file_as_a_whole(void)
{
    struct io *io = begin();
    char *data;
    size_t size;
    int64_t stated;
    int entries = 0;
    assert_int_equal(file_replace(io, at("state"), "first and long", 14), 0);
    assert_int_equal(file_replace(io, at("state"), "second", 6), 0);
    assert_int_equal(file_load(io, at("state"), 5, &data, &size), -EFBIG);
    assert_int_equal(file_load(io, at("state"), 100, &data, &size), 0);
    assert_int_equal(size, 6);
    assert_string_equal(data, "second");
    memory_give(data);
    assert_int_equal(file_stat(io, at("state"), &stated), 0);
    assert_int_equal(stated, 6);
    assert_int_equal(directory_list(io, place, count_entry, &entries), 0);
    assert_int_equal(entries, 1);
    end(io);
}

/* Whatever its limit: files that are empty after a power cut are read at every start. */
void test_file__an_empty_file_takes_no_memory_to_load(void)
{
    struct io *io = begin();
    char *data;
    size_t size;
    assert_int_equal(file_replace(io, at("empty"), "", 0), 0);
    assert_int_equal(file_load(io, at("empty"), SIZE_MAX / 2, &data, &size), 0);
    assert_int_equal(size, 0);
    memory_give(data);
    end(io);
}

/* A locked file refuses a second lock, also within one process, until the first is let go. */
void test_file__locks_exclude_each_other(void)
{
    struct io *io = begin();
    struct file *first, *second;
    assert_int_equal(file_lock(io, at(".lock"), &first), 0);
    assert_int_equal(file_lock(io, at(".lock"), &second), -EWOULDBLOCK);
    file_unref(first);
    assert_int_equal(file_lock(io, at(".lock"), &second), 0);
    file_unref(second);
    end(io);
}

/* Who only reads shares the lock with others, and with nobody who has it alone; it makes no file. */
void test_file__a_shared_lock_excludes_an_exclusive_one(void)
{
    struct io *io = begin();
    struct file *first, *second, *third;
    assert_int_equal(file_lock_shared(io, at(".lock"), &first), -ENOENT);
    assert_int_equal(file_lock(io, at(".lock"), &first), 0);
    assert_int_equal(file_lock_shared(io, at(".lock"), &second), -EWOULDBLOCK);
    file_unref(first);
    assert_int_equal(file_lock_shared(io, at(".lock"), &first), 0);
    assert_int_equal(file_lock_shared(io, at(".lock"), &second), 0);
    assert_int_equal(file_lock(io, at(".lock"), &third), -EWOULDBLOCK);
    file_unref(first);
    file_unref(second);
    assert_int_equal(file_lock(io, at(".lock"), &third), 0);
    file_unref(third);
    end(io);
}

void test_file__directories_come_and_go(void)
{
    struct io *io = begin();
    int64_t size;
    assert_int_equal(directory_create(io, at("d")), 0);
    assert_int_equal(directory_create(io, at("d")), -EEXIST);
    assert_int_equal(directory_exists(io, at("d")), 0);
    assert_int_equal(directory_exists(io, at("e")), -ENOENT);
    assert_int_equal(file_rename(io, at("d"), at("e")), 0);
    assert_int_equal(directory_exists(io, at("e")), 0);
    assert_int_equal(directory_sync(io, place), 0);
    assert_int_equal(directory_remove(io, at("e")), 0);
    assert_int_equal(file_stat(io, at("e"), &size), -ENOENT);
    assert_true(directory_free_bytes(io, place) > 0);
    assert_true(directory_total_bytes(io, place) >= directory_free_bytes(io, place));
    end(io);
}

/* What it was for: on a thin disk there may be no room for what was written long ago. The next sync finds all clean. */
void test_file__answers_as_the_sync_that_failed(void)
{
    static int (*const syncs[])(struct file *) = { file_sync, file_sync_all };
    static const int errors[] = { EIO, ENOSPC };
    struct io *io = begin();
    for (int i = 0; i < 4; i++) {
        struct file *file, *other;
        assert_int_equal(file_open(io, at("a"), FILE_CREATE, &file), 0);
        assert_int_equal(file_open(io, at("a"), FILE_READ, &other), 0);
        assert_int_equal(syncs[i / 2](file), 0);
        sync_error = errors[i % 2];
        assert_int_equal(syncs[i / 2](file), -errors[i % 2]);
        assert_int_equal(syncs[i / 2](file), -errors[i % 2]);
        assert_int_equal(syncs[i / 2](other), 0);
        file_unref(file);
        file_unref(other);
    }
    end(io);
}
