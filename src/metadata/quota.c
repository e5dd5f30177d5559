/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/quota.h"

#include <assert.h>

bool quota_entity_add(struct quota_entity *entity, struct str type, struct str name)
{
    int32_t place = 0;
    while (place < entity->part_count && str_compare(entity->parts[place].type, type) < 0)
        place++;
    if (place < entity->part_count && str_equal(entity->parts[place].type, type)) {
        entity->parts[place].name = name;
        return true;
    }
    if (entity->part_count == QUOTA_PARTS_MAX)
        return false;
    for (int32_t i = entity->part_count++; i > place; i--)
        entity->parts[i] = entity->parts[i - 1];
    entity->parts[place] = (struct quota_part){ type, name };
    return true;
}

const struct quota_part *quota_entity_part(const struct quota_entity *entity, const char *type)
{
    for (int32_t i = 0; i < entity->part_count; i++)
        if (str_is(entity->parts[i].type, type))
            return &entity->parts[i];
    return NULL;
}

bool quota_entity_equal(const struct quota_entity *a, const struct quota_entity *b)
{
    if (a->part_count != b->part_count)
        return false;
    for (int32_t i = 0; i < a->part_count; i++)
        if (!str_equal(a->parts[i].type, b->parts[i].type) ||
            !str_equal(a->parts[i].name, b->parts[i].name))
            return false;
    return true;
}

struct bytes quota_item_key(
    struct item_key_text *text, const struct quota_entity *entity, struct str key)
{
    key_begin(text);
    key_add_u8(text, (uint8_t)entity->part_count);
    for (int32_t i = 0; i < entity->part_count; i++) {
        key_add_str(text, entity->parts[i].type);
        key_add_str(text, entity->parts[i].name);
    }
    key_add_bytes(text, key.data, (size_t)key.size);
    return key_end(text);
}

static struct str take_str(struct bytes *rest)
{
    int32_t size = load_i32(rest->data);
    struct str text = { (const char *)rest->data + 4, size };
    if (size < 0)
        text = (struct str){ 0 };
    rest->data += 4 + text.size;
    rest->size -= 4 + (size_t)text.size;
    return text;
}

static void read_item(const struct image_item *item, struct quota *out_quota)
{
    struct bytes rest = item->key;
    assert(rest.size > 0 && rest.data[0] <= QUOTA_PARTS_MAX);
    out_quota->entity.part_count = rest.data[0];
    rest.data++;
    rest.size--;
    for (int32_t i = 0; i < out_quota->entity.part_count; i++) {
        out_quota->entity.parts[i].type = take_str(&rest);
        out_quota->entity.parts[i].name = take_str(&rest);
    }
    out_quota->key = (struct str){ (const char *)rest.data, (int32_t)rest.size };
    out_quota->value = item->number;
}

bool image_quota(
    const struct image *image, const struct quota_entity *entity, struct str key, double *out_value)
{
    struct item_key_text text;
    struct bytes wanted = quota_item_key(&text, entity, key);
    const struct image_item *item =
        wanted.data == NULL ? NULL : (const struct image_item *)tree_find(&image->quotas, wanted);
    if (item != NULL)
        *out_value = item->number;
    return item != NULL;
}

bool image_quota_after(
    const struct image *image, const struct quota *before, struct quota *out_quota)
{
    struct item_key_text text;
    struct bytes from = { NULL, 0 };
    if (before != NULL)
        from = quota_item_key(&text, &before->entity, before->key);
    const struct image_item *item = (const struct image_item *)tree_after(&image->quotas, from);
    if (item != NULL)
        read_item(item, out_quota);
    return item != NULL;
}
