/* SPDX-License-Identifier: Apache-2.0 */
/* The segment that a cleaning writes: what is appended gathers in memory until it is written, one
 * write a call; its indexes are made on the way by the rules of a log that is appended to. Every
 * file has its final name with `.cleaned` behind it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "storage/segment.h"

struct buffer;
struct clean_kept;
struct io;
struct work;

struct clean_output {
    const char *path; /* of the directory, borrowed */
    struct segment segment;
    struct buffer *pending; /* to be appended to; the segment's size counts it */
    int64_t written;        /* bytes in the file */
    int64_t since_index;    /* bytes since the last index entry */
    int32_t index_interval_bytes;
};

void clean_output_init(struct clean_output *output, const char *path, int64_t base_offset,
    int32_t index_interval_bytes);
void clean_output_deinit(struct clean_output *output);
int clean_output_create(
    struct clean_output *output, struct io *io); /* the file, which must not be there */

/* Takes into the books what was appended to `pending` last. -EFBIG: no segment can hold it. */
int clean_output_account(struct clean_output *output, const struct clean_kept *kept);
int64_t clean_output_write(struct clean_output *output); /* all that is pending; bytes or -errno */

/* What makes all of it durable, indexes, names and all; and what removes it. */
void clean_output_finish(struct clean_output *output, struct work *work);
void clean_output_remove(const char *path, int64_t base_offset, struct work *work);
