/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/image.h"

#include <assert.h>
#include <stddef.h>

#include "base/memory.h"
#include "metadata/item.h"
#include "metadata/registration.h"
#include "metadata/topic.h"

struct image *image_create(uint64_t seed)
{
    struct image *image = memory_take(sizeof(*image));
    atomic_init(&image->references, 1);
    image->seed = seed;
    image->edit = 1;
    image->epoch = -1;
    image->append_ms = -1;
    image->next_producer_id = -1;
    tree_init(&image->topics_by_name, topic_name_key, seed);
    tree_init(&image->topics_by_id, topic_id_key, seed);
    tree_init(&image->brokers, broker_key, seed);
    tree_init(&image->directories, directory_key, seed);
    struct tree *plain[] = { &image->settings, &image->features, &image->acls, &image->tokens,
        &image->scram, &image->quotas, &image->controllers };
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        tree_init(plain[i], item_key, seed);
    return image;
}

struct image *image_share(struct image *image)
{
    struct image *copy = memory_take(sizeof(*copy));
    *copy = *image;
    atomic_init(&copy->references, 1);
    tree_share(&copy->topics_by_name, &image->topics_by_name);
    tree_share(&copy->topics_by_id, &image->topics_by_id);
    tree_share(&copy->brokers, &image->brokers);
    tree_share(&copy->directories, &image->directories);
    tree_share(&copy->settings, &image->settings);
    tree_share(&copy->features, &image->features);
    tree_share(&copy->acls, &image->acls);
    tree_share(&copy->tokens, &image->tokens);
    tree_share(&copy->scram, &image->scram);
    tree_share(&copy->quotas, &image->quotas);
    tree_share(&copy->controllers, &image->controllers);
    if (image->producer_ids != NULL)
        tree_value_ref(&image->producer_ids->value);
    if (image->zk_migration != NULL)
        tree_value_ref(&image->zk_migration->value);
    image->edit++; /* whoever changes the image from here on copies what both share */
    return copy;
}

struct image *image_ref(const struct image *image)
{
    struct image *shared = (struct image *)image;
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

void image_unref(const struct image *image)
{
    struct image *shared = (struct image *)image;
    if (shared == NULL)
        return;
    int32_t before = atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    struct tree *trees[] = { &shared->topics_by_name, &shared->topics_by_id, &shared->brokers,
        &shared->settings, &shared->features, &shared->acls, &shared->tokens, &shared->scram,
        &shared->quotas, &shared->controllers, &shared->directories };
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
        tree_deinit(trees[i]);
    if (shared->producer_ids != NULL)
        tree_value_unref(&shared->producer_ids->value);
    if (shared->zk_migration != NULL)
        tree_value_unref(&shared->zk_migration->value);
    memory_give(shared);
}

static struct bytes text_key(struct str text)
{
    return (struct bytes){ (const uint8_t *)text.data, (size_t)text.size };
}

static const struct image_topic *as_topic(const struct tree_value *value)
{
    return (const struct image_topic *)value; /* value is the first member of every image_… */
}
_Static_assert(
    offsetof(struct image_topic, value) == 0 && offsetof(struct image_broker, value) == 0 &&
        offsetof(struct image_item, value) == 0 && offsetof(struct image_directory, value) == 0 &&
        offsetof(struct image_partition, value) == 0,
    "a tree_value is the head of what lies in a tree");

const struct image_topic *image_topic_by_name(const struct image *image, struct str name)
{
    return str_is_null(name) ? NULL : as_topic(tree_find(&image->topics_by_name, text_key(name)));
}

const struct image_topic *image_topic_by_id(const struct image *image, struct uuid id)
{
    return as_topic(tree_find(&image->topics_by_id, (struct bytes){ id.bytes, sizeof(id.bytes) }));
}

const struct image_topic *image_topic_after(const struct image *image, struct str name)
{
    return as_topic(tree_after(&image->topics_by_name, text_key(name)));
}

int64_t image_topic_count(const struct image *image)
{
    return image->topics_by_id.count;
}

const struct image_partition *image_partition(const struct image_topic *topic, int32_t index)
{
    return index < 0 || index >= topic->partition_count ? NULL : topic->partitions[index];
}

struct uuid image_partition_directory(const struct image_partition *partition, int32_t broker_id)
{
    if (partition->directories == NULL)
        return DIRECTORY_UNASSIGNED;
    for (int32_t i = 0; i < partition->replicas.count; i++)
        if (partition->replicas.ids[i] == broker_id)
            return partition->directories[i];
    return DIRECTORY_UNASSIGNED;
}

bool node_list_has(struct node_list list, int32_t id)
{
    for (int32_t i = 0; i < list.count; i++)
        if (list.ids[i] == id)
            return true;
    return false;
}

const struct image_broker *image_broker(const struct image *image, int32_t id)
{
    uint8_t key[4];
    store_i32(key, id);
    return (const struct image_broker *)tree_find(
        &image->brokers, (struct bytes){ key, sizeof(key) });
}

const struct image_broker *image_broker_after(const struct image *image, int32_t id)
{
    uint8_t key[4];
    store_i32(key, id);
    struct bytes from = { id < 0 ? NULL : key, sizeof(key) };
    return (const struct image_broker *)tree_after(&image->brokers, from);
}

const struct image_endpoint *image_broker_endpoint(
    const struct image_broker *broker, struct str listener)
{
    for (int32_t i = 0; i < broker->endpoint_count; i++)
        if (str_equal(broker->endpoints[i].name, listener))
            return &broker->endpoints[i];
    return NULL;
}

int64_t image_directory_replicas(const struct image *image, struct uuid directory_id)
{
    const struct image_directory *directory = (const struct image_directory *)tree_find(
        &image->directories, (struct bytes){ directory_id.bytes, sizeof(directory_id.bytes) });
    return directory == NULL ? 0 : directory->replica_count;
}

struct str image_setting(
    const struct image *image, enum setting_scope scope, struct str name, struct str key)
{
    struct item_key_text text;
    struct bytes wanted = setting_key(&text, scope, name, key);
    const struct image_item *item =
        wanted.data == NULL ? NULL : (const struct image_item *)tree_find(&image->settings, wanted);
    return item == NULL ? (struct str){ 0 } : item->text;
}

bool image_setting_after(const struct image *image, enum setting_scope scope, struct str name,
    struct str key, struct str *out_key, struct str *out_value)
{
    struct item_key_text text;
    struct bytes prefix = setting_key(&text, scope, name, (struct str){ "", 0 });
    if (prefix.data == NULL)
        return false;
    size_t prefix_size = prefix.size;
    struct bytes from = str_is_null(key) ? prefix : setting_key(&text, scope, name, key);
    if (from.data == NULL)
        return false;
    const struct image_item *item = (const struct image_item *)tree_after(&image->settings, from);
    if (item == NULL || item->key.size < prefix_size ||
        memcmp(item->key.data, text.data, prefix_size) != 0)
        return false;
    *out_key = (struct str){ (const char *)item->key.data + prefix_size,
        (int32_t)(item->key.size - prefix_size) };
    *out_value = item->text;
    return true;
}

bool image_setting_resource_after(
    const struct image *image, enum setting_scope scope, struct str name, struct str *out_name)
{
    struct item_key_text text;
    enum setting_scope found_scope;
    struct str found_key, before = name;
    if (str_is_null(name)) {
        key_begin(&text);
        key_add_u8(&text, (uint8_t)scope);
    } else {
        setting_key(&text, scope, name, STR("\xff")); /* behind every key that is UTF-8 */
    }
    struct bytes from = key_end(&text);
    while (from.data != NULL) {
        const struct image_item *item =
            (const struct image_item *)tree_after(&image->settings, from);
        if (item == NULL)
            return false;
        setting_key_parse(item->key, &found_scope, out_name, &found_key);
        if (found_scope != scope)
            return false;
        if (!str_equal(*out_name, before))
            return true;
        from = item->key;
    }
    return false;
}

int16_t image_feature(const struct image *image, struct str name)
{
    const struct image_item *item =
        (const struct image_item *)tree_find(&image->features, text_key(name));
    return item == NULL ? 0 : item->level;
}

bool image_feature_after(
    const struct image *image, struct str name, struct str *out_name, int16_t *out_level)
{
    const struct image_item *item =
        (const struct image_item *)tree_after(&image->features, text_key(name));
    if (item == NULL)
        return false;
    *out_name = (struct str){ (const char *)item->key.data, (int32_t)item->key.size };
    *out_level = item->level;
    return true;
}

static void visit_topic(
    void *context, const struct tree_value *old_value, const struct tree_value *new_value)
{
    struct image_watch *watch = context;
    const struct image_topic *old_topic = as_topic(old_value), *new_topic = as_topic(new_value);
    watch->topic(watch, old_topic, new_topic);
}

static void visit_setting(
    void *context, const struct tree_value *old_value, const struct tree_value *new_value)
{
    struct image_watch *watch = context;
    const struct image_item *item =
        (const struct image_item *)(new_value != NULL ? new_value : old_value);
    enum setting_scope scope;
    struct str name, key;
    setting_key_parse(item->key, &scope, &name, &key);
    watch->setting(watch, scope, name, key, new_value == NULL ? (struct str){ 0 } : item->text);
}

static void visit_broker(
    void *context, const struct tree_value *old_value, const struct tree_value *new_value)
{
    struct image_watch *watch = context;
    watch->broker(
        watch, (const struct image_broker *)old_value, (const struct image_broker *)new_value);
}

void image_difference(
    const struct image *old_image, const struct image *new_image, struct image_watch *watch)
{
    struct image *empty = NULL;
    if (old_image == NULL)
        old_image = empty = image_create(new_image->seed);
    assert(old_image->seed == new_image->seed);
    if (watch->broker != NULL)
        tree_difference(&old_image->brokers, &new_image->brokers, visit_broker, watch);
    /* By id, so that a topic deleted and made again under its name is two changes. */
    if (watch->topic != NULL)
        tree_difference(&old_image->topics_by_id, &new_image->topics_by_id, visit_topic, watch);
    if (watch->setting != NULL)
        tree_difference(&old_image->settings, &new_image->settings, visit_setting, watch);
    image_unref(empty);
}
