/* SPDX-License-Identifier: Apache-2.0 */
/* Every small file that a node reads at its start, of any bytes. It is refused, or what it says is printed, read again, and
 * the same. The first byte chooses the file. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/properties.h"
#include "fuzz/input.h"
#include "fuzz/world.h"
#include "io/file.h"
#include "raft/raft.h"
#include "replica/quorum_snapshot.h"
#include "replica/quorum_state.h"
#include "storage/checkpoint_file.h"
#include "storage/epochs.h"
#include "storage/index.h"
#include "storage/log_dir.h"
#include "storage/producers.h"

static struct str text_of(struct bytes bytes)
{
    return (struct str){ (const char *)bytes.data, (int32_t)bytes.size };
}

/* ---- Those that are given as bytes. ---- */

static void read_properties(struct bytes bytes)
{
    struct properties first, second;
    properties_init(&first);
    properties_init(&second);
    if (properties_parse(&first, text_of(bytes)) == 0 && str_is_utf8(text_of(bytes))) {
        assert(properties_parse(&second, properties_write(&first, &first.arena)) == 0);
        assert(first.count == second.count);
        for (int i = 0; i < first.count; i++) {
            assert(str_equal(first.items[i].key, second.items[i].key));
            assert(str_equal(first.items[i].value, second.items[i].value));
        }
    }
    properties_deinit(&first);
    properties_deinit(&second);
}

static void read_epochs(struct bytes bytes)
{
    struct epochs first = { 0 }, second = { 0 };
    int32_t size;
    if (epochs_parse(&first, text_of(bytes))) {
        for (int32_t i = 0; i < first.count; i++)
            assert(epochs_at(&first, first.entries[i].start_offset) == first.entries[i].epoch);
        char *text = epochs_print(&first, &size);
        assert(epochs_parse(&second, (struct str){ text, size }) && second.count == first.count);
        for (int32_t i = 0; i < first.count; i++)
            assert(first.entries[i].epoch == second.entries[i].epoch &&
                   first.entries[i].start_offset == second.entries[i].start_offset);
        memory_give(text);
    } else {
        assert(first.count == 0);
    }
    epochs_deinit(&first);
    epochs_deinit(&second);
}

static void read_producers(struct bytes bytes)
{
    struct producers first = { 0 }, second = { 0 };
    size_t size, size_again;
    if (producers_load(&first, bytes)) {
        uint8_t *text = producers_print(&first, &size);
        assert(producers_load(&second, (struct bytes){ text, size }) && second.count == first.count);
        uint8_t *again = producers_print(&second, &size_again);
        assert(size == size_again && memcmp(text, again, size) == 0);
        memory_give(text);
        memory_give(again);
        producers_first_open(&first);
        producers_expire(&first, 0, 0);
    } else {
        assert(first.count == 0);
    }
    producers_deinit(&first);
    producers_deinit(&second);
}

static void copy_line(void *context, struct str topic, int32_t partition, int64_t offset)
{
    char *name = str_copy_owned(topic);
    if (strlen(name) == (size_t)topic.size) /* a zero byte cannot be in a name that was a directory's */
        checkpoint_text_add(context, name, partition, offset);
    memory_give(name);
}

static void read_checkpoint(struct bytes bytes)
{
    struct checkpoint_text first = { 0 }, second = { 0 };
    size_t size;
    if (checkpoint_file_read(text_of(bytes), copy_line, &first)) {
        uint8_t *text = checkpoint_file_print(&first, &size);
        assert(checkpoint_file_read((struct str){ (char *)text, (int32_t)size }, copy_line, &second));
        assert(first.count == second.count && first.size == second.size);
        assert(first.size == 0 || memcmp(first.data, second.data, first.size) == 0);
        memory_give(text);
    }
    checkpoint_text_deinit(&first);
    checkpoint_text_deinit(&second);
}

/* ---- Those that are found on a disk. ---- */

static void check_order(const struct index *index)
{
    int64_t other, last_other = -1, last = -1;
    for (int32_t i = 0; i < index->count; i++) {
        int64_t value = index->kind == INDEX_OFFSET ? index_offset_at(index, i, 0, &other) : index_time_at(index, i, 0, &other);
        assert(value > last && other >= last_other);
        assert((index->kind == INDEX_OFFSET ? index_find_offset(index, 0, value) : index_find_time(index, value)) == i);
        last = value;
        last_other = other;
    }
}

static void read_index(struct world *world, struct bytes bytes, enum index_kind kind)
{
    struct index index;
    world_put(world, "/data/index", bytes);
    index_init(&index, kind);
    int status = index_load(&index, world->io, "/data/index");
    assert(status == 0 && (size_t)index.count * (size_t)index_entry_size[kind] <= bytes.size);
    if (kind != INDEX_ABORTED)
        check_order(&index);
    else
        for (int32_t i = 0; i < index.count; i++)
            index_aborted_at(&index, i);
    index_deinit(&index);
}

static void read_vote(struct world *world, struct bytes bytes)
{
    struct raft_vote first, second;
    const struct raft_voters voters = { 0 };
    world_put(world, "/data/quorum-state", bytes);
    int status = quorum_state_load(world->io, "/data", &first);
    assert(status == 0 || status == -EBADMSG || status == -ENOTSUP || status == -EFBIG);
    if (status < 0)
        return;
    assert(first.leader_epoch >= 0);
    status = quorum_state_save(world->io, "/data", &first, 1, &voters);
    assert(status == 0 && quorum_state_load(world->io, "/data", &second) == 0);
    assert(memcmp(&first, &second, sizeof(first)) == 0);
}

static bool take_record(struct snapshot_reader *reader, int64_t index, struct bytes value)
{
    (void)reader, (void)index;
    return value.size == 0 || value.data[0] != 0xff;
}

static void read_snapshot(struct world *world, struct bytes bytes)
{
    struct snapshot_reader reader = { .record = take_record };
    int64_t append_ms;
    world_put(world, "/data/snapshot", bytes);
    int status = snapshot_read(world->io, "/data/snapshot", &reader);
    assert(status == 0 || status == -EBADMSG);
    status = snapshot_time(world->io, "/data/snapshot", &append_ms);
    assert(status == 0 || status == -EBADMSG);
}

static void read_identity(struct world *world, struct bytes bytes)
{
    struct log_dir_identity first, second;
    char reason[512];
    world_put(world, "/data/meta.properties", bytes);
    int status = log_dir_identify(world->io, "/data", &first, reason, sizeof(reason));
    assert(status == 0 || status == -EBADMSG || status == -EFBIG);
    if (status < 0)
        return;
    status = log_dir_write_identity(world->io, "/data", &first);
    assert(status == 0);
    status = log_dir_identify(world->io, "/data", &second, reason, sizeof(reason));
    assert(status == 0 && first.node_id == second.node_id && uuid_equal(first.directory_id, second.directory_id));
}

/* A directory with two partitions, whose small files the input splits among them. It opens whatever they say, or tells which
 * cannot be read; what it closes is clean. */
static void read_directory(struct world *world, struct input *input)
{
    static const char *const paths[] = { "/data/.kafka_cleanshutdown", "/data/recovery-point-offset-checkpoint",
        "/data/replication-offset-checkpoint", "/data/log-start-offset-checkpoint", "/data/topic-0/partition.metadata",
        "/data/other-one-1/partition.metadata", "/data/x.0123456789abcdef0123456789abcdef-delete/a" };
    struct log_dir_identity identity = { .cluster_id = "fuzz", .node_id = 1, .directory_id = { { 1 } } };
    struct log_dir_settings settings;
    struct log_dir *dir;
    char reason[512];
    int status = log_dir_format(world->io, "/data", &identity);
    assert(status == 0);
    while (input_left(input) > 0) {
        const char *path = paths[input_byte(input) % (sizeof(paths) / sizeof(paths[0]))];
        world_put(world, path, input_take(input, input_byte(input)));
    }
    world_start_loop(world);
    log_dir_settings_defaults(&settings);
    status = log_dir_open(world->loop, "/data", &settings, &dir, reason, sizeof(reason));
    assert(status == 0);
    for (int32_t i = 0; i < log_dir_place_count(dir); i++)
        assert(log_dir_place(dir, i)->recovery_point >= -1 && log_dir_place(dir, i)->log_start >= 0);
    log_dir_forget_gone(dir);
    world_stop_loop(world);
    status = log_dir_close(dir, 7);
    assert(status == 0);
    loop_destroy(world->loop);
}

static void read_from_disk(uint8_t choice, struct input *input)
{
    struct world world;
    world_begin(&world);
    switch (choice) {
    case 0: read_index(&world, input_rest(input), INDEX_OFFSET); break;
    case 1: read_index(&world, input_rest(input), INDEX_TIME); break;
    case 2: read_index(&world, input_rest(input), INDEX_ABORTED); break;
    case 3: read_vote(&world, input_rest(input)); break;
    case 4: read_snapshot(&world, input_rest(input)); break;
    case 5: read_identity(&world, input_rest(input)); break;
    default: read_directory(&world, input); break;
    }
    world_end(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = input_of(data, size);
    uint8_t choice = input_byte(&input) % 11;
    switch (choice) {
    case 10: read_properties(input_rest(&input)); break;
    case 9: read_epochs(input_rest(&input)); break;
    case 8: read_producers(input_rest(&input)); break;
    case 7: read_checkpoint(input_rest(&input)); break;
    default: read_from_disk(choice, &input); break;
    }
    return 0;
}
