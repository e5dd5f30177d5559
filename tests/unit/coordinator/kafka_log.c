/* SPDX-License-Identifier: Apache-2.0 */
/* The partitions of __consumer_offsets that Apache Kafka 4.4.0 wrote: replayed, and compared with
 * what Kafka itself then said of their groups. */
#include "office.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "coordinator/group_consumer.h"
#include "coordinator/group_unserved.h"
#include "coordinator/offsets.h"
#include "coordinator/subscription.h"
#include "wire/gen/consumer_group_current_member_assignment_record.h"
#include "wire/gen/consumer_group_target_assignment_member_record.h"
#include "wire/gen/describe_groups.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/offset_commit_record.h"
#include "wire/record.h"

enum { PARTITIONS = 5, LIMIT = 1 << 20, MARKER_COMMITS = 1 };

static struct office office;
static bool is_transactional[OFFICE_RECORDS]; /* of office.records */

static struct buffer *output_of(const char *format, const char *disk, int partition)
{
    char command[512];
    snprintf(command, sizeof(command), format, disk, partition);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    struct buffer *buffer = buffer_create(8 << 20);
    buffer->size = fread(buffer->data, 1, buffer->capacity, pipe);
    assert_int_equal(pclose(pipe), 0);
    assert_true(buffer->size > 0 && buffer->size < buffer->capacity);
    return buffer;
}

static json_t *expected_of(const char *disk)
{
    struct buffer *text = output_of("xz -dc '" GOLDEN_DISKS "/%s.expected.json.xz' # %d", disk, 0);
    json_t *expected = json_loadb((const char *)text->data, text->size, JSON_ALLOW_NUL, NULL);
    assert_non_null(expected);
    buffer_unref(text);
    return expected;
}

static void take_record(const struct batch_header *header, const struct record *record)
{
    int64_t producer_id = batch_is_transactional(header) ? header->producer_id : -1;
    if (batch_is_control(header)) {
        bool committed = load_i16(record->key.data + 2) == MARKER_COMMITS;
        coordinator_replay_marker(&office.coordinator, producer_id, committed);
        return;
    }
    struct rsm_record bytes = { record->key, record->value };
    assert_true(coordinator_replay(&office.coordinator, record->offset, bytes, producer_id));
    bytes.key.data = arena_copy(&office.arena, bytes.key.data, bytes.key.size);
    if (bytes.value.data != NULL)
        bytes.value.data = arena_copy(&office.arena, bytes.value.data, bytes.value.size);
    is_transactional[office.count] = producer_id >= 0;
    office.records[office.count++] = bytes;
}

static void load(const char *disk, int partition)
{
    struct buffer *log = output_of("tar -xJOf '" GOLDEN_DISKS
                                   "/%s.tar.xz' --wildcards 'disk?/__consumer_offsets-%d/*.log'",
        disk, partition);
    struct decompressor *decompressor = decompressor_create();
    struct batch_header header;
    office_init(&office);
    for (size_t at = 0; at < log->size; at += header.size) {
        struct bytes records;
        struct buffer *owner;
        struct record_reader reader;
        struct record record;
        uint8_t *batch = log->data + at;
        assert_int_equal(batch_parse((struct bytes){ batch, log->size - at }, &header), BATCH_OK);
        assert_int_equal(batch_records(decompressor, batch, &header, LIMIT, &records, &owner), 0);
        records_begin(&reader, &header, records);
        while (records_next(&reader, &record) == RECORD_OK)
            take_record(&header, &record);
        buffer_unref(owner);
    }
    office_begin(&office);
    assert_int_equal(office.coordinator.skipped, 0);
    decompressor_destroy(decompressor);
    buffer_unref(log);
}

static bool says(const json_t *expected, const char *key, struct str text)
{
    return str_is(text, json_string_value(json_object_get(expected, key)));
}

/* Types are told as Kafka's admin client spells them; on the wire they have small letters. */
static bool says_type(const json_t *expected, struct str type)
{
    const char *text = json_string_value(json_object_get(expected, "type"));
    return strlen(text) == (size_t)type.size && strncasecmp(text, type.data, (size_t)type.size) == 0;
}

static void compare_offsets(const struct group *group, const json_t *expected)
{
    const char *name;
    const json_t *told;
    size_t count = 0;
    json_object_foreach((json_t *)expected, name, told)
    {
        const char *dash = strrchr(name, '-');
        const struct committed_offset *at =
            offset_find(group, (struct str){ name, (int32_t)(dash - name) }, atoi(dash + 1));
        assert_non_null(at);
        const json_t *epoch = json_object_get(told, "leader_epoch");
        assert_true(at->is_committed);
        assert_int_equal(at->offset, json_integer_value(json_object_get(told, "offset")));
        assert_int_equal(at->leader_epoch, json_is_null(epoch) ? -1 : json_integer_value(epoch));
        struct str metadata = { at->metadata == NULL ? "" : at->metadata, at->metadata_size };
        assert_true(says(told, "metadata", metadata));
    }
    for (const struct topic_offsets *topic = group->offsets; topic != NULL; topic = topic->hh.next)
        count += (size_t)topic->count;
    assert_int_equal(count, json_object_size(expected));
}

static void compare_assignment(struct bytes blob, const json_t *expected)
{
    struct consumer_protocol_assignment_record assignment;
    size_t count = 0;
    assert_true(subscription_parse_assignment(blob, &office.arena, &assignment));
    for (int32_t i = 0; i < assignment.assigned_partitions_count; i++) {
        const struct consumer_protocol_assignment_record_topic_partition *topic =
            &assignment.assigned_partitions[i];
        for (int32_t k = 0; k < topic->partitions_count; k++, count++) {
            const char *name = arena_format(
                &office.arena, "%.*s-%d", STR_PRINT(topic->topic), topic->partitions[k]);
            assert_string_equal(json_string_value(json_array_get(expected, count)), name);
        }
    }
    assert_int_equal(count, json_array_size(expected));
}

/* As DescribeGroups tells them; the order in which Kafka does is that of its map. */
static void compare_classic_members(struct str id, const json_t *expected)
{
    struct describe_groups_described_group told = { 0 };
    const json_t *members = json_object_get(expected, "members"), *member;
    size_t i;
    office_ask(&office, COORDINATOR_DESCRIBE_GROUP, 6, &id, &told);
    assert_int_equal(told.error_code, ERROR_NONE);
    assert_true(says(expected, "state", told.group_state));
    assert_true(
        says(expected, "assignor", str_is_null(told.protocol_data) ? STR("") : told.protocol_data));
    assert_int_equal(told.members_count, json_array_size(members));
    json_array_foreach(members, i, member)
    {
        int32_t k = 0;
        while (k < told.members_count && !says(member, "member_id", told.members[k].member_id))
            k++;
        assert_true(k < told.members_count);
        assert_true(says(member, "instance_id", told.members[k].group_instance_id));
        assert_true(says(member, "client_id", told.members[k].client_id));
        assert_true(says(member, "host", told.members[k].client_host));
        assert_true(told.members[k].member_metadata.size > 0);
        compare_assignment(
            told.members[k].member_assignment, json_object_get(member, "assignment"));
    }
}

/* Share groups keep theirs elsewhere. */
static void compare_group(const struct list_groups_listed_group *listed, const json_t *expected)
{
    const struct group *group = group_find(&office.coordinator, listed->group_id);
    assert_non_null(expected);
    if (!says_type(expected, STR("share")))
        compare_offsets(group, json_object_get(expected, "offsets"));
    else
        assert_null(group->offsets);
    assert_true(says_type(expected, listed->group_type));
    assert_true(says(expected, "state", listed->group_state));
    assert_true(says(expected, "protocol", listed->protocol_type));
    if (says_type(expected, STR("classic")))
        compare_classic_members(listed->group_id, json_object_get(expected, "describe"));
}

static int32_t compare_groups(const json_t *expected)
{
    struct list_groups_request request;
    struct list_groups_response response;
    message_defaults(&list_groups_request_schema, &request);
    message_defaults(&list_groups_response_schema, &response);
    office_ask(&office, COORDINATOR_LIST_GROUPS, 5, &request, &response);
    for (int32_t i = 0; i < response.groups_count; i++) {
        const struct str id = response.groups[i].group_id;
        compare_group(&response.groups[i], json_object_getn(expected, id.data, (size_t)id.size));
    }
    return response.groups_count;
}

/* Topics of an assignment stand in Kafka's as they fall, in ours by their ids: the same bytes, in
 * another order. */
static bool is_alike(struct rsm_record one, struct rsm_record other)
{
    int16_t type = load_i16(one.key.data);
    int32_t counts[256] = { 0 };
    if (bytes_equal(one.value, other.value))
        return true;
    if ((type != CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_RECORD_TYPE &&
            type != CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_RECORD_TYPE) ||
        one.value.size != other.value.size)
        return false;
    for (size_t i = 0; i < one.value.size; i++) {
        counts[one.value.data[i]]++;
        counts[other.value.data[i]]--;
    }
    for (int i = 0; i < 256; i++)
        if (counts[i] != 0)
            return false;
    return true;
}

/* As the newest of its key; but what came in a transaction may have been taken back. */
static bool stands(struct rsm_record record)
{
    for (int32_t i = office.count - 1; i >= 0; i--) {
        if (!bytes_equal(office.records[i].key, record.key))
            continue;
        if (is_alike(office.records[i], record))
            return true;
        if (!is_transactional[i])
            return false;
    }
    return false;
}

static bool is_dumped(struct rsm_record record, const struct rsm_decision *dumped)
{
    for (int32_t i = 0; i < dumped->record_count; i++)
        if (bytes_equal(dumped->records[i].key, record.key))
            return true;
    return false;
}

/* Plain, and nothing of its key comes behind it. */
static bool counts(int32_t at)
{
    for (int32_t i = at + 1; i < office.count; i++)
        if (bytes_equal(office.records[i].key, office.records[at].key))
            return false;
    return !is_transactional[at] && office.records[at].value.data != NULL;
}

/* What is dumped stands in the log, byte for byte but for the order of topics, and all that does is dumped; what a dump gives
 * is dumped the same. */
static void check_dump(void)
{
    struct rsm_decision dumped = { .arena = &office.arena }, again = { .arena = &office.arena };
    struct coordinator replayed;
    coordinator_dump(&office.coordinator, &dumped);
    coordinator_init(&replayed, &office.coordinator.settings);
    for (int32_t i = 0; i < dumped.record_count; i++) {
        assert_true(stands(dumped.records[i]));
        assert_true(coordinator_replay(&replayed, i, dumped.records[i], -1));
    }
    for (int32_t i = 0; i < office.count; i++)
        assert_true(!counts(i) || is_dumped(office.records[i], &dumped));
    coordinator_dump(&replayed, &again);
    office_same_records(&dumped, &again);
    coordinator_deinit(&replayed);
}

static void check_disk(const char *disk)
{
    json_t *expected = expected_of(disk), *groups = json_object_get(expected, "groups");
    int32_t found = 0;
    for (int partition = 0; partition < PARTITIONS; partition++) {
        load(disk, partition);
        found += compare_groups(groups);
        for (const struct group *at = office.coordinator.groups; at != NULL; at = at->hh.next)
            assert_int_equal(group_home_index(group_id(at), PARTITIONS), partition);
        check_dump();
        office_deinit(&office);
    }
    assert_int_equal(found, json_object_size(groups));
    json_decref(expected);
}

void test_kafka_log__a_disk_that_kafka_closed_shows_the_same_groups(void)
{
    check_disk("clean");
}

void test_kafka_log__a_disk_of_a_kafka_that_was_killed_shows_the_same_groups(void)
{
    check_disk("killed");
}

/* Which partition has the group is a matter of its name. Ends with it in office. */
static const struct group *load_group(const char *disk, const char *name)
{
    for (int partition = 0; partition < PARTITIONS; partition++) {
        load(disk, partition);
        const struct group *group = group_find(&office.coordinator, str_from(name));
        if (group != NULL)
            return group;
        office_deinit(&office);
    }
    fail();
    return NULL;
}

/* The broker was killed in the middle of a transaction that had committed 99. */
static void end_open_transaction(bool commits, int64_t expected_offset)
{
    json_t *expected = expected_of("killed");
    const json_t *open = json_object_get(json_object_get(expected, "transactions"), "t-open");
    const struct group *group = load_group("killed", "txn-group");
    assert_int_equal(offset_find(group, STR("codecs"), 0)->pending, 1);
    assert_int_equal(offset_find(group, STR("codecs"), 0)->offset, 42);
    coordinator_replay_marker(
        &office.coordinator, json_integer_value(json_object_get(open, "producer_id")), commits);
    assert_int_equal(offset_find(group, STR("codecs"), 0)->pending, 0);
    assert_int_equal(offset_find(group, STR("codecs"), 0)->offset, expected_offset);
    assert_null(office.coordinator.pending);
    office_deinit(&office);
    json_decref(expected);
}

void test_kafka_log__an_open_transaction_is_pending_until_its_marker(void)
{
    end_open_transaction(true, 99);
    end_open_transaction(false, 42);
}
