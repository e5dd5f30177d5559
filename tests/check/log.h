/* SPDX-License-Identifier: Apache-2.0 */
/* Checks what logs promise: each value stands at one offset, each offset holds one value, what was
 * promised is read, and readers and writers see offsets grow. Lines are taken one by one; what
 * needs the whole history is judged at the end. The conditions are those of Jepsen's Kafka
 * workload, for producers without transactions. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "check/findings.h"
#include "check/history.h"

struct send {
    int64_t value, line; /* of its invoke */
    int64_t acked_at,
        seen_at;          /* offsets; NO_OFFSET: not said, not read; seen_at: by the first read */
    int64_t known_before; /* the highest offset of the key known to be taken when the send began */
    int32_t key, process;
    int32_t power, power_seen; /* power cuts before the send, and before it was last read */
    int32_t drain;             /* the number of the drain that found it last; 0: none */
    enum phase outcome;        /* PHASE_INVOKE: never answered */
    bool promises, is_volatile;
    bool is_read; /* by a poll that ended well */
    bool is_lost; /* and told */
};

struct log_key {
    int64_t known_taken;           /* the highest offset that is known to be taken for ever */
    int64_t deleted_below;         /* what may be gone in the end; not by a delete that failed */
    int64_t gone_below, gone_line; /* as was answered, in that line */
    int64_t watermark;
    int64_t drain_begin, drain_end; /* lines of the last drain that ended; 0: none did */
    int32_t drainer, drain;         /* its process, and the number of its position there */
    int32_t firm;                   /* the newest of the key's firmings; NO_FIRMING: none */
    bool is_volatile;               /* some of its sends were */
};

/* All below that offset of a key outlives every power cut after the first `power` of them: a record
 * that was promised on disk ends there, and a log is cut at its tail only. */
struct firming {
    int64_t below;
    int32_t power;
    int32_t older; /* the key's one before; NO_FIRMING */
};

/* All below that offset of a key may be gone from that line on. */
struct deletion {
    int64_t line, below;
    int32_t key;
};

enum { NO_FIRMING = -1, NO_SEND = -1 };

/* A record that a poll returned, or a position forgotten (offset NO_OFFSET). */
struct read {
    int64_t line, poll; /* poll: the line of its invoke */
    int64_t offset;
    int32_t key, process, power, send; /* send: NO_SEND when nobody sent it */
};

/* A value at an offset, said by an answer or a read. */
struct placing {
    int64_t offset, send;
    int32_t key, power;
};

struct log_process {
    int64_t poll;       /* the line of its open poll */
    int32_t poll_power; /* power cuts before that */
    int32_t *assigned;  /* keys */
    int32_t assigned_count;
};

/* What was known of a watermark when a process asked for it, and after how many power cuts that
 * was. */
struct watermark_asked {
    int64_t known;
    int32_t power;
    bool is_open; /* not told since */
};

/* What a process last asked to be deleted from a key, or when it last began to drain it. */
struct wish {
    int64_t offset;     /* NO_OFFSET: none that has no end */
    int64_t line;       /* of that delete's invoke */
    int64_t drain_line; /* 0: none */
    int32_t key;
};

struct log_checker {
    struct findings *findings;
    struct history *history;
    struct send *sends; /* in order of their invokes */
    struct read *reads; /* in order */
    struct placing *placings;
    struct log_key *keys; /* by number */
    struct log_process *processes;
    struct pairs by_value, watermarks, by_wisher; /* process and key, to asked and to wishes */
    struct watermark_asked *asked;
    struct wish *wishes;
    struct firming *firmings;
    struct deletion *deletions;
    size_t *unkept; /* sends that are ok and promise nothing, since the last power cut */
    size_t send_count, send_capacity, read_count, read_capacity, placing_count, placing_capacity;
    size_t watermark_capacity, wish_capacity, firming_count, firming_capacity,
        deletion_count, deletion_capacity, unkept_count, unkept_capacity;
    int32_t key_count, process_count;
    int32_t power; /* cuts so far */
};

bool log_takes(enum operation operation);
void log_take(struct log_checker *checker, const struct line *line);
void log_judge(struct log_checker *checker); /* at the end: what only the whole history shows */
void log_deinit(struct log_checker *checker);

/* That delete is done, or may be done. */
void log_add_deletion(struct log_checker *checker, const struct wish *wish);

/* Whether what stood at that offset after `power` cuts stands there after all of them. */
bool log_is_kept(const struct log_checker *checker, int32_t key, int64_t offset, int32_t power);
