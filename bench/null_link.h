/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of the null broker: a buffer that frames are read into and stay in until the pass
 * has written them, and answers on their way out, of which one may be a file range. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "null_log.h"

enum { LINK_FIRST_ROOM = 16 * 1024, LINK_OUT_ROOM = 64 * 1024 };

struct link {
    int descriptor;
    uint8_t *in;
    size_t in_size, in_used, in_room;
    uint8_t *out;
    size_t out_size, out_sent;
    struct null_range file; /* goes out behind `out`, and `tail` behind it */
    uint8_t tail[16];
    size_t tail_size;
    bool wants_to_write;
    bool touched; /* by this pass */
    int template_index;
    struct { /* a Fetch that waits */
        bool parked;
        int32_t correlation_id, partition, max_bytes;
        int64_t offset, deadline;
    } fetch;
};

struct link *link_create(int descriptor);
void link_compact(struct link
        *link); /* after the write: what was taken goes, what is half there moves to the front */
bool link_send_all(struct link *link); /* false: the socket is full, or gone */
