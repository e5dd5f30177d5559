/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers as bytes on the wire, for the simulator's clients. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "wire/schema.h"

struct arena;

/* A whole frame, with its length in front; the caller gives the memory back. */
uint8_t *frame_build(const struct api_schema *api, int16_t version, int32_t correlation_id, const void *request, size_t *out_size);
/* The answer in a frame, without the length; NULL: it is none to that request. It points into the frame and the arena. */
const void *frame_read(const struct api_schema *api, int16_t version, int32_t correlation_id, struct bytes frame, struct arena *arena);
int16_t api_newest_version(const struct api_schema *api); /* that is no draft */
