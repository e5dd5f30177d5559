/* SPDX-License-Identifier: Apache-2.0 */
/* Printing the files of a log directory, one call a kind. They return 0, -ENOENT when there is no
 * such file, or another -errno; what is damaged is said where it stands, and counted. */
#pragma once
#include <jansson.h>

#include "base/arena.h"
#include "base/str.h"
#include "wire/compress.h"

struct io;

struct dump {
    struct io *io;
    struct decompressor *decompressor;
    struct arena arena; /* for one record */
    struct str topic;   /* of the directory */
    const char *path;   /* as it was asked for */
    const char *file;   /* its last part */
    bool with_records, as_json;
    int damages;
};

int dump_batches(struct dump *dump, const char *path); /* .log, and snapshots of the metadata log */
int dump_offset_index(struct dump *dump, const char *path);
int dump_time_index(struct dump *dump, const char *path);
int dump_aborted_index(struct dump *dump, const char *path); /* .txnindex */
int dump_producers(struct dump *dump, const char *path);     /* .snapshot */
int dump_text(struct dump *dump, const char *path); /* checkpoints, properties, quorum-state */

/* One line: an object with the file's path first, or its members as name: value. Takes line. */
void dump_line(struct dump *dump, json_t *line);
void dump_damage(struct dump *dump, int64_t position, const char *what);
