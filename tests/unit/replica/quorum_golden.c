/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata directories that Apache Kafka 4.4.0 wrote: opened, continued, and compared with what
 * Kafka said of them. */
#include <jansson.h>
#include <unistd.h>

#include "unit/replica/desk.h"
#include "wire/decode.h"
#include "wire/gen/access_control_entry_record.h"
#include "wire/gen/client_quota_record.h"
#include "wire/gen/user_scram_credential_record.h"

static void run(const char *format, const char *a, const char *b)
{
    char command[1024];
    snprintf(command, sizeof(command), format, a, b);
    assert_int_equal(system(command), 0);
}

/* Tests run in the build directory or at the root. */
static const char *disks(void)
{
    return access("../tests/golden/disks/clean.tar.xz", R_OK) == 0 ? "../tests/golden/disks"
                                                                   : "tests/golden/disks";
}

static json_t *expected_of(const char *name)
{
    char command[512];
    snprintf(command, sizeof(command), "xz -dc %s/%s.expected.json.xz", disks(), name);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    json_error_t error;
    json_t *json = json_loadf(pipe, JSON_ALLOW_NUL, &error);
    pclose(pipe);
    if (json == NULL)
        print_error("%s: %s\n", name, error.text);
    assert_non_null(json);
    return json;
}

static void golden_create(struct desk *desk, const char *name)
{
    char root[] = "/tmp/unit-golden-XXXXXX", archive[256], disk[200];
    struct log_dir_identity other;
    char reason[200];
    *desk = (struct desk){ 0 };
    arena_init(&desk->arena);
    log_dir_settings_defaults(&desk->store.settings);
    assert_non_null(mkdtemp(root));
    snprintf(archive, sizeof(archive), "%s/%s.tar.xz", disks(), name);
    run("tar xJf %s -C %s", archive, root);
    snprintf(disk, sizeof(disk), "%s/disk2", root);
    struct io *io = io_create(1);
    assert_int_equal(log_dir_identify(io, disk, &other, reason, sizeof(reason)), 0);
    io_destroy(io);
    desk->other_directory_id = other.directory_id;
    snprintf(disk, sizeof(disk), "%s/disk1", root);
    store_open(&desk->store, disk);
    desk->broker_epoch = log_dir_broker_epoch(desk->store.dir);
    open_quorum(desk);
}

static void golden_destroy(struct desk *desk)
{
    desk_stop(desk);
    run("rm -rf $(dirname %s)%s", desk->store.path, "");
    arena_deinit(&desk->arena);
}

static struct uuid uuid_of(const json_t *json)
{
    struct uuid id;
    assert_true(uuid_parse(str_from(json_string_value(json)), &id));
    return id;
}

static void compare_settings(
    const struct image *image, enum setting_scope scope, const char *name, json_t *expected)
{
    const char *key;
    json_t *value;
    struct str found_key = { 0 }, found_value;
    size_t count = 0;
    json_object_foreach(expected, key, value)
    {
        const char *text = json_is_object(value)
                               ? json_string_value(json_object_get(value, "value"))
                               : json_string_value(value);
        assert_true(str_is(image_setting(image, scope, str_from(name), str_from(key)), text));
    }
    while (image_setting_after(image, scope, str_from(name), found_key, &found_key, &found_value))
        count++;
    assert_int_equal(count, json_object_size(expected));
}

static void compare_partition(const struct image_partition *partition, json_t *expected)
{
    assert_int_equal(partition->leader, json_integer_value(json_object_get(expected, "leader")));
    assert_int_equal(
        partition->leader_epoch, json_integer_value(json_object_get(expected, "leader_epoch")));
    json_t *replicas = json_object_get(expected, "replicas"),
           *isr = json_object_get(expected, "isr");
    assert_int_equal(partition->replicas.count, json_array_size(replicas));
    assert_int_equal(partition->isr.count, json_array_size(isr));
    for (int32_t i = 0; i < partition->isr.count; i++)
        assert_int_equal(partition->isr.ids[i], json_integer_value(json_array_get(isr, (size_t)i)));
}

static void compare_topics(const struct image *image, json_t *expected)
{
    const char *name, *index;
    json_t *topic_json, *partition_json;
    const struct image_topic *known = image_topic_after(image, (struct str){ 0 });
    for (; known != NULL; known = image_topic_after(image, known->name))
        if (json_object_get(expected, known->name.data) == NULL)
            print_error("%s is there, and should not be\n", known->name.data);
    assert_int_equal(image_topic_count(image), json_object_size(expected));
    json_object_foreach(expected, name, topic_json)
    {
        const struct image_topic *topic = image_topic_by_name(image, str_from(name));
        assert_non_null(topic);
        assert_true(uuid_equal(topic->id, uuid_of(json_object_get(topic_json, "id"))));
        assert_ptr_equal(topic, image_topic_by_id(image, topic->id));
        json_t *partitions = json_object_get(topic_json, "partitions");
        assert_int_equal(topic->partition_count, json_object_size(partitions));
        json_object_foreach(partitions, index, partition_json)
            compare_partition(image_partition(topic, atoi(index)), partition_json);
        compare_settings(image, SCOPE_TOPIC, name, json_object_get(topic_json, "configs"));
    }
}

static void compare_directories(const struct image *image, json_t *expected)
{
    const char *directory, *replica;
    json_t *directory_json, *replica_json;
    json_object_foreach(expected, directory, directory_json)
    {
        struct uuid id = uuid_of(json_object_get(directory_json, "directory_id"));
        int64_t count = 0;
        json_object_foreach(json_object_get(directory_json, "replicas"), replica, replica_json)
        {
            const char *dash = strrchr(replica, '-');
            struct str name = { replica, (int32_t)(dash - replica) };
            const struct image_topic *topic = image_topic_by_name(image, name);
            if (topic == NULL || json_is_true(json_object_get(replica_json, "future")))
                continue; /* the metadata log itself */
            /* Kafka finished a move that it was killed in; for us the replica is where the log last
             * said. */
            bool moved = str_is(name, "moving");
            bool here = uuid_equal(
                image_partition_directory(image_partition(topic, atoi(dash + 1)), 1), id);
            assert_true(here || moved);
            count += !moved;
        }
        const struct image_topic *moving = image_topic_by_name(image, STR("moving"));
        if (moving != NULL &&
            uuid_equal(image_partition_directory(image_partition(moving, 0), 1), id))
            count++;
        assert_int_equal(image_directory_replicas(image, id), count);
    }
}

static void compare_features(const struct image *image, json_t *expected)
{
    const char *name;
    json_t *level;
    json_object_foreach(expected, name, level) if (strcmp(name, "kraft.version") != 0)
        assert_int_equal(image_feature(image, str_from(name)), json_integer_value(level));
}

static void decode_item(const struct image_item *item, const struct message_schema *schema,
    struct arena *arena, void *out)
{
    struct metadata_record record;
    assert_true(metadata_record_parse(item->record, &record));
    assert_int_equal(record.type, schema->key);
    assert_true(message_decode(schema, (int16_t)record.version, record.fields, arena, out, NULL));
}

static const struct image_item *item_after(const struct tree *tree, const struct image_item *item)
{
    return (const struct image_item *)tree_after(
        tree, item == NULL ? (struct bytes){ NULL, 0 } : item->key);
}

static json_t *find_quota(json_t *expected, const struct client_quota_record *record)
{
    size_t index;
    json_t *row;
    json_array_foreach(expected, index, row)
    {
        json_t *entity = json_object_get(row, "entity");
        bool same = json_object_size(entity) == (size_t)record->entity_count;
        for (int32_t i = 0; same && i < record->entity_count; i++) {
            char type[64];
            snprintf(type, sizeof(type), "%.*s", STR_PRINT(record->entity[i].entity_type));
            json_t *name = json_object_get(entity, type);
            same = name != NULL && (json_is_null(name) ? str_is_null(record->entity[i].entity_name)
                                                       : str_is(record->entity[i].entity_name,
                                                             json_string_value(name)));
        }
        if (same)
            return json_object_get(row, "quotas");
    }
    return NULL;
}

static void compare_quotas(const struct image *image, json_t *expected, struct arena *arena)
{
    size_t wanted = 0, found = 0, index;
    json_t *row;
    json_array_foreach(expected, index, row) wanted +=
        json_object_size(json_object_get(row, "quotas"));
    for (const struct image_item *item = NULL; (item = item_after(&image->quotas, item)) != NULL;
         found++) {
        struct client_quota_record record;
        char key[64];
        decode_item(item, &client_quota_record_schema, arena, &record);
        snprintf(key, sizeof(key), "%.*s", STR_PRINT(record.key));
        json_t *value = json_object_get(find_quota(expected, &record), key);
        assert_non_null(value);
        assert_true(record.value - json_real_value(value) == 0.0);
    }
    assert_int_equal(found, wanted);
}

static void compare_scram(const struct image *image, json_t *expected, struct arena *arena)
{
    size_t wanted = 0, found = 0;
    const char *name;
    json_t *list;
    json_object_foreach(expected, name, list) wanted += json_array_size(list);
    for (const struct image_item *item = NULL; (item = item_after(&image->scram, item)) != NULL;
         found++) {
        struct user_scram_credential_record record;
        bool listed = false;
        size_t index;
        json_t *row;
        decode_item(item, &user_scram_credential_record_schema, arena, &record);
        json_array_foreach(json_object_get(expected, str_copy(arena, record.name).data), index, row)
            listed = listed ||
                     json_integer_value(json_object_get(row, "iterations")) == record.iterations;
        assert_true(listed);
    }
    assert_int_equal(found, wanted);
}

static void compare_acls(const struct image *image, json_t *expected, struct arena *arena)
{
    size_t found = 0;
    for (const struct image_item *item = NULL; (item = item_after(&image->acls, item)) != NULL;
         found++) {
        struct access_control_entry_record record;
        bool listed = false;
        size_t index;
        json_t *row;
        decode_item(item, &access_control_entry_record_schema, arena, &record);
        json_array_foreach(expected, index, row) listed =
            listed ||
            (str_is(record.resource_name, json_string_value(json_object_get(row, "resource"))) &&
                str_is(record.principal, json_string_value(json_object_get(row, "principal"))) &&
                str_is(record.host, json_string_value(json_object_get(row, "host"))));
        assert_true(listed);
    }
    assert_int_equal(found, json_array_size(expected));
}

static void compare_tokens(const struct image *image, json_t *expected)
{
    size_t index;
    json_t *row;
    json_array_foreach(expected, index, row)
    {
        const char *id = json_string_value(json_object_get(row, "token_id"));
        assert_non_null(
            tree_find(&image->tokens, (struct bytes){ (const uint8_t *)id, strlen(id) }));
    }
    assert_int_equal(image->tokens.count, json_array_size(expected));
}

static void compare_resources(const struct image *image, json_t *expected)
{
    const char *resource;
    json_t *settings;
    json_object_foreach(expected, resource, settings)
    {
        const char *colon = strchr(resource, ':');
        enum setting_scope scope =
            strncmp(resource, "GROUP", 5) == 0 ? SCOPE_GROUP : SCOPE_CLIENT_METRICS;
        compare_settings(image, scope, colon + 1, settings);
    }
}

static void apply_again(void *context, struct bytes record)
{
    struct controller *controller = context;
    controller_apply(controller, 0, record);
    assert_null(controller->failure);
}

static void check_own_snapshot(const struct image *image)
{
    struct controller controller;
    struct controller_settings settings = { 0 };
    struct arena scratch;
    arena_init(&scratch);
    controller_init(&controller, &settings, 7);
    image_snapshot(image, &scratch, apply_again, &controller);
    assert_same_image(records_of(image), controller.working);
    assert_int_equal(controller.working->partition_total, image->partition_total);
    controller_deinit(&controller);
    arena_deinit(&scratch);
}

struct mutation {
    struct controller controller;
    struct prng prng;
    int applied, refused;
};

static void apply_mutated(void *context, struct bytes record)
{
    struct mutation *mutation = context;
    for (int i = 0; i < 60; i++) {
        uint8_t bytes[4096];
        size_t size = record.size < sizeof(bytes) ? record.size : sizeof(bytes);
        memcpy(bytes, record.data, size);
        for (uint64_t flips = prng_below(&mutation->prng, 4); flips > 0; flips--)
            bytes[prng_below(&mutation->prng, size)] = (uint8_t)prng_next(&mutation->prng);
        if (prng_chance(&mutation->prng, 100000))
            size = (size_t)prng_below(&mutation->prng, size + 1);
        controller_apply(&mutation->controller, i, (struct bytes){ bytes, size });
        bool failed = mutation->controller.failure != NULL;
        mutation->applied += !failed;
        mutation->refused += failed;
        mutation->controller.failure = NULL;
    }
}

/* Damaged records are refused or applied, and never bring the image into disorder. */
static void apply_damaged(const struct image *image)
{
    static struct mutation mutation;
    struct controller_settings settings = { 0 };
    struct arena scratch;
    mutation = (struct mutation){ 0 };
    arena_init(&scratch);
    prng_init(&mutation.prng, 5);
    controller_init(&mutation.controller, &settings, 5);
    image_snapshot(image, &scratch, apply_mutated, &mutation);
    assert_true(mutation.applied > 100 && mutation.refused > 100);
    buffer_unref(records_of(mutation.controller.working));
    controller_deinit(&mutation.controller);
    arena_deinit(&scratch);
}

/* The directory is opened, a broker takes the place of Kafka's, and all is as Kafka said after its
 * own restart; the image comes back from its own snapshot, record for record, and from the log
 * after a restart. */
static void check_disk(const char *name)
{
    struct desk desk;
    json_t *expected = expected_of(name);
    golden_create(&desk, name);
    json_t *cluster = json_object_get(expected, "cluster");
    compare_tokens(desk.image, json_object_get(expected, "delegation_tokens"));
    register_broker(&desk, desk.broker_epoch);
    heartbeat(&desk, false);
    assert_true(str_is(desk.settings.controller.cluster_id,
        json_string_value(json_object_get(cluster, "cluster_id"))));
    assert_int_equal(quorum_epoch(desk.quorum),
        json_integer_value(json_object_get(json_object_get(cluster, "quorum"), "leader_epoch")));
    compare_features(desk.image, json_object_get(cluster, "finalized_features"));
    compare_topics(desk.image, json_object_get(expected, "topics"));
    compare_directories(desk.image, json_object_get(expected, "log_dirs"));
    compare_settings(desk.image, SCOPE_BROKER, "",
        json_object_get(json_object_get(expected, "broker_configs"), "cluster_default"));
    compare_resources(desk.image, json_object_get(expected, "config_resources"));
    compare_quotas(desk.image, json_object_get(expected, "quotas"), &desk.arena);
    compare_scram(desk.image, json_object_get(expected, "scram_users"), &desk.arena);
    compare_acls(desk.image, json_object_get(expected, "acls"), &desk.arena);
    check_own_snapshot(desk.image);
    apply_damaged(desk.image);

    struct buffer *before = records_of(desk.image);
    desk_restart(&desk);
    assert_same_image(before, desk.image);
    golden_destroy(&desk);
    json_decref(expected);
}

void test_quorum_golden__opens_a_cleanly_stopped_directory(void)
{
    check_disk("clean");
}

void test_quorum_golden__opens_a_killed_directory(void)
{
    check_disk("killed");
}

void test_quorum_golden__opens_a_torn_directory(void)
{
    check_disk("torn");
}

/* The log no longer begins at 0: only a snapshot tells the beginning. */
void test_quorum_golden__opens_a_trimmed_directory(void)
{
    check_disk("trimmed");
}
