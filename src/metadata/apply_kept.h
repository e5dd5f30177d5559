/* SPDX-License-Identifier: Apache-2.0 */
/* The records whose bytes the image keeps as items, and how they are applied. Used by apply.c. */
#pragma once
#include "metadata/image.h"
#include "wire/schema.h"

struct apply_row {
    const struct message_schema *schema;
    const char *(*apply)(
        struct image *image, const void *message, struct bytes raw); /* NULL or what is wrong */
};
extern const struct apply_row apply_kept_rows[];
extern const int32_t apply_kept_row_count;

void image_remove_settings(struct image *image, enum setting_scope scope, struct str name);
