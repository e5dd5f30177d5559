/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint files of a log directory: version 0, a count, then `topic partition offset` lines
 * in no order. A recovery point of -1 says that it is not known. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "storage/log_dir_mail.h"

extern const char *const checkpoint_file_name[CHECKPOINT_KIND_COUNT];

/* Calls visit for each line; false when the text is not such a file. Topic points into text. */
bool checkpoint_file_read(struct str text,
    void (*visit)(void *context, struct str topic, int32_t partition, int64_t offset),
    void *context);
void checkpoint_text_deinit(struct checkpoint_text *text);
void checkpoint_text_join(struct checkpoint_text *text, const struct checkpoint_text *more);
/* The whole file of the lines in text, heap memory. */
uint8_t *checkpoint_file_print(const struct checkpoint_text *text, size_t *out_size);
