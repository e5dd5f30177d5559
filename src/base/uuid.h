/* SPDX-License-Identifier: Apache-2.0 */
/* A 128-bit id. As text: url-safe base64 of 22 characters without padding, as Kafka prints it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

enum { UUID_TEXT_SIZE = 22 };

struct uuid {
    uint8_t bytes[16];
};

#define UUID_ZERO ((struct uuid){ { 0 } })

static inline bool uuid_equal(struct uuid a, struct uuid b) { return memcmp(a.bytes, b.bytes, 16) == 0; }
static inline bool uuid_is_zero(struct uuid id) { return uuid_equal(id, UUID_ZERO); }

void uuid_print(struct uuid id, char text[UUID_TEXT_SIZE + 1]); /* NUL-terminated */
bool uuid_parse(struct str text, struct uuid *out_id);

/* A version 4 id from 16 random bytes, never one that Kafka reserves or whose text begins with '-'. */
struct uuid uuid_from_random(const uint8_t random[16]);
