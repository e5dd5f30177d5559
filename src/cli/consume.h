/* SPDX-License-Identifier: Apache-2.0 */
/* What `strom consume` is made of: a consumer prints one topic's records from its sources, the
 * partitions that it reads. A source's position is behind the last record printed of it, or behind
 * what need not be printed; that is written when standard output has taken it, and only then is it
 * for the group to keep. Its partitions are chosen by the command line, or by a group. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "cli/record_print.h"
#include "wire/gen/fetch.h"
#include "wire/gen/metadata.h"
#include "wire/record.h"

struct arguments;
struct client;
struct decompressor;
struct outlet;
struct place;

struct source {
    int32_t partition, leader_id;
    int64_t position;   /* -1: not placed yet */
    int64_t written;    /* the position up to which standard output has everything */
    int64_t end;        /* where --until-end stops; -1: nowhere */
    int64_t committed;  /* for the group; -1: nothing */
    int storage_errors; /* in a row */
    bool fetched;       /* what was fetched continues at its position */
};

/* An answer of a node, printed piece by piece as standard output takes it. */
struct fetched {
    bool is_open; /* there is one */
    struct arena arena;
    struct fetch_response response;
    int32_t topic_index, partition_index; /* where in it */
    bool has_begun;                       /* with that partition; then what is left of it: */
    struct bytes batches;
    bool in_batch; /* the first of them; then what is left of it: */
    struct batch_header batch;
    struct record_reader records;
    struct buffer *owner;
};

struct consumer {
    struct client *client;
    struct metadata_response_topic topic;
    struct arena arena; /* what topic points into */
    struct source *sources;
    int source_count;
    int32_t asked_id; /* the leader that was asked last; -1: none yet */
    struct fetched fetched;
    struct record_printer printer;
    struct outlet *outlet;
    struct decompressor *decompressor;
    int64_t left; /* records to print; -1: no bound */
    bool committed, until_end;
    bool output_failed; /* what was written last may not have arrived */
    bool given_up;      /* by a person: what standard output does not take is lost */
};

enum { FETCH_WAIT_MS = 500 };

/* All of these: EXIT_DONE, or the exit code after a complaint. */

/* Puts the source at the place; or, with an offset of at least 0, there or as near as records are.
 */
int consumer_place(
    struct consumer *consumer, struct source *source, const struct place *place, int64_t offset);
/* Asks for the topic again: partitions may be new, leaders elsewhere. */
int consumer_refresh(struct consumer *consumer);

/* The next thing to do: to write what was printed, or to print what was fetched, or to fetch, from
 * one node after the other. in_out_leaders: how many lead unfinished sources, when it fetched; one
 * that is alone may wait so long for records, and standard output may always. */
int consumer_step(struct consumer *consumer, int32_t wait_ms, int *in_out_leaders);
bool consumer_is_finished(const struct source *source); /* it is where --until-end stops */

/* Prints on of what was fetched, until that is enough to be written or is all. */
int consumer_print(struct consumer *consumer);
/* Drops what was fetched and is not printed. */
void consumer_drop(struct consumer *consumer);
/* Whether something was printed that is not written. */
bool consumer_owes(const struct consumer *consumer);
/* Writes it as far as there is room, for which it may wait so long; -1: until it is written. */
int consumer_write(struct consumer *consumer, int64_t wait_ms);

/* Reads what the group assigns (KIP-848: the coordinator does), until there is nothing left to do
 * or a signal comes; commits and leaves. */
int consume_in_group(struct consumer *consumer, const char *group, const struct place *place);
