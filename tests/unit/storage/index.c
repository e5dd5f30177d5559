/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/prng.h"
#include "io/file.h"
#include "io/io.h"
#include "test.h"

/* Any lookup answers what walking all entries would. */
void test_index__finds_what_a_walk_finds(void)
{
    struct prng prng;
    prng_init(&prng, 1);
    for (int round = 0; round < 50; round++) {
        struct index offsets, times;
        int64_t offset = 1000, position = 0, timestamp = 0;
        int count = (int)prng_below(&prng, 60);
        index_init(&offsets, INDEX_OFFSET);
        index_init(&times, INDEX_TIME);
        for (int i = 0; i < count; i++) {
            offset += 1 + (int64_t)prng_below(&prng, 5);
            position += 100;
            timestamp += (int64_t)prng_below(&prng, 3);
            index_add_offset(&offsets, 1000, offset, position);
            index_add_time(&times, 1000, timestamp, offset); /* not added when it is not newer */
        }
        for (int64_t wanted = 999; wanted < offset + 3; wanted++) {
            int32_t expected = -1;
            for (int32_t i = 0; i < offsets.count; i++)
                if (index_offset_at(&offsets, i, 1000, &position) <= wanted)
                    expected = i;
            assert_int_equal(index_find_offset(&offsets, 1000, wanted), expected);
        }
        for (int64_t wanted = -50; wanted < 100 * count + 150; wanted += 50) {
            int32_t expected = 0;
            for (int64_t at; expected < offsets.count; expected++) {
                index_offset_at(&offsets, expected, 1000, &at);
                if (at >= wanted)
                    break;
            }
            assert_int_equal(index_find_position(&offsets, wanted), expected);
        }
        for (int64_t wanted = -1; wanted < timestamp + 3; wanted++) {
            int32_t expected = -1;
            for (int32_t i = 0; i < times.count; i++)
                if (index_time_at(&times, i, 1000, &offset) <= wanted)
                    expected = i;
            assert_int_equal(index_find_time(&times, wanted), expected);
        }
        index_deinit(&offsets);
        index_deinit(&times);
    }
}

/* Of a file that is preallocated, torn or garbage, the entries that can be true are taken and the
 * rest is not. */
void test_index__takes_the_prefix_that_can_be_true(void)
{
    char path[] = "/tmp/unit-index-XXXXXX";
    uint8_t bytes[200] = { 0 };
    struct io *io = io_create(1);
    struct index index, loaded = { .kind = INDEX_OFFSET };
    struct file *file;
    close(mkstemp(path));
    index_init(&index, INDEX_OFFSET);
    for (int i = 1; i <= 10; i++)
        index_add_offset(&index, 0, i * 3, i * 50);
    memcpy(bytes, index.data, 80);
    assert_int_equal(file_open(io, path, FILE_CREATE, &file), 0);
    assert_int_equal(file_write_all(file, bytes, sizeof(bytes), 0), 0);
    assert_int_equal(index_load(&loaded, io, path), 0);
    assert_int_equal(loaded.count, 10); /* zeros behind */
    assert_true(loaded.cut);
    for (size_t at = 0; at < 80; at++) {
        uint8_t changed = (uint8_t)~bytes[at];
        assert_int_equal(file_write_all(file, &changed, 1, (int64_t)at), 0);
        assert_int_equal(index_load(&loaded, io, path), 0);
        assert_true(loaded.count <= 10);
        for (int32_t i = 1; i < loaded.count; i++) {
            int64_t before, here;
            assert_true(index_offset_at(&loaded, i - 1, 0, &before) <
                        index_offset_at(&loaded, i, 0, &here));
            assert_true(before < here);
        }
        assert_int_equal(file_write_all(file, bytes + at, 1, (int64_t)at), 0);
    }
    for (int64_t size = 199; size >= 0; size--) {
        assert_int_equal(file_truncate(file, size), 0);
        assert_int_equal(index_load(&loaded, io, path), 0);
        assert_int_equal(loaded.count, size / 8 < 10 ? size / 8 : 10);
    }
    file_unref(file);
    assert_int_equal(file_unlink(io, path), 0);
    index_deinit(&index);
    index_deinit(&loaded);
    io_destroy(io);
}
