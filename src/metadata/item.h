/* SPDX-License-Identifier: Apache-2.0 */
/* Items: what the image keeps as encoded records under a key, so that a snapshot gives them back
 * byte for byte, tags that nobody here knows included. Keys are bytes whose order groups what is
 * listed together. */
#pragma once
#include "metadata/image.h"

enum { ITEM_KEY_MAX = 72 * 1024 };

/* Room for a key under construction; twice the longest string and more. */
struct item_key_text {
    uint8_t data[ITEM_KEY_MAX];
    size_t size;
    bool overflow; /* the key does not fit: no such item can exist */
};

struct bytes item_key(const struct tree_value *value);
/* One allocation with key and record copied; text, level and number are the caller's to set (text may
 * point into record). */
struct image_item *item_create(struct bytes key, struct bytes record);

void key_begin(struct item_key_text *text);
void key_add_u8(struct item_key_text *text, uint8_t value);
void key_add_i32(struct item_key_text *text, int32_t value);
void key_add_bytes(struct item_key_text *text, const void *data, size_t size);
void key_add_str(struct item_key_text *text,
    struct str value); /* with its length: parts stay apart; null is not "" */
struct bytes key_end(const struct item_key_text *text); /* data NULL on overflow */

/* Settings are ordered by scope, resource name, key. */
struct bytes setting_key(
    struct item_key_text *text, enum setting_scope scope, struct str name, struct str key);
void setting_key_parse(struct bytes item_key_bytes, enum setting_scope *out_scope,
    struct str *out_name, struct str *out_key);
