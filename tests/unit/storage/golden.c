/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that Apache Kafka wrote, stopped or killed: what is opened must be what Kafka found
 * there itself. */
#include <errno.h>
#include <jansson.h>

#include "base/arena.h"
#include "storage/log_state.h"
#include "store.h"

struct disk {
    struct store store;
    struct log *logs[256];
    int count;
};

static char directory[64];

static void run(const char *format, const char *first, const char *second)
{
    char command[1024];
    snprintf(command, sizeof(command), format, first, second);
    assert_int_equal(system(command), 0);
}

static json_t *load_expected(const char *name)
{
    char path[512];
    json_error_t error;
    snprintf(path, sizeof(path), "%s/expected.json", directory);
    run("xz -dc " GOLDEN_DISKS "/%s.expected.json.xz > %s", name, path);
    json_t *expected = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (expected == NULL)
        print_error("%s: line %d: %s\n", path, error.line, error.text);
    assert_non_null(expected);
    return expected;
}

static void open_disk(struct disk *disk, const char *name)
{
    char path[128];
    struct log_settings settings;
    memset(disk, 0, sizeof(*disk));
    log_dir_settings_defaults(&disk->store.settings);
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    store_open(&disk->store, path);
    log_settings_defaults(&settings);
    settings.producer_expiry_ms = INT64_MAX / 4;
    for (int32_t i = 0; i < log_dir_place_count(disk->store.dir); i++) {
        const struct log_place *place = log_dir_place(disk->store.dir, i);
        settings.compacts = strncmp(place->topic, "compacted", 9) == 0 || place->topic[0] == '_';
        int status = log_open(disk->store.flusher, place, &settings, &disk->logs[disk->count]);
        if (status != 0)
            print_error("%s: %s\n", place->path, strerror(-status));
        assert_int_equal(status, 0);
        disk->count++;
    }
}

static struct log *find(struct disk *disk, const char *name)
{
    char own[300];
    for (int i = 0; i < disk->count; i++) {
        snprintf(own, sizeof(own), "%s-%d", log_topic(disk->logs[i]), log_partition(disk->logs[i]));
        if (strcmp(own, name) == 0)
            return disk->logs[i];
    }
    return NULL;
}

static int64_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* Every batch that Kafka's own reader found is found by its first and last offset, with the same
 * header. */
static int check_batches(
    struct disk *disk, struct log *log, const json_t *segments, const char *which)
{
    int checked = 0;
    for (size_t s = 0; s < json_array_size(segments); s++) {
        const json_t *segment = json_array_get(segments, s);
        const json_t *batches = json_object_get(segment, "batches");
        if (strncmp(json_string_value(json_object_get(segment, "file")), which, strlen(which)) != 0)
            continue;
        for (size_t i = 0; i < json_array_size(batches); i++) {
            const json_t *batch = json_array_get(batches, i);
            struct batch_header header = { 0 };
            if (number(batch, "last") < log_start(log))
                continue;
            int64_t base = number(batch, "base");
            int64_t asked = base < log_start(log) ? log_start(log) : base;
            assert_int_equal(store_read(log, asked, &header), base);
            assert_int_equal(store_read(log, number(batch, "last"), NULL), base);
            assert_int_equal(batch_last_offset(&header), number(batch, "last"));
            assert_int_equal(header.size, number(batch, "size"));
            assert_int_equal(header.crc, number(batch, "crc"));
            assert_int_equal(header.leader_epoch, number(batch, "leader_epoch"));
            assert_int_equal(header.producer_id, number(batch, "pid"));
            assert_int_equal(epochs_at(log_epochs(log), base), number(batch, "leader_epoch"));
            checked++;
        }
    }
    (void)disk;
    return checked;
}

static void check_search(struct disk *disk, struct log_search *search, const json_t *answer)
{
    store_wait(&disk->store);
    const struct log_search_result *result = log_search_result(search);
    assert_int_equal(result->status, 0);
    assert_int_equal(result->offset, number(answer, "offset"));
    assert_int_equal(result->timestamp, number(answer, "timestamp"));
    log_search_destroy(search);
}

static void check_times(struct disk *disk, struct log *log, const json_t *offsets)
{
    const char *time;
    json_t *answer;
    json_object_foreach(json_object_get(offsets, "for_timestamp"), time, answer) check_search(
        disk, log_search_start(log, strtoll(time, NULL, 10), &disk->store.task), answer);
    check_search(disk, log_search_max_start(log, &disk->store.task),
        json_object_get(offsets, "max_timestamp"));
}

/* Kafka had forgotten those that were silent for 2^31-1 ms by their batches' times when it was
 * asked. */
static void check_producers(struct log *log, const json_t *producers)
{
    int32_t recent = 0;
    for (int32_t i = 0; i < log_producers(log)->count; i++)
        recent += log_producers(log)->entries[i]->last_timestamp >= 1795362100000 - INT32_MAX;
    for (size_t i = 0; i < json_array_size(producers); i++) {
        const json_t *expected = json_array_get(producers, i);
        const struct producer *producer =
            producers_find(log_producers(log), number(expected, "pid"));
        assert_non_null(producer);
        assert_int_equal(producer->epoch, number(expected, "epoch"));
        int32_t last = producer->batch_count == 0
                           ? -1
                           : producer->batches[producer->batch_count - 1].last_sequence;
        assert_int_equal(last, number(expected, "last_seq"));
        assert_int_equal(producer->last_timestamp, number(expected, "last_ts"));
        const json_t *start = json_object_get(expected, "txn_start");
        assert_int_equal(
            producer->transaction_start, json_is_integer(start) ? json_integer_value(start) : -1);
        const json_t *epoch = json_object_get(expected, "coordinator_epoch");
        assert_int_equal(
            producer->coordinator_epoch, json_is_integer(epoch) ? json_integer_value(epoch) : -1);
    }
    if (recent != (int32_t)json_array_size(producers))
        print_error("%s: %d producers, not %d\n", log_path(log), recent, (int)json_array_size(producers));
    assert_int_equal(recent, json_array_size(producers));
}

/* Whether record o is hidden from read_committed must follow from the aborted list. */
static void check_aborted(struct log *log, const json_t *records)
{
    struct arena arena;
    struct log_aborted *list;
    int32_t count;
    bool hidden = false;
    arena_init(&arena);
    for (size_t i = 0; i < json_array_size(records); i++)
        hidden = hidden || json_is_false(json_object_get(json_array_get(records, i), "rc"));
    assert_int_equal(
        log_aborted(log, log_start(log), log_last_stable_offset(log), &arena, &list, &count), 0);
    if (strcmp(log_topic(log), "txn") == 0)
        assert_true(hidden && count > 0);
    if (!hidden && strncmp(log_topic(log), "compacted", 9) != 0)
        assert_int_equal(count, 0);
    for (int32_t i = 0; i < count; i++)
        assert_true(list[i].first_offset >= log_start(log) &&
                    list[i].first_offset < log_last_stable_offset(log));
    arena_deinit(&arena);
}

static void check_partition(struct disk *disk, struct log *log, const json_t *expected)
{
    assert_int_equal(log_start(log), number(expected, "log_start"));
    assert_int_equal(log_end(log), number(expected, "high_watermark"));
    log_set_high_watermark(log, log_end(log));
    assert_int_equal(log_last_stable_offset(log), number(expected, "last_stable_offset"));
    check_times(disk, log, json_object_get(expected, "list_offsets"));
    check_producers(log, json_object_get(expected, "producers"));
    check_aborted(log, json_object_get(expected, "records"));
}

static void check_topics(struct disk *disks, const json_t *topics)
{
    const char *topic, *partition;
    json_t *of_topic, *of_partition;
    json_object_foreach((json_t *)topics, topic, of_topic)
    {
        if (json_is_true(json_object_get(of_topic, "internal")) || topic[0] == '_')
            continue;
        json_object_foreach(json_object_get(of_topic, "partitions"), partition, of_partition)
        {
            char name[300], id[UUID_TEXT_SIZE + 1];
            snprintf(name, sizeof(name), "%s-%s", topic, partition);
            int which = find(&disks[0], name) != NULL ? 0 : 1;
            struct log *log = find(&disks[which], name);
            assert_non_null(log);
            uuid_print(log_topic_id(log), id);
            assert_string_equal(id, json_string_value(json_object_get(of_topic, "id")));
            check_partition(&disks[which], log, of_partition);
        }
    }
}

/* Appends to every user log, stops cleanly, opens again: all is where it was, and goes on. */
static void check_continued(struct disk *disks)
{
    for (int d = 0; d < 2; d++) {
        int64_t ends[256];
        char path[128];
        for (int i = 0; i < disks[d].count; i++)
            ends[i] = store_append(disks[d].logs[i], 2, 100, 1900000000000, 100) + 2;
        store_stop(&disks[d].store, disks[d].logs, disks[d].count);
        snprintf(path, sizeof(path), "disk%d", d + 1);
        int count = disks[d].count;
        open_disk(&disks[d], path);
        assert_int_equal(disks[d].count, count);
        for (int i = 0; i < count; i++) {
            assert_int_equal(log_end(disks[d].logs[i]), ends[i]);
            assert_int_equal(epochs_latest(log_epochs(disks[d].logs[i])), 100);
        }
    }
}

static void check_disk(const char *name)
{
    static struct disk disks[2];
    const char *log_name;
    json_t *segments;
    int checked = 0;
    strcpy(directory, "/tmp/unit-golden-XXXXXX");
    assert_non_null(mkdtemp(directory));
    run("tar xJf " GOLDEN_DISKS "/%s.tar.xz -C %s", name, directory);
    json_t *expected = load_expected(name);
    open_disk(&disks[0], "disk1");
    open_disk(&disks[1], "disk2");
    json_object_foreach(
        json_object_get(expected, "disk_batches"), log_name, segments) for (int d = 0; d < 2; d++)
    {
        struct log *log = find(&disks[d], log_name);
        if (log != NULL)
            checked += check_batches(&disks[d], log, segments, d == 0 ? "disk1/" : "disk2/");
    }
    assert_true(checked > 100);
    check_topics(disks, json_object_get(expected, "topics"));
    check_continued(disks);
    for (int d = 0; d < 2; d++)
        store_stop(&disks[d].store, disks[d].logs, disks[d].count);
    json_decref(expected);
    run("rm -rf %s%s", directory, "");
}

void test_golden__opens_a_clean_disk(void)
{
    check_disk("clean");
}
void test_golden__recovers_a_killed_disk(void)
{
    check_disk("killed");
}
void test_golden__cuts_torn_tails_as_kafka_does(void)
{
    check_disk("torn");
}
void test_golden__opens_a_disk_whose_metadata_was_trimmed(void)
{
    check_disk("trimmed");
}

/* Kafka adds a time at each stop, and counts the bytes to the next entry anew at each start. */
static int compare_indexes(const char *file, const struct index *mine, const struct index *kafka)
{
    int32_t size = index_entry_size[mine->kind], same = 0, at = 0;
    for (int32_t i = 0; i < mine->count; i++) {
        while (at < kafka->count &&
               memcmp(kafka->data + at * size, mine->data + i * size, (size_t)size) != 0)
            at++;
        same += at < kafka->count;
        at = at < kafka->count ? at : 0;
    }
    if (same < mine->count - 1)
        print_error("%s: %d of our %d entries are among Kafka's %d\n", file, same, mine->count,
            kafka->count);
    assert_true(same >= mine->count - 1);
    return same;
}

/* The indexes that we would write for a log are the ones that Kafka wrote. */
void test_golden__rebuilds_the_same_indexes(void)
{
    struct disk disk;
    struct log_settings settings;
    int compared = 0;
    strcpy(directory, "/tmp/unit-golden-XXXXXX");
    assert_non_null(mkdtemp(directory));
    run("tar xJf " GOLDEN_DISKS "/%s.tar.xz -C %s", "clean", directory);
    for (int d = 1; d <= 2; d++) {
        char path[16];
        snprintf(path, sizeof(path), "disk%d", d);
        open_disk(&disk, path);
        log_settings_defaults(&settings);
        for (int32_t i = 0; i < disk.count; i++) {
            struct log_place *place =
                (struct log_place *)(uintptr_t)log_dir_place(disk.store.dir, i);
            struct log *log;
            if (!place->is_listed || strncmp(place->topic, "compacted", 9) == 0)
                continue;         /* the cleaner indexes what it copies in its own steps */
            place->clean = false; /* as if nothing were known */
            place->recovery_point = 0;
            log_close(disk.logs[i]);
            assert_int_equal(log_open(disk.store.flusher, place, &settings, &log), 0);
            for (int32_t s = 0; s < log->segment_count; s++)
                for (int kind = 0; log->segments[s].indexes != NULL && kind < 2;
                     kind++) { /* NULL: nothing to save */
                    struct index kafka = { .kind = (uint8_t)kind };
                    const struct index *mine = &log->segments[s].indexes[kind];
                    char file[SEGMENT_PATH_SIZE];
                    segment_path(file, log->path, log->segments[s].base_offset, index_suffix[kind]);
                    assert_int_equal(index_load(&kafka, log->io, file), 0);
                    compared += compare_indexes(file, mine, &kafka);
                    index_deinit(&kafka);
                }
            disk.logs[i] = log;
        }
        store_stop(&disk.store, disk.logs, disk.count);
    }
    assert_true(compared > 100);
    run("rm -rf %s%s", directory, "");
}
