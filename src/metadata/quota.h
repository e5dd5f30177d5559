/* SPDX-License-Identifier: Apache-2.0 */
/* Quotas: a number under a key ("producer_byte_rate") for an entity. An entity names a user, a
 * client id, both, or an address; each part has a type and a name, and a null name means the
 * default of that type. The parts are ordered by type, each type at most once. Kept in the image,
 * not enforced here. Pointers are as long-lived as the image, or as what the entity was made of. */
#pragma once
#include "metadata/image.h"
#include "metadata/item.h"

enum { QUOTA_PARTS_MAX = 3 };

struct quota_part {
    struct str type; /* "client-id", "ip", "user" */
    struct str name;
};
struct quota_entity {
    struct quota_part parts[QUOTA_PARTS_MAX];
    int32_t part_count;
};
struct quota {
    struct quota_entity entity;
    struct str key;
    double value;
};

/* A type that is there already gets the new name. False: no room for one more type. */
bool quota_entity_add(struct quota_entity *entity, struct str type, struct str name);
const struct quota_part *quota_entity_part(const struct quota_entity *entity, const char *type);
bool quota_entity_equal(const struct quota_entity *a, const struct quota_entity *b);
/* Where the quota lies in the image; data NULL when it is too long to lie there. */
struct bytes quota_item_key(
    struct item_key_text *text, const struct quota_entity *entity, struct str key);

bool image_quota(const struct image *image, const struct quota_entity *entity, struct str key,
    double *out_value);
/* All quotas, those of one entity together, by key: begin with before NULL. False: no more. */
bool image_quota_after(
    const struct image *image, const struct quota *before, struct quota *out_quota);
