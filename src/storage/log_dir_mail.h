/* SPDX-License-Identifier: Apache-2.0 */
/* What flushers send to the owner of a log directory: the offsets for its checkpoint files, and
 * failure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"

struct flusher;
struct log_dir;
struct log_place;

enum checkpoint_kind {
    CHECKPOINT_RECOVERY,
    CHECKPOINT_HIGH_WATERMARK,
    CHECKPOINT_START,
    CHECKPOINT_CLEANER,
    CHECKPOINT_KIND_COUNT
};

/* Lines of a checkpoint file: `topic partition offset`. */
struct checkpoint_text {
    char *data; /* owned */
    size_t size, capacity;
    int32_t count;
};
void checkpoint_text_add(
    struct checkpoint_text *text, const char *topic, int32_t partition, int64_t offset);

/* Goes back to a flusher when what it sent is durable, or cannot be made so. Embedded there; each
 * one at a time. */
struct checkpoint_kept {
    struct mail mail; /* deliver is set by the flusher */
    int status;       /* 0 or -errno */
    struct checkpoint_kept *next;
};

struct checkpoint_mail {
    struct mail mail;
    struct log_dir *dir;
    const struct flusher *from;
    struct checkpoint_kept *kept; /* NULL: not asked for */
    bool starts_only;             /* the others stay as they were */
    bool outlives_a_log; /* what is under way may still write to the directory of one that was deleted */
    /* Of all logs of the flusher. */
    struct checkpoint_text texts[CHECKPOINT_KIND_COUNT];
    const struct log_place **claimed; /* places that the flusher answers for from now on; owned */
    int32_t claimed_count;
};

void log_dir_mail_checkpoint(
    struct checkpoint_mail *mail, struct loop *from_loop); /* takes the mail */
/* A log of the flusher was deleted. The checkpoint mail that leaves its lines out comes later. */
void log_dir_mail_deletion(struct log_dir *dir, const struct flusher *flusher, struct loop *from_loop);
void log_dir_mail_failure(struct log_dir *dir, struct loop *from_loop, int status);
