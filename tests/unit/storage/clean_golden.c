/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions that Apache Kafka 4.4.0 compacted: we find nothing to clean in them, and write what it
 * wrote. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "clean/directory.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/segment.h"
#include "test.h"

enum { MOST_BYTES = 1 << 20 };

static const int64_t written_ms = 1795362000000; /* when the directories were stopped */

static void run(const char *format, const char *argument)
{
    char command[512];
    snprintf(command, sizeof(command), format, argument);
    assert_int_equal(system(command), 0);
}

static void check_partition(struct io *io, const char *directory, const char *name, int64_t end)
{
    char path[256], log[SEGMENT_PATH_SIZE], *before, *after;
    size_t before_size, after_size;
    struct directory_wish wish = directory_wish_defaults();
    struct directory_outcome outcome;
    wish.wall_ms = written_ms;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    segment_path(log, path, 0, ".log");
    assert_int_equal(file_load(io, log, MOST_BYTES, &before, &before_size), 0);
    directory_clean(io, path, &wish, NULL, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(outcome.group_count, 1);
    assert_int_equal(outcome.end, end);
    assert_int_equal(outcome.statistics.bytes_read, 2 * before_size); /* learned, and kept */
    assert_int_equal(outcome.statistics.records_kept, outcome.statistics.records_read);
    assert_int_equal(file_load(io, log, MOST_BYTES, &after, &after_size), 0);
    assert_int_equal(after_size, before_size);
    assert_memory_equal(after, before, before_size);
    memory_give(before);
    memory_give(after);
}

/* Values, tombstones with a horizon far away in a plain and in a gzip batch, empty batches for the
 * sake of producers; tombstones that went; committed data with their markers, and an empty marker.
 */
void test_clean_golden__finds_nothing_to_do_where_kafka_has_cleaned(void)
{
    char directory[] = "/tmp/unit-clean-XXXXXX";
    struct io *io = io_create(1);
    assert_non_null(mkdtemp(directory));
    run("tar -xJf '" GOLDEN_DISKS "/clean.tar.xz' -C %s", directory);
    check_partition(io, directory, "disk2/compacted-0", 9504);
    check_partition(io, directory, "disk1/compacted-gone-0", 24);
    check_partition(io, directory, "disk2/compacted-txn-0", 14);
    io_destroy(io);
    run("rm -rf %s", directory);
}
