/* SPDX-License-Identifier: Apache-2.0 */
/* What people write: settings in a file, the environment and --override; single values of every row, as they come at run time;
 * lists of limits; records as lines of JSON; places. What is taken is printed, taken again, and the same; what is refused
 * is explained. What a value must be is also said here, in other words: a number within its row's bounds, and of what was said more
 * than once the last word. The first byte chooses. */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "broker/settings_input.h"
#include "broker/settings_rows.h"
#include "cli/place.h"
#include "cli/record_json.h"
#include "fuzz/input.h"
#include "wire/record.h"

enum { MOST_WORDS = 16 };

static struct str text_of(struct bytes bytes)
{
    return (struct str){ (const char *)bytes.data, (int32_t)bytes.size };
}

/* NUL-terminated: what an environment and a command line can hold. */
static char *word_of(struct bytes bytes, struct arena *arena)
{
    char *word = arena_take(arena, bytes.size + 1);
    memcpy(word, bytes.data, bytes.size);
    return word;
}

static void check_node(const struct node_settings *node)
{
    assert(node->is_broker || node->is_controller);
    assert(node->listener_count > 0 && node->shards >= 1 && node->workers >= 1 && node->log_dir_count >= 1);
    assert(node->queued_max_request_bytes >= 1 << 20);
    for (int i = 0; i < node->listener_count; i++)
        assert(node->listeners[i].port >= 0 && node->listeners[i].port <= 65535 && node->listeners[i].name.size > 0);
    for (int i = 0; i < node->quorum_voter_count; i++)
        assert(node->quorum_voters[i].port > 0 && node->quorum_voters[i].port <= 65535);
}

/* Words, each after its length: overrides and variables in turn; what is left is the file. */
static void read_all(struct input *input, struct arena *arena)
{
    const struct settings_machine machine = { .cpu_count = 4, .memory_size = INT64_C(1) << 30, .host_name = STR("node") };
    char *environment[MOST_WORDS + 1] = { 0 };
    struct settings_input said;
    struct node_settings node;
    settings_input_init(&said);
    int words = input_byte(input) % MOST_WORDS, variables = 0;
    struct bytes overrides[MOST_WORDS];
    int override_count = 0;
    for (int i = 0; i < words; i++) {
        struct bytes word = input_take(input, input_byte(input));
        if (i % 2 == 0)
            overrides[override_count++] = word;
        else
            environment[variables++] = word_of(word, arena);
    }
    settings_input_file(&said, STR("file"), text_of(input_rest(input)));
    settings_input_environment(&said, environment);
    for (int i = 0; i < override_count; i++)
        settings_input_override(&said, text_of(overrides[i]));
    bool ok = settings_read(&said, &machine, &node);
    assert(ok == (said.problems == NULL));
    if (ok)
        check_node(&node);
    node_settings_deinit(&node);
    settings_input_deinit(&said);
}

static bool is_whole(const struct setting *row)
{
    return row->type == SETTING_INT16 || row->type == SETTING_INT32 || row->type == SETTING_INT64;
}

/* STROM_NUM_PARTITIONS for num.partitions. */
static char *variable_of(const char *name, struct arena *arena)
{
    char *variable = arena_take(arena, 8 + 3 * strlen(name)), *at = variable + 6;
    memcpy(variable, "STROM_", 6);
    for (; *name != 0; name++) {
        int underscores = *name == '.' ? 1 : *name == '_' ? 2 : *name == '-' ? 3 : 0;
        for (int i = 0; i < underscores; i++)
            *at++ = '_';
        if (underscores == 0)
            *at++ = (char)toupper((unsigned char)*name);
    }
    return variable;
}

/* One setting, said in up to three places: an override is the last word, then the environment, then the file. */
static void say_often(struct bytes bytes, struct arena *arena)
{
    struct input input = input_of(bytes.data, bytes.size);
    struct settings_input said;
    const struct setting *row = &node_setting_rows[input_number(&input, 2) % (unsigned)node_setting_row_count];
    int64_t numbers[] = { input_odd(&input), input_odd(&input), input_odd(&input) };
    uint8_t places = input_byte(&input);
    char *environment[] = { NULL, NULL };
    settings_input_init(&said);
    if (places & 1)
        settings_input_file(&said, STR("file"), str_from(arena_format(arena, "%s=%lld\n", row->name, (long long)numbers[0])));
    if (places & 2)
        environment[0] = (char *)(uintptr_t)arena_format(arena, "%s=%lld", variable_of(row->name, arena), (long long)numbers[1]);
    settings_input_environment(&said, environment);
    if (places & 4)
        settings_input_override(&said, str_from(arena_format(arena, "%s=%lld", row->name, (long long)numbers[2])));
    const struct settings_said *last = settings_input_find(&said, str_from(row->name));
    assert((last != NULL) == ((places & 7) != 0));
    const char *word = last == NULL ? NULL : arena_format(arena, "%lld", (long long)numbers[places & 4 ? 2 : places & 2 ? 1 : 0]);
    assert(last == NULL || str_is(last->value, word));
    settings_input_deinit(&said);
}

static void check_number(const struct setting *row, struct str text, bool is_taken)
{
    int64_t number;
    if (!is_whole(row) || !str_to_int64(str_trim(text), &number))
        return;
    int64_t most = row->type == SETTING_INT16 ? INT16_MAX : row->type == SETTING_INT32 ? INT32_MAX : INT64_MAX;
    bool fits = number <= most && number >= -most - 1;
    fits = fits && (!row->bounded || ((double)number >= row->min && (double)number <= row->max));
    fits = fits && ((row->flags & SETTING_NOT_ZERO) == 0 || number != 0);
    assert(is_taken == fits);
}

static void check_row(const struct setting *row, struct str text, struct arena *arena)
{
    struct str message = { 0 };
    setting_list_fault(row, text, false, arena);
    bool is_taken = setting_parse(row, text, arena, NULL, &message);
    check_number(row, text, is_taken);
    if (!is_taken) {
        assert(message.size > 0);
        setting_describe_fault(row, text, arena);
        setting_describe_valid(row, arena);
        return;
    }
    struct str normal = setting_normalize(row, text, arena);
    assert(setting_parse(row, normal, arena, NULL, &message));
    assert(str_equal(setting_normalize(row, normal, arena), normal));
}

/* A row of any table, and one of a topic with its field behind it. */
static void read_value(struct input *input, struct arena *arena)
{
    const struct setting *const tables[] = { node_setting_rows, kafka_node_settings, kafka_topic_settings, kafka_throttle_settings,
        kafka_group_settings, kafka_client_metrics_settings };
    const int counts[] = { node_setting_row_count, kafka_node_settings_count, kafka_topic_settings_count,
        kafka_throttle_settings_count, kafka_group_settings_count, kafka_client_metrics_settings_count };
    unsigned table = input_byte(input) % (sizeof(tables) / sizeof(tables[0]));
    unsigned index = (unsigned)input_number(input, 2);
    struct str text = text_of(input_rest(input)), message = { 0 };
    check_row(&tables[table][index % (unsigned)counts[table]], text, arena);
    const struct setting *row = &topic_setting_rows[index % (unsigned)topic_setting_count];
    struct topic_settings topic, again;
    memset(&topic, 0, sizeof(topic));
    memset(&again, 0, sizeof(again));
    if (setting_parse(row, text, arena, &topic, &message)) {
        struct str printed = setting_print(row, &topic, arena);
        int64_t number, shown;
        if (is_whole(row) && !str_is_null(printed) && str_to_int64(str_trim(text), &number))
            assert(str_to_int64(printed, &shown) && shown == number);
        assert(str_is_null(printed) || setting_parse(row, printed, arena, &again, &message));
        assert(str_is_null(printed) || memcmp(&topic, &again, sizeof(topic)) == 0);
    }
}

static void check_topic_wish(struct input *input, struct arena *arena)
{
    struct str message = { 0 };
    struct str name = text_of(input_take(input, input_byte(input) % 64));
    enum error error = topic_setting_check(name, text_of(input_rest(input)), arena, &message);
    assert(error == ERROR_NONE || error == ERROR_INVALID_CONFIG);
    assert((error == ERROR_NONE) == (message.size == 0));
}

static void read_limits(struct str list)
{
    struct str host;
    int32_t count;
    while (connection_override_next(&list, &host, &count))
        assert(!str_is_null(host) && count >= 0);
}

static void read_record(struct str line, struct arena *arena)
{
    struct record record = { 0 }, again = { 0 };
    int64_t partition, partition_again;
    if (record_from_json(line, arena, &record, &partition) != NULL)
        return;
    json_t *json = record_to_json(&record, STR("topic"), 0, arena);
    char *text = json_dumps(json, 0);
    json_decref(json);
    assert(record_from_json(str_from(text), arena, &again, &partition_again) == NULL);
    assert(bytes_equal(record.key, again.key) && bytes_equal(record.value, again.value));
    assert((record.key.data == NULL) == (again.key.data == NULL) && (record.value.data == NULL) == (again.value.data == NULL));
    assert(record.header_count == again.header_count);
    for (int32_t i = 0; i < record.header_count; i++)
        assert(bytes_equal(record.headers[i].value, again.headers[i].value));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = input_of(data, size);
    struct arena arena;
    struct place place;
    arena_init(&arena);
    switch (input_byte(&input) % 6) {
    case 0: say_often((struct bytes){ input.at, input_left(&input) }, &arena), read_all(&input, &arena); break;
    case 1: read_value(&input, &arena); break;
    case 2: check_topic_wish(&input, &arena); break;
    case 3: read_limits(text_of(input_rest(&input))); break;
    case 4: read_record(text_of(input_rest(&input)), &arena); break;
    case 5: place_parse(word_of(input_rest(&input), &arena), &place); break;
    }
    arena_deinit(&arena);
    return 0;
}
