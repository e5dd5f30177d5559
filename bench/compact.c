/* SPDX-License-Identifier: Apache-2.0 */
/* usage: compact [MEGABYTES [RECORD_BYTES [DISTINCT_PERCENT [CODEC [MAP_MEGABYTES]]]]]     (1000
 * 1024 10 none 128) How fast a log is compacted: writes one to the current directory, of batches of
 * 16 KiB in segments of 128 MiB, cleans it as a server would, and tells the time of that, and bytes
 * of the log a second of it. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/prng.h"
#include "clean/directory.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/segment.h"
#include "wire/record.h"

enum { BATCH_BYTES = 16 * 1024, SEGMENT_BYTES = 128 << 20, KEY_BYTES = 16 };

#define USAGE "usage: compact [MEGABYTES [RECORD_BYTES [DISTINCT_PERCENT [CODEC [MAP_MEGABYTES]]]]]\n"

static const char path[] = "clean-0";

struct writing {
    struct io *io;
    struct prng prng;
    struct file *file;
    int64_t position, next_offset, distinct_count;
    size_t record_bytes;
    enum codec codec;
};

static void begin_segment(struct writing *writing)
{
    char name[SEGMENT_PATH_SIZE];
    file_unref(writing->file);
    segment_path(name, path, writing->next_offset, ".log");
    int status = file_open(writing->io, name, FILE_CREATE_NEW, &writing->file);
    assert(status == 0);
    writing->position = 0;
}

/* Half of a value is the same everywhere, so that a codec has something to do. */
static void append_batch(struct writing *writing, uint8_t *values)
{
    enum { RECORDS_MOST = 1024 };
    static struct record records[RECORDS_MOST];
    static char keys[RECORDS_MOST][KEY_BYTES + 1];
    int count = (int)(BATCH_BYTES / writing->record_bytes);
    count = count < 1 ? 1 : count > RECORDS_MOST ? RECORDS_MOST : count;
    for (int i = 0; i < count; i++) {
        uint8_t *value = values + (size_t)i * writing->record_bytes;
        prng_fill(&writing->prng, value, writing->record_bytes / 2);
        uint64_t key = prng_below(&writing->prng, (uint64_t)writing->distinct_count);
        snprintf(keys[i], sizeof(keys[i]), "key-%012llu", (unsigned long long)key);
        records[i] = (struct record){ .timestamp = 1760000000000 + writing->next_offset,
            .key = { (const uint8_t *)keys[i], KEY_BYTES },
            .value = { value, writing->record_bytes } };
    }
    struct batch_options options = batch_options_plain();
    options.base_offset = writing->next_offset;
    options.codec = writing->codec;
    struct buffer *batch = batch_build(&options, records, count);
    int status = file_write_all(writing->file, batch->data, batch->size, writing->position);
    assert(status == 0);
    writing->position += (int64_t)batch->size;
    writing->next_offset += count;
    buffer_unref(batch);
}

static int64_t write_log(struct writing *writing, int64_t bytes)
{
    int64_t written = 0;
    size_t size = writing->record_bytes + BATCH_BYTES; /* of a batch at most */
    uint8_t *values = memory_take(size);
    memset(values, 'v', size);
    begin_segment(writing);
    while (written + writing->position < bytes) {
        append_batch(writing, values);
        if (writing->position >= SEGMENT_BYTES - 2 * BATCH_BYTES) {
            written += writing->position;
            begin_segment(writing);
        }
    }
    written += writing->position;
    begin_segment(writing); /* the active one */
    append_batch(writing, values);
    file_unref(writing->file);
    memory_give(values);
    return written;
}

static double processor_seconds(void)
{
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    return (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
           (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
}

static const struct {
    const char *name;
    int64_t least, most, usual;
} numbers[] = {
    [1] = { "MEGABYTES", 1, 1000000, 1000 },
    [2] = { "RECORD_BYTES", 1, 1000000, 1024 },
    [3] = { "DISTINCT_PERCENT", 0, 100, 10 },
    [5] = { "MAP_MEGABYTES", 1, 1000000, 128 },
};

static int64_t number_argument(int argc, char **argv, int index)
{
    int64_t value = numbers[index].usual;
    if (index < argc &&
        (!str_to_int64(str_from(argv[index]), &value) || value < numbers[index].least || value > numbers[index].most)) {
        fprintf(stderr, "compact: %s is no %s, which is a number from %lld to %lld\n" USAGE, argv[index],
            numbers[index].name, (long long)numbers[index].least, (long long)numbers[index].most);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    struct directory_wish wish = directory_wish_defaults();
    struct directory_outcome outcome;
    int64_t bytes = number_argument(argc, argv, 1) * 1000000;
    struct writing writing = { .io = io_create(1),
        .record_bytes = (size_t)number_argument(argc, argv, 2) };
    writing.distinct_count =
        bytes / (int64_t)writing.record_bytes * number_argument(argc, argv, 3) / 100 + 1;
    const char *codec = argc > 4 ? argv[4] : "none";
    if (!codec_by_name((struct str){ codec, (int32_t)strlen(codec) }, &writing.codec)) {
        fprintf(stderr, "compact: %s is no CODEC\n" USAGE, codec);
        return 2;
    }
    wish.map_bytes = number_argument(argc, argv, 5) << 20;
    prng_init(&writing.prng, 1);
    int status = directory_create(writing.io, path);
    if (status < 0) {
        fprintf(stderr, "compact: cannot make %s: %s%s\n", path, strerror(-status),
            status == -EEXIST ? ". It is of an earlier run: remove it first" : "");
        return 2;
    }
    int64_t written = write_log(&writing, bytes);
    double processor = processor_seconds();
    int64_t began_us = io_monotonic_us(writing.io);
    directory_clean(writing.io, path, &wish, NULL, &outcome);
    double seconds = (double)(io_monotonic_us(writing.io) - began_us) / 1e6;
    processor = processor_seconds() - processor;
    io_destroy(writing.io);
    printf("log_mb=%.0f seconds=%.3f mb_per_second=%.0f core_seconds=%.3f mb_per_core_second=%.0f "
           "read_mb=%.0f written_mb=%.0f records=%lld "
           "kept=%lld end=%lld of %lld\n",
        (double)written / 1e6, seconds, (double)written / 1e6 / seconds, processor,
        (double)written / 1e6 / processor, (double)outcome.statistics.bytes_read / 1e6,
        (double)outcome.statistics.bytes_written / 1e6, (long long)outcome.statistics.records_read,
        (long long)outcome.statistics.records_kept, (long long)outcome.end,
        (long long)writing.next_offset);
    return outcome.status < 0;
}
