/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text: base64 with + and /, padded. (Ids have a form of their own, see base/uuid.h.) */
#pragma once
#include <stdbool.h>

#include "base/bytes.h"

struct arena;

char *base64_print(struct bytes bytes, struct arena *arena);
/* Padding may be missing; false for anything else that does not belong. */
bool base64_parse(const char *text, size_t size, struct arena *arena, struct bytes *out_bytes);
