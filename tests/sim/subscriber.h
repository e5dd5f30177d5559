/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of many partitions with a fetch session: it asks for all of them once, then says only what changed, and forgets some and adds
 * others. What others have read it must get too, with as little or as much in an answer as it wishes. Now and then it asks with an epoch or an id that its session does not have. */
#pragma once
#include "sim/actor.h"
#include "sim/topics.h"

enum { SLOTS = 6 };

struct slot {
    struct topic *topic; /* NULL: free */
    int32_t partition;
    int64_t position;
    bool is_in_session;
    bool is_told;   /* the session knows the position */
    bool is_behind; /* when it asked: others had read farther */
};

struct subscriber {
    struct actor actor;
    struct slot slots[SLOTS], forgotten;
    int32_t session_id, session_epoch; /* the next; 0: all is told anew */
    int32_t max_bytes;                 /* of all records in the answer under way */
};

void subscriber_start(struct subscriber *subscriber, struct workload *workload, int number);
