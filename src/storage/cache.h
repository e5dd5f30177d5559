/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the page cache behind a steady writer in bounds. Memory that the system hands out for the
 * first time is the slowest thing on a virtual machine; memory that it had before is fast. So what
 * a log has written gives its pages back, on a worker, once it is durable, every live reader is
 * past it, and it is not among the last bytes of the log (log_dir_settings.cache_bytes), where the
 * next reader will want to begin. A reader lives while it read within the last ten seconds. It is
 * all a hint: whoever comes late reads from the disk. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct flusher;
struct log;
struct work;

/* A read of so many bytes, at position of that segment. */
void cache_note_read(struct log *log, int32_t segment_index, int64_t position, int64_t size);

/* When durable ends have moved: adds what the log can give back, then gives it back. The flusher
 * tries again with its next flush while the last is running. */
void cache_trim(struct log *log);
void cache_submit(struct flusher *flusher);
void cache_work_is_done(struct work *work); /* done() of the flusher's cache_work */
