/* SPDX-License-Identifier: Apache-2.0 */
/* The topics of a simulated run, as far as its clients know: the administrator makes, changes and deletes them, the others
 * write to them and read them. A topic that was deleted stays here, since answers about it may still come. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"

enum { TOPIC_NAME_SIZE = 16, TOPIC_KEY_SIZE = 64, PARTITIONS_MOST = 4 };

enum topic_state {
    TOPIC_ASKED_FOR, /* its creation has begun; it may be there */
    TOPIC_THERE,     /* it is there, and its id is known */
    TOPIC_GOING,     /* its deletion has begun */
    TOPIC_GONE,      /* it is deleted; or it was not there when one looked, though an unsure creation may still be done */
    TOPIC_REFUSED,   /* it was never made */
};

/* What clients know of a partition for certain: a record that one read, and how far a producer was told that it got. */
struct partition_facts {
    bool is_read, has_producer;
    int64_t offset, timestamp;
    int32_t epoch; /* of the leader that wrote the record */
    int64_t producer_id;
    int32_t producer_epoch, last_sequence;
    int64_t last_offset; /* of that sequence */
    int64_t gone_below; /* deletion of what is below was answered */
};

struct topic {
    struct topic *prev, *next;
    char name[TOPIC_NAME_SIZE];
    char name_key[TOPIC_NAME_SIZE + 8]; /* in the history */
    struct uuid id;                     /* zero: not known */
    int64_t value;                      /* its number in the history */
    enum topic_state state;
    int32_t partition_count;
    int32_t partitions_promised;            /* at least so many are there */
    int64_t read_to[PARTITIONS_MOST];       /* the farthest position of a reader */
    int64_t deleted_below[PARTITIONS_MOST]; /* as was asked for; or where retention lets it begin */
    int64_t retained_from[PARTITIONS_MOST]; /* the farthest that retention ever let it begin */
    struct partition_facts facts[PARTITIONS_MOST];
    bool is_volatile; /* ack.durability=page-cache; follows from the name, whichever creation was done */
    bool may_lose;    /* power takes what was promised: it is volatile, or its files rot beyond what a node must survive */
    bool is_retained; /* retention takes its oldest segments; follows from the name, too */
    bool is_unsure;   /* nobody knows whether its creation was done, or will be */
    bool is_unwanted; /* its deletion was asked for: who sees it again knows that it still goes */
    char keys[PARTITIONS_MOST][TOPIC_KEY_SIZE]; /* of its partitions in the history, once the id is known */
};

struct topics {
    struct topic *list; /* in order of creation */
};

struct topic *topics_add(struct topics *topics, const char *name);
void topics_deinit(struct topics *topics);
void topics_remove(struct topics *topics, struct topic *topic); /* nobody has heard of it */
void topic_set_id(struct topic *topic, struct uuid id);
/* What stood in the partition from that offset on may be gone. */
void topic_lose(struct topic *topic, int32_t partition, int64_t from);
/* The farthest beginning that an answer may tell: a cut of power gives back what retention took, and may come while the answer is under way. */
int64_t topic_farthest_start(const struct topic *topic, int32_t partition);
bool topic_is_absent(const struct topic *topic);
/* The newest that is not absent, else the newest; NULL: nobody asked for one. */
struct topic *topics_named(const struct topics *topics, const char *name);
/* The one with that id, which is learnt here when a creation's answer did not tell it; NULL: nobody asked for one. */
struct topic *topics_learn(struct topics *topics, const char *name, struct uuid id);
/* The n-th that is there; NULL: there are not so many. */
struct topic *topics_there(const struct topics *topics, uint64_t n);
uint64_t topics_count_there(const struct topics *topics);
