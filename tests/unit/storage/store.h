/* SPDX-License-Identifier: Apache-2.0 */
/* A log directory with one flusher on one loop, for the tests of this room. The loop is turned by
 * hand. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "io/file.h"
#include "io/io.h"
#include "io/loop.h"
#include "storage/epochs.h"
#include "storage/flusher.h"
#include "storage/log.h"
#include "storage/log_dir.h"
#include "storage/producers.h"
#include "test.h"
#include "wire/record.h"

struct store {
    struct io *io;
    struct loop *loop;
    struct log_dir *dir;
    struct flusher *flusher;
    char path[256];
    struct log_dir_settings settings;
    bool flag;
    struct task task;
    struct timer alarm;
};

static inline void store_raise(struct task *task)
{
    container_of(task, struct store, task)->flag = true;
}
static inline void store_ring(struct timer *timer)
{
    container_of(timer, struct store, alarm)->flag = true;
}

/* Turns until somebody enqueued store->task. */
static inline void store_wait(struct store *store)
{
    while (!store->flag)
        assert_true(loop_turn(store->loop));
    store->flag = false;
}

static inline void store_sleep(struct store *store, int64_t delay_ms)
{
    store->alarm.run = store_ring;
    timer_set(store->loop, &store->alarm, loop_now_us(store->loop) + delay_ms * 1000);
    store_wait(store);
}

static inline void store_open(struct store *store, const char *path)
{
    char reason[256] = "";
    if (path != store->path)
        snprintf(store->path, sizeof(store->path), "%s", path);
    store->io = io_create(2);
    store->loop = loop_create(store->io, "test");
    store->task.run = store_raise;
    int status =
        log_dir_open(store->loop, path, &store->settings, &store->dir, reason, sizeof(reason));
    if (status != 0)
        print_error("%s\n", reason);
    assert_int_equal(status, 0);
    store->flusher = flusher_create(store->loop, store->dir);
}

/* Makes a directory below /tmp, formats and opens it. */
static inline void store_create(struct store *store)
{
    char path[] = "/tmp/unit-storage-XXXXXX";
    struct log_dir_identity identity = {
        .cluster_id = "test", .node_id = 1, .directory_id = { { 1, 2, 3 } }
    };
    *store = (struct store){ 0 };
    log_dir_settings_defaults(&store->settings);
    assert_non_null(mkdtemp(path));
    struct io *io = io_create(1);
    assert_int_equal(log_dir_format(io, path, &identity), 0);
    io_destroy(io);
    store_open(store, path);
}

/* Stops cleanly; the caller's logs are closed in between. */
static inline void store_stop(struct store *store, struct log **logs, int count)
{
    flusher_stop(store->flusher, &store->task);
    store_wait(store);
    for (int i = 0; i < count; i++)
        log_close(logs[i]);
    flusher_destroy(store->flusher);
    loop_enqueue(store->loop, &store->task);
    loop_stop(store->loop);
    while (loop_turn(store->loop))
        continue;
    store->flag = false;
    assert_int_equal(log_dir_close(store->dir, 7), 0);
    loop_destroy(store->loop);
    io_destroy(store->io);
}

static inline void store_remove(struct store *store)
{
    char command[300];
    snprintf(command, sizeof(command), "rm -rf %s", store->path);
    assert_int_equal(system(command), 0);
}

/* Stages one batch of count records with this value size. */
static inline int64_t store_stage(struct log *log, int count, size_t value_size, int64_t timestamp,
    int32_t epoch, const struct batch_options *options)
{
    struct record records[64];
    struct batch_options plain = batch_options_plain();
    struct batch_header header;
    int64_t offset;
    uint8_t *value = memory_take(value_size + 1);
    assert_true(count <= 64);
    for (int i = 0; i < count; i++) {
        memset(value, 'a' + i % 26, value_size);
        records[i] = (struct record){
            .offset = i, .timestamp = timestamp + i, .value = { value, value_size }
        };
    }
    struct buffer *buffer = batch_build(options == NULL ? &plain : options, records, count);
    assert_int_equal(batch_parse((struct bytes){ buffer->data, buffer->size }, &header), BATCH_OK);
    log_stage(log, buffer, buffer->data, &header, epoch, timestamp, &offset);
    buffer_unref(buffer);
    memory_give(value);
    return offset;
}

static inline int64_t store_append(
    struct log *log, int count, size_t value_size, int64_t timestamp, int32_t epoch)
{
    int64_t offset = store_stage(log, count, value_size, timestamp, epoch, NULL);
    assert_int_equal(log_write(log), 0);
    return offset;
}

static inline void store_flush(struct store *store, struct log *log)
{
    log_set_durable_task(log, &store->task);
    log_want_flush(log);
    while (log_durable_end(log) < log_end(log))
        assert_true(loop_turn(store->loop));
    store->flag = false;
    log_set_durable_task(log, NULL);
}

/* The base offset of the batch that a read at offset begins with; -1: nothing. */
static inline int64_t store_read(struct log *log, int64_t offset, struct batch_header *out_header)
{
    struct log_slice slice;
    uint8_t bytes[BATCH_HEADER_SIZE];
    struct batch_header header;
    assert_int_equal(log_read(log, offset, log_end(log), 1, true, true, &slice), 0);
    if (slice.file == NULL)
        return -1;
    assert_int_equal(file_pread(slice.file, bytes, sizeof(bytes), slice.position), sizeof(bytes));
    assert_int_equal(
        batch_parse_header(bytes, sizeof(bytes), (uint64_t)slice.size, &header), BATCH_OK);
    assert_int_equal(header.base_offset, slice.first_offset);
    if (out_header != NULL)
        *out_header = header;
    log_slice_release(&slice);
    return header.base_offset;
}
