/* SPDX-License-Identifier: Apache-2.0 */
/* A producer of a simulated run. An idempotent one sends a batch again until it hears of it, sometimes over two connections at once,
 * and some that were answered once more: the answer must be the first one, and hold as that does. The others never do. Some batches are
 * spoiled on purpose, and must never be stored. It stays with a topic until that is gone. */
#pragma once
#include "sim/actor.h"
#include "sim/topics.h"

enum { RECORDS_MOST = 5 }; /* in a batch */

enum batch_kind { BATCH_NORMAL, BATCH_ECHO, BATCH_NO_PARTITION, BATCH_WRONG_CRC, BATCH_WRONG_RECORDS, BATCH_SEQUENCE_GAP, BATCH_OLD_EPOCH };

struct producer {
    struct actor actor;
    char begun_as[ACTOR_NAME_SIZE]; /* the batch under way, which later lives send again */
    struct client other; /* a second connection, of idempotent ones */
    bool is_idempotent;
    int16_t acks;
    struct topic *topic; /* NULL: none yet */
    int64_t producer_id; /* -1: none yet */
    int16_t epoch;
    int32_t sequences[PARTITIONS_MOST]; /* the next ones */
    int32_t first_sequence;             /* of each partition, in this epoch */
    bool is_known[PARTITIONS_MOST];     /* something was stored there, in this epoch or an older one */
    int id_count;                       /* how many it got */

    /* The batch under way. */
    enum batch_kind kind;
    int32_t partition, sequence;
    int64_t values[RECORDS_MOST];
    int32_t count; /* 0: none is under way */
    int attempts;
    int64_t first_offset; /* of an echo: as the first answer said */
    int64_t other_offset; /* as was answered over the second connection; OFFSET_NONE: not yet, and what it promises is not noted */
    int64_t promised_end; /* how far the partition reaches, as the second connection was told */
    bool is_doubled;      /* it was sent over both connections */
};

void producer_start(struct producer *producer, struct workload *workload, int number);
void producer_stop(struct producer *producer); /* its second connection; the first is the actor's */

/* Of the producer's own: of the batch under way. */
void producer_note(struct producer *producer, const char *phase, int64_t base_offset);
void producer_violate(struct producer *producer, const char *name, int64_t offset);
int16_t producer_read_answer(struct producer *producer, const struct client *client, int64_t *out_base_offset); /* its error */

/* producer_other.c: the same batch at the same time over the second connection. */
struct produce_request;
void producer_init_other(struct producer *producer);
void producer_send_twice(struct producer *producer, const struct produce_request *request);
