/* SPDX-License-Identifier: Apache-2.0 */
/* The ways between machines: one link for each direction of each pair, made when it is first used. Each draws how late it is and how
 * it cuts what it carries. Troubles make links silent for a time: what is sent meanwhile is late, and what waits for an answer may give
 * up. Each run draws the kinds of trouble that it knows, how often they come and how long they last, from a stream of its own. */
#pragma once
#include "sim/world.h"

struct link {
    struct link *next;
    struct machine *from, *to;
    int64_t usual_us, slow_us; /* the most that a chunk takes; a slow one */
    uint32_t slow, split;      /* chances of a million: that a chunk is slow, that one is split off */
    int64_t silent_from_us, silent_until_us;
};

struct links {
    struct sim *sim;
    struct link *list;
    struct prng prng;
    struct event trouble; /* the next one; not set: the network is calm */
    uint32_t kinds;       /* of trouble, a bit each */
    int64_t rest_us, silence_us; /* the most that is between two, the most that one lasts */
    int64_t count;        /* of troubles so far */
};

struct links *links_create(struct sim *sim, uint64_t seed);
void links_destroy(struct links *links);

struct link *link_between(struct machine *from, struct machine *to);
bool link_is_silent(const struct link *link);
int64_t link_delay_us(const struct link *link);                /* of the next chunk */
size_t link_cut(const struct link *link, size_t size); /* how many of so many bytes travel as one chunk */
