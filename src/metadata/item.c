/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/item.h"

#include <assert.h>

#include "base/memory.h"

struct bytes item_key(const struct tree_value *value)
{
    return ((const struct image_item *)value)->key;
}

static void item_destroy(struct tree_value *value)
{
    memory_give(value);
}

struct image_item *item_create(struct bytes key, struct bytes record)
{
    struct image_item *item = memory_take(sizeof(*item) + key.size + record.size);
    uint8_t *room = (uint8_t *)(item + 1);
    atomic_init(&item->value.references, 1);
    item->value.destroy = item_destroy;
    if (key.size > 0)
        memcpy(room, key.data, key.size);
    if (record.size > 0)
        memcpy(room + key.size, record.data, record.size);
    item->key = (struct bytes){ room, key.size };
    item->record = (struct bytes){ room + key.size, record.size };
    return item;
}

void key_begin(struct item_key_text *text)
{
    text->size = 0;
    text->overflow = false;
}

void key_add_bytes(struct item_key_text *text, const void *data, size_t size)
{
    if (size > sizeof(text->data) - text->size) {
        text->overflow = true;
        return;
    }
    if (size > 0)
        memcpy(text->data + text->size, data, size);
    text->size += size;
}

void key_add_u8(struct item_key_text *text, uint8_t value)
{
    key_add_bytes(text, &value, 1);
}

void key_add_i32(struct item_key_text *text, int32_t value)
{
    uint8_t bytes[4];
    store_i32(bytes, value);
    key_add_bytes(text, bytes, sizeof(bytes));
}

void key_add_str(struct item_key_text *text, struct str value)
{
    key_add_i32(text, str_is_null(value) ? -1 : value.size);
    key_add_bytes(text, value.data, (size_t)value.size);
}

struct bytes key_end(const struct item_key_text *text)
{
    return text->overflow ? (struct bytes){ NULL, 0 } : (struct bytes){ text->data, text->size };
}

struct bytes setting_key(
    struct item_key_text *text, enum setting_scope scope, struct str name, struct str key)
{
    key_begin(text);
    key_add_u8(text, (uint8_t)scope);
    key_add_str(text, name);
    key_add_bytes(text, key.data, (size_t)key.size);
    return key_end(text);
}

void setting_key_parse(struct bytes item_key_bytes, enum setting_scope *out_scope,
    struct str *out_name, struct str *out_key)
{
    const char *data = (const char *)item_key_bytes.data;
    assert(item_key_bytes.size >= 5);
    *out_scope = (enum setting_scope)item_key_bytes.data[0];
    *out_name = (struct str){ data + 5, load_i32(data + 1) };
    size_t taken = 5 + (size_t)out_name->size;
    *out_key = (struct str){ data + taken, (int32_t)(item_key_bytes.size - taken) };
}
