/* SPDX-License-Identifier: Apache-2.0 */
/* A closed loop over one API: every connection keeps `window` requests in flight. Frames are built
 * once and sent in turn; only the correlation id, in the first 12 bytes, differs from sending to
 * sending. */
#pragma once
#include "base/arena.h"
#include "base/bytes.h"
#include "workload.h"

struct closed_loop {
    struct measurement measurement;
    struct buffer **frames;
    int frame_count;
    /* Each request is `stride` frames behind the one before it on its connection. */
    int stride;
    /* Decodes the answer, checks what stands in it, and tells what it counts for --fill and, while
     * it counts, adds to records and bytes. */
    uint64_t (*take_answer)(struct closed_loop *loop, struct bytes answer, int32_t *out_id);
    struct arena arena; /* of one answer */
};

/* Until the measured time is over, or all that --fill asks for is answered. frames, stride and
 * take_answer are set. */
void closed_loop_run(struct closed_loop *loop, const struct options *options, const char *workload);
