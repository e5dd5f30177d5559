/* SPDX-License-Identifier: Apache-2.0 */
/* What `strom consume` is made of: a consumer prints one topic's records from its sources, the
 * partitions that it reads. A source's position is behind the last record printed of it, or behind
 * what need not be printed. Its partitions are chosen by the command line, or by a group. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "cli/record_print.h"
#include "wire/gen/metadata.h"

struct arguments;
struct client;
struct decompressor;
struct place;

struct source {
    int32_t partition, leader_id;
    int64_t position;   /* -1: not placed yet */
    int64_t end;        /* where --until-end stops; -1: nowhere */
    int64_t committed;  /* for the group; -1: nothing */
    int storage_errors; /* in a row */
};

struct consumer {
    struct client *client;
    struct metadata_response_topic topic;
    struct arena arena; /* what topic points into */
    struct source *sources;
    int source_count;
    struct record_printer printer;
    struct decompressor *decompressor;
    int64_t left; /* records to print; -1: no bound */
    bool committed, until_end;
    bool output_failed; /* what was printed last may not have arrived */
};

enum { FETCH_WAIT_MS = 500 };

/* All of these: EXIT_DONE, or the exit code after a complaint. */

/* Puts the source at the place; or, with an offset of at least 0, there or as near as records are.
 */
int consumer_place(
    struct consumer *consumer, struct source *source, const struct place *place, int64_t offset);
/* Asks for the topic again: partitions may be new, leaders elsewhere. */
int consumer_refresh(struct consumer *consumer);

/* A fetch from every node that leads an unfinished source; one that is alone may wait so long for
 * records. in_out_leaders: how many they were the last time, and are now. */
int consumer_fetch(struct consumer *consumer, int32_t wait_ms, int *in_out_leaders);

/* Reads what the group assigns (KIP-848: the coordinator does), until there is nothing left to do
 * or a signal comes; commits and leaves. */
int consume_in_group(struct consumer *consumer, const char *group, const struct place *place);
