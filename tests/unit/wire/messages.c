/* SPDX-License-Identifier: Apache-2.0 */
/* What the codec promises beyond golden bytes: defaults, tags it does not know, holes, rules,
 * limits. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/consumer_group_member_metadata_record.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/gen/request_header_record.h"
#include "wire/gen/topic_record.h"
#include "wire/print.h"

static struct bytes encode(
    struct arena *arena, const struct message_schema *schema, int16_t version, const void *message)
{
    struct message_extent extent = message_measure(schema, version, message);
    uint8_t *out = arena_take(arena, extent.wire_size);
    size_t size = message_encode(schema, version, message, out, extent.wire_size, NULL);
    assert_int_equal(size, extent.wire_size);
    return (struct bytes){ out, size };
}

/* An absent field reads as its default, not as zero. */
void test_messages__a_version_without_a_field_leaves_its_default(void)
{
    struct arena arena;
    arena_init(&arena);
    struct fetch_request sent, read;
    message_defaults(&fetch_request_schema, &sent);
    sent.max_wait_ms = 500;
    sent.session_epoch = 7;
    struct bytes wire = encode(&arena, &fetch_request_schema, 4, &sent);
    assert_true(message_decode(&fetch_request_schema, 4, wire, &arena, &read, NULL));
    assert_int_equal(read.max_wait_ms, 500);
    assert_int_equal(read.session_epoch, -1);
    assert_int_equal(read.replica_state.replica_epoch, -1);
    assert_null(read.cluster_id.data);
    assert_non_null(read.rack_id.data);
    arena_deinit(&arena);
}

/* A struct that holds only defaults is no tag on the wire; one that does not, is. */
void test_messages__a_tagged_struct_at_its_default_is_left_out(void)
{
    struct arena arena;
    arena_init(&arena);
    struct fetch_response sent, read;
    message_defaults(&fetch_response_schema, &sent);
    sent.responses_count = 1;
    sent.responses = MESSAGE_TAKE(fetch_fetchable_topic_response, &arena, 1);
    sent.responses->partitions_count = 1;
    sent.responses->partitions = MESSAGE_TAKE(fetch_partition_data, &arena, 1);
    size_t bare = encode(&arena, &fetch_response_schema, 17, &sent).size;
    sent.responses->partitions->diverging_epoch.epoch = 3;
    struct bytes wire = encode(&arena, &fetch_response_schema, 17, &sent);
    assert_int_equal(wire.size, bare + 2 + 4 + 8 + 1);
    assert_true(message_decode(&fetch_response_schema, 17, wire, &arena, &read, NULL));
    assert_int_equal(read.responses->partitions->diverging_epoch.epoch, 3);
    assert_int_equal(read.responses->partitions->diverging_epoch.end_offset, -1);
    assert_int_equal(read.responses->partitions->current_leader.leader_id, -1);
    arena_deinit(&arena);
}

/* As Kafka writes a member of the consumer protocol: one byte of the tag says null, and no tag the
 * empty struct. */
void test_messages__a_null_struct_in_a_tag_is_told_from_an_empty_one(void)
{
    static const uint8_t null[] = { 0, 0, 1, 1, 1, 0, 0, 0, 0, 9, 0, 1, 0, 1, 0 },
                         empty[] = { 0, 0, 1, 1, 1, 0, 0, 0, 0, 9, 0, 0 },
                         full[] = { 0, 0, 1, 1, 1, 0, 0, 0, 0, 9, 0, 1, 0, 7, 1, 0, 0, 0, 5, 1, 0 };
    const struct bytes inputs[] = { { null, sizeof(null) }, { empty, sizeof(empty) },
        { full, sizeof(full) } };
    struct consumer_group_member_metadata_record read[3];
    const struct message_schema *schema = &consumer_group_member_metadata_record_schema;
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < 3; i++) {
        size_t used;
        assert_true(message_decode(schema, 0, inputs[i], &arena, &read[i], &used));
        assert_int_equal(used, inputs[i].size);
        assert_int_equal(read[i].rebalance_timeout_ms, 9);
        assert_true(bytes_equal(encode(&arena, schema, 0, &read[i]), inputs[i]));
    }
    assert_null(read[0].classic_member_metadata);
    assert_int_equal(read[1].classic_member_metadata->session_timeout_ms, 0);
    assert_int_equal(read[1].classic_member_metadata->supported_protocols_count, 0);
    assert_int_equal(read[2].classic_member_metadata->session_timeout_ms, 5);
    arena_deinit(&arena);
}

/* Whoever writes a stored record again loses nothing that a later release put there. */
void test_messages__unknown_tags_of_records_are_kept(void)
{
    struct arena arena;
    arena_init(&arena);
    static const uint8_t wire[] = { 2, 'a', 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 5, 2,
        0xaa, 0xbb, 0x81, 0x01, 0 };
    struct topic_record record;
    size_t used;
    assert_true(message_decode(
        &topic_record_schema, 0, (struct bytes){ wire, sizeof(wire) }, &arena, &record, &used));
    assert_int_equal(used, sizeof(wire));
    assert_int_equal(record.unknown_tags.count, 2);
    assert_int_equal(record.unknown_tags.entries[1].tag, 129);
    struct bytes again = encode(&arena, &topic_record_schema, 0, &record);
    assert_true(bytes_equal(again, (struct bytes){ wire, sizeof(wire) }));
    arena_deinit(&arena);
}

/* What clients add to a request is skipped. */
void test_messages__unknown_tags_of_requests_are_skipped(void)
{
    struct arena arena;
    arena_init(&arena);
    static const uint8_t wire[] = { 2, 'a', 2, 'b', 1, 9, 3, 1, 2, 3, 0xee };
    struct api_versions_request request;
    size_t used;
    assert_true(message_decode(&api_versions_request_schema, 3,
        (struct bytes){ wire, sizeof(wire) }, &arena, &request, &used));
    assert_int_equal(used, sizeof(wire) - 1); /* the last byte is not the message's */
    assert_int_equal(request.unknown_tags.count, 0);
    arena_deinit(&arena);
}

/* Records that lie in a file are counted in every length around them, but not written. */
void test_messages__records_without_data_leave_a_hole(void)
{
    struct arena arena;
    arena_init(&arena);
    int source;
    struct produce_partition_produce_data partitions[] = {
        { .index = 1, .records = { .size = 300, .hole = &source } },
        { .index = 2, .records = { .size = -1 } },
    };
    struct produce_topic_produce_data topic = {
        .name = STR("t"), .partition_data = partitions, .partition_data_count = 2
    };
    struct produce_request request = { .acks = -1, .topic_data = &topic, .topic_data_count = 1 };
    struct message_extent extent = message_measure(&produce_request_schema, 9, &request);
    assert_int_equal(extent.hole_count, 1);
    assert_int_equal(extent.hole_size, 300);
    assert_int_equal(message_size(&produce_request_schema, 9, &request), extent.wire_size);

    uint8_t tried[1024];
    struct message_extent again =
        message_try_encode(&produce_request_schema, 9, &request, tried, sizeof(tried));
    assert_int_equal(again.hole_count, 1);
    assert_int_equal(again.wire_size, extent.wire_size);

    struct hole hole;
    size_t capacity = extent.wire_size - extent.hole_size;
    uint8_t *out = arena_take(&arena, capacity), *whole = arena_take(&arena, extent.wire_size);
    assert_int_equal(
        message_encode(&produce_request_schema, 9, &request, out, capacity, &hole), capacity);
    assert_ptr_equal(hole.source, &source);
    memcpy(whole, out, hole.position);
    memset(whole + hole.position, 0x55, 300);
    memcpy(whole + hole.position + 300, out + hole.position, capacity - hole.position);

    struct produce_request read;
    assert_true(message_decode(&produce_request_schema, 9,
        (struct bytes){ whole, extent.wire_size }, &arena, &read, NULL));
    assert_int_equal(read.topic_data->partition_data[0].records.size, 300);
    assert_ptr_equal(read.topic_data->partition_data[0].records.data, whole + hole.position);
    assert_int_equal(read.topic_data->partition_data[1].records.size, -1);
    arena_deinit(&arena);
}

/* One byte of room less than it takes, and it says what it takes; with enough it is as encoded. */
void test_messages__trying_to_encode_says_what_a_message_takes(void)
{
    struct arena arena;
    arena_init(&arena);
    struct topic_record record = { .name = STR("some-topic") };
    struct bytes wire = encode(&arena, &topic_record_schema, 0, &record);
    uint8_t *out = arena_take(&arena, wire.size);
    for (size_t room = 0; room <= wire.size; room++) {
        struct message_extent extent =
            message_try_encode(&topic_record_schema, 0, &record, out, room);
        assert_int_equal(extent.wire_size, wire.size);
        assert_int_equal(extent.hole_size, 0);
        for (size_t i = room; i < wire.size; i++)
            assert_int_equal(out[i], 0); /* nothing beyond its room */
    }
    assert_memory_equal(out, wire.data, wire.size);
    arena_deinit(&arena);
}

/* Whether it is small or not. */
void test_messages__a_message_in_an_arena_stands_behind_its_head(void)
{
    struct arena arena;
    arena_init(&arena);
    for (int32_t size = 1; size < 2000; size += 111) {
        char *name = arena_take(&arena, (size_t)size);
        memset(name, 'n', (size_t)size);
        struct topic_record record = { .name = { name, size } };
        struct bytes wire = encode(&arena, &topic_record_schema, 0, &record);
        struct bytes head = { (const uint8_t *)"head", 4 };
        struct bytes behind = message_in_arena(&arena, head, &topic_record_schema, 0, &record);
        assert_int_equal(behind.size, 4 + wire.size);
        assert_memory_equal(behind.data, "head", 4);
        assert_memory_equal(behind.data + 4, wire.data, wire.size);
        struct bytes alone =
            message_in_arena(&arena, (struct bytes){ 0 }, &topic_record_schema, 0, &record);
        assert_true(bytes_equal(alone, wire));
    }
    arena_deinit(&arena);
}

/* client_id keeps its old encoding in the header that is otherwise flexible. */
void test_messages__the_client_id_is_never_flexible(void)
{
    struct arena arena;
    arena_init(&arena);
    struct request_header_record header = {
        .request_api_key = 3, .request_api_version = 12, .correlation_id = 9, .client_id = STR("me")
    };
    static const uint8_t expected[] = { 0, 3, 0, 12, 0, 0, 0, 9, 0, 2, 'm', 'e', 0 };
    struct bytes wire = encode(&arena, &request_header_record_schema, 2, &header);
    assert_true(bytes_equal(wire, (struct bytes){ expected, sizeof(expected) }));
    assert_int_equal(api_request_header_version(api_schema_find(API_METADATA), 9), 2);
    assert_int_equal(api_response_header_version(api_schema_find(API_METADATA), 9), 1);
    assert_int_equal(api_response_header_version(api_schema_find(API_API_VERSIONS), 3), 0);
    assert_null(api_schema_find(4));
    arena_deinit(&arena);
}

struct ruled {
    bool requires_member_id;
    int8_t value;
    struct unknown_tags unknown_tags;
};

/* A difference in meaning is a bool that the version sets, with nothing on the wire. */
void test_messages__a_rule_is_set_by_the_version(void)
{
    static const struct field fields[] = {
        { .name = "requires_member_id",
            .type = FIELD_RULE,
            .offset = offsetof(struct ruled, requires_member_id),
            .since = 4,
            .until = FIELD_FOR_EVER,
            .nullable_since = FIELD_FOR_EVER,
            .tag = -1 },
        { .name = "value",
            .type = FIELD_INT8,
            .offset = offsetof(struct ruled, value),
            .since = 0,
            .until = FIELD_FOR_EVER,
            .nullable_since = FIELD_FOR_EVER,
            .tag = -1 },
    };
    static const struct ruled unset;
    static const struct message_shape shape = { .name = "ruled",
        .unset = &unset,
        .fields = fields,
        .field_count = 2,
        .smallest = 1,
        .size = sizeof(struct ruled),
        .unknown_tags_offset = offsetof(struct ruled, unknown_tags) };
    static const struct message_schema schema = { "ruled", &shape, -1, 0, 5, FIELD_FOR_EVER,
        FIELD_FOR_EVER, false };
    struct arena arena;
    arena_init(&arena);
    static const uint8_t wire[] = { 7 };
    struct ruled read;
    assert_true(message_decode(&schema, 3, (struct bytes){ wire, 1 }, &arena, &read, NULL));
    assert_false(read.requires_member_id);
    assert_true(message_decode(&schema, 4, (struct bytes){ wire, 1 }, &arena, &read, NULL));
    assert_true(read.requires_member_id && read.value == 7);
    assert_int_equal(message_size(&schema, 4, &read), 1);
    arena_deinit(&arena);
}

/* However many bytes there are, no array holds more than a million entries. */
void test_messages__an_array_of_more_than_a_million_is_refused(void)
{
    size_t size = 4 + 2 * (MESSAGE_MAX_ARRAY + 1) + 3;
    uint8_t *wire = calloc(1, size);
    struct metadata_request request;
    struct arena arena;
    arena_init(&arena);
    store_i32(wire, MESSAGE_MAX_ARRAY); /* empty names of two bytes each */
    assert_true(message_decode(
        &metadata_request_schema, 1, (struct bytes){ wire, size }, &arena, &request, NULL));
    store_i32(wire, MESSAGE_MAX_ARRAY + 1);
    arena_reset(&arena);
    assert_false(message_decode(
        &metadata_request_schema, 1, (struct bytes){ wire, size }, &arena, &request, NULL));
    assert_int_equal(arena.taken, 0);
    arena_deinit(&arena);
    free(wire);
}

/* Nor does what is decoded take more than the arena may. */
void test_messages__an_array_beyond_what_the_arena_may_take_is_refused(void)
{
    enum { COUNT = 1000 };
    uint8_t wire[4 + 2 * COUNT + 3] = { 0 };
    struct metadata_request request;
    struct arena arena;
    arena_init(&arena);
    store_i32(wire, COUNT);
    arena.most = COUNT * (sizeof(*request.topics) + MESSAGE_ENTRY_COST);
    assert_true(message_decode(
        &metadata_request_schema, 1, (struct bytes){ wire, sizeof(wire) }, &arena, &request, NULL));
    arena_reset(&arena);
    arena.most--;
    assert_false(message_decode(
        &metadata_request_schema, 1, (struct bytes){ wire, sizeof(wire) }, &arena, &request, NULL));
    assert_int_equal(arena.taken, 0);
    arena_deinit(&arena);
}

/* Nor do all arrays together hold more than two million: a topic, and its partitions of twelve
 * bytes each. */
void test_messages__arrays_of_more_than_two_million_together_are_refused(void)
{
    enum { TOPICS = 4, EACH = MESSAGE_MAX_ELEMENTS / TOPICS - 1, TOPIC_SIZE = 2 + 4 + 12 * EACH };
    size_t size = 4 + 1 + 4 + (size_t)TOPICS * TOPIC_SIZE + 12;
    uint8_t *wire = calloc(1, size);
    struct list_offsets_request request;
    struct arena arena;
    arena_init(&arena);
    store_i32(wire + 5, TOPICS);
    for (int i = 0; i < TOPICS; i++)
        store_i32(wire + 9 + (size_t)i * TOPIC_SIZE + 2, EACH);
    assert_true(message_decode(
        &list_offsets_request_schema, 2, (struct bytes){ wire, size }, &arena, &request, NULL));
    assert_int_equal(request.topics[TOPICS - 1].partitions_count, EACH);
    store_i32(wire + 9 + (size_t)(TOPICS - 1) * TOPIC_SIZE + 2, EACH + 1);
    arena_reset(&arena);
    assert_false(message_decode(
        &list_offsets_request_schema, 2, (struct bytes){ wire, size }, &arena, &request, NULL));
    arena_deinit(&arena);
    free(wire);
}

/* Nor does a tag section hold more than ten thousand. */
void test_messages__more_than_ten_thousand_tags_are_refused(void)
{
    size_t size = 2 + 2 + 5 * (MESSAGE_MAX_TAGS + 1);
    uint8_t *wire = calloc(1, size);
    wire[0] = wire[1] = 1;
    for (int i = 0; i <= MESSAGE_MAX_TAGS; i++) {
        uint8_t *tag =
            wire + 4 +
            5 * i; /* three bytes of tag, one of size, none of value: then one byte to spare */
        tag[0] = (uint8_t)(0x80 | (i & 0x7f));
        tag[1] = (uint8_t)(0x80 | (i >> 7 & 0x7f));
        tag[2] = 0x04;
        tag[3] = 1;
    }
    struct api_versions_request request;
    struct arena arena;
    arena_init(&arena);
    for (int more = 0; more <= 1; more++) {
        wire[2] = (uint8_t)(0x80 | ((MESSAGE_MAX_TAGS + more) & 0x7f));
        wire[3] = (uint8_t)((MESSAGE_MAX_TAGS + more) >> 7);
        bool ok = message_decode(
            &api_versions_request_schema, 3, (struct bytes){ wire, size }, &arena, &request, NULL);
        assert_int_equal(ok, more == 0);
    }
    arena_deinit(&arena);
    free(wire);
}

/* A client's bytes may be any; what is printed is always JSON. */
void test_messages__text_that_is_not_utf8_is_shown_all_the_same(void)
{
    struct topic_record record = { .name = { "a\xff\xc3\xa9", 4 } };
    char *text = message_print(&topic_record_schema, 0, &record);
    assert_string_equal(
        text, "{\"name\":\"a\xef\xbf\xbd\xc3\xa9\",\"topic_id\":\"AAAAAAAAAAAAAAAAAAAAAA\"}");
    free(text);
}

/* An overlong varint is an error, not another spelling. */
void test_messages__a_varint_beyond_32_bits_is_refused(void)
{
    struct arena arena;
    arena_init(&arena);
    static const uint8_t wire[] = { 0x81, 0x80, 0x80, 0x80, 0x10, 1, 0, 0, 0 };
    struct api_versions_request request;
    assert_false(message_decode(&api_versions_request_schema, 3,
        (struct bytes){ wire, sizeof(wire) }, &arena, &request, NULL));
    arena_deinit(&arena);
}
