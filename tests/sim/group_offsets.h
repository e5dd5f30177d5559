/* SPDX-License-Identifier: Apache-2.0 */
/* One call for offsets of a group, by a simulated client: committed, asked for, or deleted, with
 * the lines of the history that tell of it. The offset that is committed is the number in the
 * history, and its metadata follow from it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct actor;

#define GROUPS_TOPIC "parts"
enum { GROUP_PARTITIONS = 4, GROUP_KEY_SIZE = 32 };
enum { SIMPLE_GROUPS = 2, CONSUMER_GROUP = SIMPLE_GROUPS, CLASSIC_GROUP, GROUP_COUNT };

struct group_offsets {
    const char *group;
    struct uuid topic_id;
    struct str member_id; /* empty: no member */
    int32_t epoch;        /* or generation; -1: no member */
    unsigned partitions;  /* a bit for each; filled in by whoever asks */
    int64_t values[GROUP_PARTITIONS];
    bool is_all; /* OffsetFetch for all that there are */
};

const char *group_name(uint64_t n); /* the simple ones first */
/* GROUP/PARTITION; good until the next call. */
const char *group_key(const char *group, int32_t partition);

/* What the answer says; ERROR_NONE where the partitions' answers differ only in what they tell. */
void group_offsets_commit(
    struct actor *actor, struct group_offsets *offsets, int16_t least_version);
int16_t group_offsets_hear_commit(struct actor *actor, const struct group_offsets *offsets);

void group_offsets_fetch(struct actor *actor, struct group_offsets *offsets, int16_t least_version);
int16_t group_offsets_hear_fetch(struct actor *actor, const struct group_offsets *offsets);
void group_offsets_lose_fetch(struct actor *actor, const struct group_offsets *offsets);

/* Notes how it ended for each partition: phase of all. */
void group_offsets_note(
    struct actor *actor, const struct group_offsets *offsets, const char *phase);
void group_offsets_delete(struct actor *actor, struct group_offsets *offsets);
int16_t group_offsets_hear_deletion(struct actor *actor, const struct group_offsets *offsets);

/* It says only: not now. Of what changes something, whether it was done may not be known. */
bool group_error_is_passing(int16_t error);
const char *group_phase(int16_t error);
