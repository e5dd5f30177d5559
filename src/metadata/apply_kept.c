/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/apply_kept.h"

#include <assert.h>

#include "metadata/feature.h"
#include "metadata/item.h"
#include "metadata/quota.h"
#include "wire/gen/access_control_entry_record.h"
#include "wire/gen/client_quota_record.h"
#include "wire/gen/config_record.h"
#include "wire/gen/delegation_token_record.h"
#include "wire/gen/feature_level_record.h"
#include "wire/gen/no_op_record.h"
#include "wire/gen/producer_ids_record.h"
#include "wire/gen/register_controller_record.h"
#include "wire/gen/remove_access_control_entry_record.h"
#include "wire/gen/remove_delegation_token_record.h"
#include "wire/gen/remove_user_scram_credential_record.h"
#include "wire/gen/unregister_controller_record.h"
#include "wire/gen/user_scram_credential_record.h"
#include "wire/gen/zk_migration_state_record.h"

static const char too_long[] = "a record whose names are too long";

static const char *keep(struct image *image, struct tree *tree, struct bytes key, struct bytes raw)
{
    if (key.data == NULL)
        return too_long;
    tree_set(tree, image->edit, &item_create(key, raw)->value);
    return NULL;
}

static struct bytes str_key(struct str text)
{
    return (struct bytes){ (const uint8_t *)text.data, (size_t)text.size };
}

void image_remove_settings(struct image *image, enum setting_scope scope, struct str name)
{
    struct item_key_text text;
    struct str key, value;
    while (image_setting_after(image, scope, name, (struct str){ 0 }, &key, &value))
        tree_remove(&image->settings, image->edit, setting_key(&text, scope, name, key));
}

static const char *apply_config(struct image *image, const void *message, struct bytes raw)
{
    const struct config_record *record = message;
    struct item_key_text text;
    struct bytes key = setting_key(&text, (enum setting_scope)(uint8_t)record->resource_type,
        record->resource_name, record->name);
    if (key.data == NULL)
        return too_long;
    if (str_is_null(record->value)) {
        tree_remove(&image->settings, image->edit, key);
        return NULL;
    }
    struct image_item *item = item_create(key, raw);
    ptrdiff_t at =
        (const uint8_t *)record->value.data - raw.data; /* decoded texts point into the record */
    assert(at >= 0 && (size_t)at + (size_t)record->value.size <= raw.size);
    item->text = (struct str){ (const char *)item->record.data + at, record->value.size };
    tree_set(&image->settings, image->edit, &item->value);
    return NULL;
}

static const char *apply_feature(struct image *image, const void *message, struct bytes raw)
{
    const struct feature_level_record *record = message;
    const struct feature_range *range = feature_find(record->name);
    if (record->feature_level == 0) {
        tree_remove(&image->features, image->edit, str_key(record->name));
        return NULL;
    }
    if (range == NULL)
        return "a feature that this version does not know";
    if (record->feature_level < range->min || record->feature_level > range->max)
        return "a feature level that this version does not support";
    struct image_item *item = item_create(str_key(record->name), raw);
    item->level = record->feature_level;
    tree_set(&image->features, image->edit, &item->value);
    return NULL;
}

static const char *apply_acl(struct image *image, const void *message, struct bytes raw)
{
    const struct access_control_entry_record *record = message;
    return keep(
        image, &image->acls, (struct bytes){ record->id.bytes, sizeof(record->id.bytes) }, raw);
}

static const char *apply_remove_acl(struct image *image, const void *message, struct bytes raw)
{
    const struct remove_access_control_entry_record *record = message;
    (void)raw;
    if (!tree_remove(&image->acls, image->edit,
            (struct bytes){ record->id.bytes, sizeof(record->id.bytes) }))
        return "removal of an ACL that is not there";
    return NULL;
}

static const char *apply_token(struct image *image, const void *message, struct bytes raw)
{
    const struct delegation_token_record *record = message;
    return keep(image, &image->tokens, str_key(record->token_id), raw);
}

static const char *apply_remove_token(struct image *image, const void *message, struct bytes raw)
{
    const struct remove_delegation_token_record *record = message;
    (void)raw;
    tree_remove(&image->tokens, image->edit, str_key(record->token_id));
    return NULL;
}

static struct bytes scram_key(struct item_key_text *text, struct str name, int8_t mechanism)
{
    key_begin(text);
    key_add_u8(text, (uint8_t)mechanism);
    key_add_bytes(text, name.data, (size_t)name.size);
    return key_end(text);
}

static const char *apply_scram(struct image *image, const void *message, struct bytes raw)
{
    const struct user_scram_credential_record *record = message;
    struct item_key_text text;
    return keep(image, &image->scram, scram_key(&text, record->name, record->mechanism), raw);
}

static const char *apply_remove_scram(struct image *image, const void *message, struct bytes raw)
{
    const struct remove_user_scram_credential_record *record = message;
    struct item_key_text text;
    struct bytes key = scram_key(&text, record->name, record->mechanism);
    (void)raw;
    if (key.data == NULL || !tree_remove(&image->scram, image->edit, key))
        return "removal of a credential that is not there";
    return NULL;
}

static const char *apply_quota(struct image *image, const void *message, struct bytes raw)
{
    const struct client_quota_record *record = message;
    struct quota_entity entity = { 0 };
    struct item_key_text text;
    for (int32_t i = 0; i < record->entity_count; i++)
        if (!quota_entity_add(&entity, record->entity[i].entity_type, record->entity[i].entity_name))
            return "a quota of an entity with too many parts";
    struct bytes key = quota_item_key(&text, &entity, record->key);
    if (key.data == NULL)
        return too_long;
    if (record->remove) {
        tree_remove(&image->quotas, image->edit, key);
        return NULL;
    }
    struct image_item *item = item_create(key, raw);
    item->number = record->value;
    tree_set(&image->quotas, image->edit, &item->value);
    return NULL;
}

static void replace_item(struct image_item **place, struct bytes raw)
{
    struct image_item *before = *place;
    *place = item_create((struct bytes){ NULL, 0 }, raw);
    if (before != NULL)
        tree_value_unref(&before->value);
}

static const char *apply_producer_ids(struct image *image, const void *message, struct bytes raw)
{
    const struct producer_ids_record *record = message;
    if (record->next_producer_id < image->next_producer_id)
        return "producer ids that go back";
    image->next_producer_id = record->next_producer_id;
    replace_item(&image->producer_ids, raw);
    return NULL;
}

static const char *apply_zk_migration(struct image *image, const void *message, struct bytes raw)
{
    (void)message;
    replace_item(&image->zk_migration, raw);
    return NULL;
}

static const char *apply_controller(struct image *image, const void *message, struct bytes raw)
{
    const struct register_controller_record *record = message;
    uint8_t key[4];
    store_i32(key, record->controller_id);
    return keep(image, &image->controllers, (struct bytes){ key, sizeof(key) }, raw);
}

static const char *apply_remove_controller(
    struct image *image, const void *message, struct bytes raw)
{
    const struct unregister_controller_record *record = message;
    uint8_t key[4];
    (void)raw;
    store_i32(key, record->controller_id);
    tree_remove(&image->controllers, image->edit, (struct bytes){ key, sizeof(key) });
    return NULL;
}

static const char *apply_no_op(struct image *image, const void *message, struct bytes raw)
{
    (void)image, (void)message, (void)raw;
    return NULL;
}

const struct apply_row apply_kept_rows[] = {
    { &config_record_schema, apply_config },
    { &feature_level_record_schema, apply_feature },
    { &producer_ids_record_schema, apply_producer_ids },
    { &no_op_record_schema, apply_no_op },
    { &access_control_entry_record_schema, apply_acl },
    { &remove_access_control_entry_record_schema, apply_remove_acl },
    { &delegation_token_record_schema, apply_token },
    { &remove_delegation_token_record_schema, apply_remove_token },
    { &user_scram_credential_record_schema, apply_scram },
    { &remove_user_scram_credential_record_schema, apply_remove_scram },
    { &client_quota_record_schema, apply_quota },
    { &register_controller_record_schema, apply_controller },
    { &unregister_controller_record_schema, apply_remove_controller },
    { &zk_migration_state_record_schema, apply_zk_migration },
};
const int32_t apply_kept_row_count = sizeof(apply_kept_rows) / sizeof(apply_kept_rows[0]);
