/* SPDX-License-Identifier: Apache-2.0 */
/* Record batches that the input decides: built as clients build them, or a right header before any bytes at all, then bent
 * here and there. The CRC is made right afterwards unless the input says otherwise, so that what it guards is reached. */
#pragma once
#include "base/arena.h"
#include "fuzz/input.h"

struct bytes batch_draw(struct input *input, int64_t base_offset, struct arena *arena);
