/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a few keys of a compacted topic of its own again and again, and removes them with tombstones, while the node cleans it. Now and
 * then, and at the end, it reads all from the beginning: what is there is what was sent, at the offset that it always had; and of each
 * key there is the newest record that was answered, or a newer one, but for a tombstone whose delete.retention.ms may have passed. */
#pragma once
#include "sim/actor.h"

enum { KEEPER_KEYS = 6, KEEPER_RECORDS_MOST = 4 }; /* in a batch */

/* A record that was sent. Its key, its value and whether it is a tombstone follow from its number. */
struct kept {
    enum kept_fate { KEPT_UNSURE, KEPT_STORED, KEPT_REFUSED } fate;
    int64_t timestamp, offset; /* offset: of what is stored */
    int life, lost_in_life;    /* of the node: when it was sent, and when nothing had been heard of it */
};

struct keeper {
    struct actor actor;
    bool has_topic, is_done;
    uint64_t retention; /* which delete.retention.ms was drawn */
    bool rolls_by_time;

    struct kept *sent; /* by number, from 1 on */
    int64_t *numbers;  /* by offset; 0: not known */
    int64_t sent_count, sent_capacity, number_capacity;
    int64_t newest[KEEPER_KEYS]; /* stored at the highest offset; 0: none is known */
    int64_t batch_first, batch_count;

    bool is_reading, is_final, saw_damage;
    int64_t position, last[KEEPER_KEYS]; /* of each key the record that was read last; 0: none */
    int64_t suspects[KEEPER_KEYS];       /* the newest was gone at the last reading, and an older one there: it may have gone since */
};

void keeper_start(struct keeper *keeper, struct workload *workload);
void keeper_stop(struct keeper *keeper);
