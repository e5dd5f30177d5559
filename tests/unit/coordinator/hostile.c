/* SPDX-License-Identifier: Apache-2.0 */
/* Records that no coordinator wrote: a log that rotted, or one of a later release. Loading them
 * never crashes, and what cannot be read is refused or skipped, not guessed at. */
#include "office.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "coordinator/record.h"
#include "wire/gen/consumer_group_metadata_record.h"
#include "wire/gen/consumer_group_regular_expression_record.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/offset_fetch.h"

enum { SAMPLES = 200, GROUPS = 4, PRODUCERS = 3 };

/* Golden keys and values of every type and version, with what the log puts before them. */
struct sample {
    struct bytes key, value;
};
static struct sample samples[SAMPLES];
static int32_t sample_count;
static struct arena sample_arena;
static struct office office;

static struct bytes bytes_of(int16_t prefix, const char *hex)
{
    size_t size = strcspn(hex, "\t\n") / 2;
    uint8_t *data = arena_take(&sample_arena, 2 + size);
    store_i16(data, prefix);
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        data[2 + i] = (uint8_t)byte;
    }
    return (struct bytes){ data, 2 + size };
}

/* Lines are `role, version, filling, hex, JSON`, parted by tabs; keys stand before values. */
static void read_samples(const struct record_schema *schema)
{
    char path[4096], *line = NULL;
    size_t capacity = 0;
    struct bytes key = { 0 };
    snprintf(path, sizeof(path), "%s/records/%s", GOLDEN_DIR, schema->name);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    while (getline(&line, &capacity, stream) > 0) {
        char *rest = line, *role = strsep(&rest, "\t"), *version = strsep(&rest, "\t");
        strsep(&rest, "\t");
        if (strcmp(role, "key") == 0) {
            key = bytes_of(schema->type, rest);
            continue;
        }
        assert_true(sample_count < SAMPLES);
        samples[sample_count++] = (struct sample){ key, bytes_of((int16_t)atoi(version), rest) };
    }
    free(line);
    fclose(stream);
}

static void begin(void)
{
    office_init(&office);
    office_add_topic(&office, "in", 2);
    arena_init(&sample_arena);
    sample_count = 0;
    for (int32_t i = 0; i < record_schema_count; i++)
        if (record_schemas[i].topic == RECORDS_CONSUMER_OFFSETS)
            read_samples(&record_schemas[i]);
    assert_true(sample_count > 50);
}

static void end(void)
{
    office_deinit(&office);
    arena_deinit(&sample_arena);
}

/* From memory of exactly that size, so that a sanitizer sees who reads beyond. */
static bool replay(struct bytes key, struct bytes value, int64_t producer_id)
{
    uint8_t *key_copy = malloc(key.size), *value_copy = malloc(value.size);
    struct rsm_record record = { .key = { key_copy, key.size } };
    memcpy(key_copy, key.data, key.size);
    if (value.data != NULL) {
        memcpy(value_copy, value.data, value.size);
        record.value = (struct bytes){ value_copy, value.size };
    }
    bool is_good = coordinator_replay(&office.coordinator, office.count, record, producer_id);
    free(key_copy);
    free(value_copy);
    return is_good;
}

static void check_nothing_is_kept(void)
{
    struct rsm_decision dumped = { .arena = &office.arena };
    coordinator_dump(&office.coordinator, &dumped);
    assert_int_equal(dumped.record_count, 0);
    assert_null(office.coordinator.groups);
    assert_null(office.coordinator.pending);
}

static void refuse_every_cut(struct bytes key, struct bytes value)
{
    for (size_t size = 0; size < key.size; size++)
        assert_false(replay((struct bytes){ key.data, size }, value, -1));
    for (size_t size = 0; size < value.size; size++)
        assert_false(replay(key, (struct bytes){ value.data, size }, -1));
}

static struct bytes with_another_byte(struct bytes bytes)
{
    uint8_t *longer = arena_take(&sample_arena, bytes.size + 1);
    memcpy(longer, bytes.data, bytes.size);
    return (struct bytes){ longer, bytes.size + 1 };
}

void test_hostile__a_record_that_is_cut_or_too_long_is_refused(void)
{
    begin();
    for (int32_t i = 0; i < sample_count; i++) {
        refuse_every_cut(samples[i].key, samples[i].value);
        assert_false(replay(with_another_byte(samples[i].key), samples[i].value, -1));
        assert_false(replay(samples[i].key, with_another_byte(samples[i].value), -1));
    }
    assert_int_equal(office.coordinator.skipped, 0);
    check_nothing_is_kept();
    end();
}

/* KIP-1043: those of a later release, or of one that Kafka has left behind. */
void test_hostile__types_and_versions_that_nobody_knows_are_skipped_and_counted(void)
{
    static const int16_t types[] = { INT16_MIN, -1, 9, 18, 24, 999, INT16_MAX };
    int64_t skipped = 0;
    begin();
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        struct bytes key = with_another_byte(samples[0].key);
        store_i16((uint8_t *)key.data, types[i]);
        assert_true(replay(key, samples[0].value, -1));
        assert_true(replay(key, (struct bytes){ 0 }, -1));
        skipped += 2;
    }
    for (int32_t i = 0; i < sample_count; i++) {
        struct bytes value = with_another_byte(samples[i].value);
        store_i16((uint8_t *)value.data, 5);
        assert_true(replay(samples[i].key, value, -1));
        store_i16((uint8_t *)value.data, -1);
        assert_true(replay(samples[i].key, value, -1));
        skipped += 2;
    }
    assert_int_equal(office.coordinator.skipped, skipped);
    check_nothing_is_kept();
    end();
}

/* It is counted by that name, and must be forgotten by the same. */
void test_hostile__a_name_may_hold_a_nul(void)
{
    struct str topics[] = { { "in\0side", 7 }, STR("in") };
    struct consumer_group_regular_expression_record value = { .topics = topics, .topics_count = 2 };
    struct consumer_group_regular_expression_record_key key = { .group_id = STR("g"),
        .regular_expression = STR("i.*") };
    begin();
    struct rsm_record record = coordinator_record_encode(
        &office.arena, record_schema_named("consumer_group_regular_expression"), &key, 0, &value);
    assert_true(replay(record.key, record.value, -1));
    assert_true(replay(record.key, (struct bytes){ 0 }, -1));
    assert_true(replay(record.key, record.value, -1));
    end();
}

/* Only who is no member at all may leave out its id. */
void test_hostile__a_member_without_an_id_is_unknown(void)
{
    struct consumer_group_metadata_record value = { .epoch = 3 };
    struct consumer_group_metadata_record_key key = { .group_id = STR("g") };
    struct offset_fetch_request_group fetch = { .group_id = STR("g"), .topics_count = -1 };
    begin();
    struct rsm_record record = coordinator_record_encode(
        &office.arena, record_schema_named("consumer_group_metadata"), &key, 0, &value);
    assert_true(replay(record.key, record.value, -1));
    for (fetch.member_epoch = -1; fetch.member_epoch < 2; fetch.member_epoch++) {
        struct offset_fetch_response_group fetched = { 0 };
        office_ask(&office, COORDINATOR_OFFSET_FETCH, 9, &fetch, &fetched);
        assert_int_equal(
            fetched.error_code, fetch.member_epoch < 0 ? ERROR_NONE : ERROR_UNKNOWN_MEMBER_ID);
    }
    end();
}

/* A few groups, so that records meet; then what rot does. */
static struct bytes mutate(struct prng *prng, struct bytes bytes, bool is_key)
{
    size_t size = bytes.size + prng_below(prng, 3);
    uint8_t *data = arena_take(&office.arena, size);
    memcpy(data, bytes.data, bytes.size);
    if (is_key && bytes.size > 4)
        data[4] = (uint8_t)('a' + prng_below(prng, GROUPS));
    if (prng_below(prng, 3) > 0)
        return (struct bytes){ data, bytes.size };
    for (uint64_t flips = prng_below(prng, 4); flips > 0; flips--)
        data[prng_below(prng, size)] ^= (uint8_t)(1u << prng_below(prng, 8));
    return (struct bytes){ data, prng_below(prng, 4) == 0 ? prng_below(prng, size + 1) : size };
}

static void replay_something(struct prng *prng)
{
    const struct sample *one = &samples[prng_below(prng, (uint64_t)sample_count)],
                        *other = &samples[prng_below(prng, (uint64_t)sample_count)];
    struct bytes key = mutate(prng, one->key, true), value = { 0 };
    if (prng_below(prng, 4) > 0)
        value = mutate(prng, prng_below(prng, 10) == 0 ? other->value : one->value, false);
    struct coordinator_record parsed;
    enum coordinator_record_kind kind =
        coordinator_record_parse((struct rsm_record){ key, value }, &office.arena, &parsed);
    int64_t skipped = office.coordinator.skipped;
    bool is_good = replay(key, value, (int64_t)prng_below(prng, PRODUCERS + 1) - 1);
    assert_true(kind == COORDINATOR_RECORD_GOOD || is_good == (kind == COORDINATOR_RECORD_UNKNOWN));
    skipped += kind == COORDINATOR_RECORD_UNKNOWN;
    assert_int_equal(office.coordinator.skipped, skipped);
}

/* Whatever stands there can be asked about. */
static void ask_something(struct prng *prng)
{
    struct list_groups_request list;
    struct list_groups_response listed;
    message_defaults(&list_groups_request_schema, &list);
    message_defaults(&list_groups_response_schema, &listed);
    office_ask(&office, COORDINATOR_LIST_GROUPS, 5, &list, &listed);
    if (listed.groups_count == 0)
        return;
    struct str id = listed.groups[prng_below(prng, (uint64_t)listed.groups_count)].group_id;
    struct offset_fetch_request_group fetch = {
        .group_id = id, .member_epoch = -1, .topics_count = -1
    };
    struct offset_fetch_response_group fetched = { 0 };
    office_ask(&office, COORDINATOR_OFFSET_FETCH, 9, &fetch, &fetched);
    enum error error;
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    if (prng_below(prng, 4) == 0)
        office_ask(&office, COORDINATOR_DELETE_GROUP, 2, &id, &error);
}

static void check_dump(void)
{
    struct rsm_decision dumped = { .arena = &office.arena }, again = { .arena = &office.arena };
    struct coordinator replayed;
    coordinator_dump(&office.coordinator, &dumped);
    coordinator_init(&replayed, &office.coordinator.settings);
    for (int32_t i = 0; i < dumped.record_count; i++)
        assert_true(coordinator_replay(&replayed, i, dumped.records[i], -1));
    coordinator_dump(&replayed, &again);
    office_same_records(&dumped, &again);
    coordinator_deinit(&replayed);
}

void test_hostile__no_history_of_records_breaks_the_coordinator(void)
{
    struct prng prng;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        prng_init(&prng, seed);
        begin();
        for (int step = 0; step < 1000; step++) {
            replay_something(&prng);
            if (prng_below(&prng, 20) == 0)
                coordinator_replay_marker(&office.coordinator,
                    (int64_t)prng_below(&prng, PRODUCERS), prng_below(&prng, 2) == 0);
            if (prng_below(&prng, 50) == 0)
                ask_something(&prng);
        }
        check_dump();
        end();
    }
}
