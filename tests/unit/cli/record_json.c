/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/record_json.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "test.h"

static struct arena arena;

static struct record round_trip(struct record *record, int64_t *out_partition)
{
    struct batch_options options = batch_options_plain();
    struct buffer *batch = batch_build(&options, record, 1);
    struct batch_header header;
    struct record_reader reader;
    struct record stored, again = { 0 };
    assert_int_equal(batch_parse((struct bytes){ batch->data, batch->size }, &header), BATCH_OK);
    records_begin(&reader, &header,
        (struct bytes){ batch->data + BATCH_HEADER_SIZE, batch->size - BATCH_HEADER_SIZE });
    assert_int_equal(records_next(&reader, &stored), RECORD_OK);
    json_t *line = record_to_json(&stored, STR("t"), 3, &arena);
    char *text = json_dumps(line, JSON_COMPACT);
    const char *wrong = record_from_json(str_from(text), &arena, &again, out_partition);
    if (wrong != NULL)
        fail_msg("%s: %s", text, wrong);
    memory_give(text);
    json_decref(line);
    buffer_unref(batch);
    return again;
}

/* What consume -o json prints, produce -f json makes the same record of: nulls, binary and headers
 * included. */
void test_record_json__reads_back_what_it_prints(void)
{
    static const uint8_t binary[] = { 0, 1, 0xff, 0xfe, 'a' };
    struct record_header headers[] = { { STR("h"), { (const uint8_t *)"v", 1 } },
        { STR("n"), { NULL, 0 } } };
    arena_init(&arena);
    for (size_t size = 0; size <= sizeof(binary); size++) {
        struct record record = { .timestamp = 123,
            .key = { binary, size },
            .value = { NULL, 0 },
            .headers = headers,
            .header_count = 2 };
        int64_t partition;
        struct record again = round_trip(&record, &partition);
        assert_int_equal(partition, 3);
        assert_int_equal(again.timestamp, 123);
        assert_true(bytes_equal(again.key, record.key));
        assert_non_null(again.key.data);
        assert_null(again.value.data);
        assert_int_equal(again.header_count, 2);
        assert_true(str_is(again.headers[0].key, "h"));
        assert_true(bytes_equal(again.headers[0].value, headers[0].value));
        assert_null(again.headers[1].value.data);
    }
    arena_deinit(&arena);
}

void test_record_json__says_what_is_wrong_with_a_line(void)
{
    static const char *const lines[] = { "", "[]", "{\"value\":1}", "{\"partition\":\"a\"}",
        "{\"timestamp\":1.5}", "{\"headers\":{}}", "{\"headers\":[{}]}", "{\"value_base64\":\"*\"}",
        "{\"value\":" };
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct record record = { 0 };
        int64_t partition;
        if (record_from_json(str_from(lines[i]), &arena, &record, &partition) == NULL)
            fail_msg("taken: %s", lines[i]);
    }
    arena_deinit(&arena);
}
