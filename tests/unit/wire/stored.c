/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/stored.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

#define BYTES(...)                                                                                 \
    ((struct bytes){ (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) })

static void assert_prints(json_t *json, const char *expected)
{
    assert_non_null(json);
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

/* Type and version come from the frame, the fields from the schema. */
void test_stored__prints_a_metadata_record(void)
{
    struct bytes value = BYTES(1, 2, 0, 2, 'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    assert_prints(stored_value_to_json(RECORDS_CLUSTER_METADATA, (struct bytes){ 0 }, value),
        "{\"type\":\"topic\",\"version\":0,\"data\":"
        "{\"name\":\"a\",\"topic_id\":\"AAAAAAAAAAAAAAAAAAAAAA\"}}");
    struct bytes later = BYTES(1, 2, 9, 2, 'a');
    assert_null(stored_value_to_json(RECORDS_CLUSTER_METADATA, (struct bytes){ 0 }, later));
}

/* The key says what the value is; a null value deletes. */
void test_stored__prints_a_committed_offset(void)
{
    struct bytes key = BYTES(0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 3);
    struct bytes value = BYTES(0, 0, 0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7);
    enum record_topic topic = stored_topic(STR("__consumer_offsets"));
    assert_prints(stored_key_to_json(topic, key),
        "{\"type\":\"offset_commit\",\"version\":0,\"data\":"
        "{\"group\":\"g\",\"topic\":\"t\",\"partition\":3}}");
    assert_prints(stored_value_to_json(topic, key, value),
        "{\"type\":\"offset_commit\",\"version\":0,\"data\":"
        "{\"offset\":42,\"metadata\":\"\",\"commit_timestamp\":7}}");
    assert_prints(stored_value_to_json(topic, key, (struct bytes){ 0 }), "null");
}

/* A marker has its version in front; the quorum's records have it as a field. */
void test_stored__prints_control_records(void)
{
    assert_prints(stored_control_to_json(BYTES(0, 0, 0, 1), BYTES(0, 0, 0, 0, 0, 5)),
        "{\"type\":\"commit\",\"version\":0,\"data\":{\"coordinator_epoch\":5}}");
    assert_prints(stored_control_to_json(BYTES(0, 0, 0, 5), BYTES(0, 0, 0, 1, 0)),
        "{\"type\":\"kraft_version\",\"version\":0,\"data\":{\"version\":0,\"kraft_version\":1}}");
    assert_null(stored_control_to_json(BYTES(0, 0, 0, 7), BYTES(0, 0)));
}

/* What is no record of Kafka's own is left alone. */
void test_stored__knows_nothing_of_users_records(void)
{
    enum record_topic topic = stored_topic(STR("orders"));
    assert_int_equal(topic, RECORDS_OTHER);
    assert_null(stored_key_to_json(topic, BYTES(0, 1, 0, 0)));
    assert_null(stored_value_to_json(topic, BYTES(0, 1, 0, 0), BYTES(0, 0)));
    assert_null(stored_value_to_json(RECORDS_CONSUMER_OFFSETS, BYTES(0), BYTES(0, 0)));
}
