/* SPDX-License-Identifier: Apache-2.0 */
/* Every small file that a node reads at its start, of any bytes. It is refused, or what it says is printed, read again, and
 * the same. Then the bytes are taken as what a node knows: written down and read, it is the same; so a reader cannot
 * leave out or turn what its writer would leave out or turn as well. The first byte chooses the file. */
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

/* What a key or a value can be: text without a zero. */
static struct str draw_word(struct input *input)
{
    struct str word = text_of(input_take(input, input_byte(input) % 40));
    bool is_right = word.size > 0 && str_is_utf8(word) && memchr(word.data, 0, (size_t)word.size) == NULL;
    return is_right ? word : STR("a word");
}

static void write_properties(struct bytes bytes)
{
    struct input input = input_of(bytes.data, bytes.size);
    struct properties known, read;
    properties_init(&known);
    properties_init(&read);
    while (input_left(&input) > 0) {
        struct str key = draw_word(&input);
        properties_set(&known, key, draw_word(&input), 1);
    }
    assert(properties_parse(&read, properties_write(&known, &known.arena)) == 0 && read.count == known.count);
    for (int i = 0; i < known.count; i++)
        assert(str_equal(properties_get(&read, known.items[i].key), known.items[i].value));
    properties_deinit(&known);
    properties_deinit(&read);
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

struct line {
    char topic[40];
    int32_t partition;
    int64_t offset;
};

/* A line may say of itself that it is anywhere; below 0 an offset is -1, which is none. */
static struct line draw_line(struct input *input)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    struct line line = { 0 };
    size_t size = 1 + input_byte(input) % (sizeof(line.topic) - 1);
    for (size_t i = 0; i < size; i++)
        line.topic[i] = letters[input_byte(input) % (sizeof(letters) - 1)];
    int64_t partition = input_odd(input), offset = input_odd(input);
    line.partition = (int32_t)(partition & INT32_MAX);
    line.offset = offset < -1 ? -1 : offset;
    return line;
}

static void expect_line(void *context, struct str topic, int32_t partition, int64_t offset)
{
    struct line line = draw_line(context);
    assert(str_equal(topic, str_from(line.topic)) && partition == line.partition && offset == line.offset);
}

static void write_checkpoint(struct bytes bytes)
{
    struct input input = input_of(bytes.data, bytes.size), again = input;
    struct checkpoint_text known = { 0 };
    size_t size;
    while (input_left(&input) > 0) {
        struct line line = draw_line(&input);
        checkpoint_text_add(&known, line.topic, line.partition, line.offset);
    }
    uint8_t *text = checkpoint_file_print(&known, &size);
    assert(checkpoint_file_read((struct str){ (char *)text, (int32_t)size }, expect_line, &again));
    assert(input_left(&again) == 0);
    memory_give(text);
    checkpoint_text_deinit(&known);
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

static void write_vote(struct world *world, struct bytes bytes)
{
    struct input input = input_of(bytes.data, bytes.size);
    const struct raft_voters voters = { 0 };
    struct raft_vote known = { .leader_id = (int32_t)input_odd(&input), .leader_epoch = (int32_t)(input_odd(&input) & INT32_MAX),
        .voted_id = (int32_t)input_odd(&input) }, read;
    bool names_directories = input_bit(&input);
    for (size_t i = 0; names_directories && i < sizeof(known.voted_directory_id.bytes); i++)
        known.voted_directory_id.bytes[i] = input_byte(&input);
    assert(quorum_state_save(world->io, "/data", &known, names_directories, &voters) == 0);
    assert(quorum_state_load(world->io, "/data", &read) == 0);
    assert(read.leader_id == known.leader_id && read.leader_epoch == known.leader_epoch && read.voted_id == known.voted_id);
    assert(uuid_equal(read.voted_directory_id, known.voted_directory_id));
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
    assert(strcmp(first.cluster_id, second.cluster_id) == 0);
}

static void write_identity(struct world *world, struct bytes bytes)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_- =:#!\\\t\n\x7f";
    struct input input = input_of(bytes.data, bytes.size);
    struct log_dir_identity known = { .node_id = (int32_t)(input_odd(&input) & INT32_MAX) }, read;
    char reason[512];
    size_t size = 1 + input_byte(&input) % (sizeof(known.cluster_id) - 1);
    for (size_t i = 0; i < size; i++)
        known.cluster_id[i] = letters[input_byte(&input) % (sizeof(letters) - 1)];
    for (size_t i = 0; i < sizeof(known.directory_id.bytes); i++)
        known.directory_id.bytes[i] = input_byte(&input);
    assert(log_dir_write_identity(world->io, "/data", &known) == 0);
    assert(log_dir_identify(world->io, "/data", &read, reason, sizeof(reason)) == 0);
    assert(read.node_id == known.node_id && uuid_equal(read.directory_id, known.directory_id));
    assert(strcmp(read.cluster_id, known.cluster_id) == 0);
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
    struct bytes rest = { input->at, input_left(input) };
    world_begin(&world);
    switch (choice) {
    case 0: read_index(&world, input_rest(input), INDEX_OFFSET); break;
    case 1: read_index(&world, input_rest(input), INDEX_TIME); break;
    case 2: read_index(&world, input_rest(input), INDEX_ABORTED); break;
    case 3: read_vote(&world, rest), write_vote(&world, rest); break;
    case 4: read_snapshot(&world, input_rest(input)); break;
    case 5: read_identity(&world, rest), write_identity(&world, rest); break;
    default: read_directory(&world, input); break;
    }
    world_end(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = input_of(data, size);
    uint8_t choice = input_byte(&input) % 11;
    struct bytes rest = { input.at, input_left(&input) };
    switch (choice) {
    case 10: read_properties(rest), write_properties(rest); break;
    case 9: read_epochs(rest); break;
    case 8: read_producers(rest); break;
    case 7: read_checkpoint(rest), write_checkpoint(rest); break;
    default: read_from_disk(choice, &input); break;
    }
    return 0;
}
