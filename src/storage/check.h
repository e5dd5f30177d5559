/* SPDX-License-Identifier: Apache-2.0 */
/* Verifies what a log directory holds, Kafka's or ours, while no node runs on it: batches, indexes,
 * epochs, producer snapshots, checkpoint files, identities. Reads each file once, from one end to
 * the other, writes nothing, and holds one batch, the indexes of one segment and the producers of
 * one partition in memory. What Kafka writes is no finding: gaps that a cleaner left, space that is
 * reserved at the end of an index, producers that were forgotten by time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct decompressor;
struct io;

enum finding_kind {
    FINDING_NOTE,   /* nothing is wrong; somebody may want to know */
    FINDING_TORN,   /* the end of an unclean stop, which the next start cuts away */
    FINDING_DAMAGE, /* not as it was written */
};

struct finding {
    enum finding_kind kind;
    const char *path;
    int64_t position;    /* in that file; -1: all of it */
    const char *what;    /* as is the next: half a sentence */
    const char *follows; /* what a node makes of it */
    const char *remedy;  /* NULL: nothing has to be done */
};

/* One partition that was walked. */
struct check_log_result {
    int64_t first_offset, end_offset;
    int32_t epoch; /* of its last batch; -1 */
};

struct check {
    struct io *io;
    struct decompressor *decompressor;
    bool quick; /* records of a batch whose CRC is right are not looked at */
    void (*found)(struct check *check, const struct finding *finding);
    void (*progressed)(struct check *check); /* now and then; may be NULL */
    void (*walked)(struct check *check, const char *path,
        const struct check_log_result *result); /* may be NULL */
    int64_t read_bytes;
    int32_t log_count, log_total; /* walked; to be walked, as far as it is known */
};

/* What the files of the log directory say of a partition; -1: nothing. */
struct check_place {
    int64_t recovery_point, high_watermark, log_start, cleaned;
    bool clean; /* stopped cleanly: nothing can be torn */
};

/* A log directory. 0, or -errno when something could not be looked at; damage is told by found().
 */
int check_log_dir(struct check *check, const char *path);
/* One partition's directory; what the log directory around it says counts too. */
int check_partition(struct check *check, const char *path);
