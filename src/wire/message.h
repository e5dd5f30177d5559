/* SPDX-License-Identifier: Apache-2.0 */
/* What the generated structs are made of beside integers, struct str, struct bytes and struct uuid.
 * A decoded message borrows its texts and bytes from the input and its arrays from an arena; it
 * owns nothing. An array is a pointer and a count, where count -1 is null; a nullable struct is a
 * pointer, where NULL is null. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/uuid.h"

/* Record batches in a message. Decoded: data and size, or size -1 for null. To be encoded: the
 * same, or data NULL and size > 0, which leaves a hole of that size for the connection to fill from
 * hole, whatever that points to. */
struct records {
    const uint8_t *data;
    int32_t size;
    void *hole;
};

/* A tagged field that the schema does not know in this version. */
struct unknown_tag {
    uint32_t tag;
    struct bytes value;
};

/* In ascending order of tag. Kept for stored records only, so that what is written again loses
 * nothing. */
struct unknown_tags {
    const struct unknown_tag *entries;
    int32_t count;
};
