/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for one partition, which many simulated clients send: made whole, with Kafka's defaults, for partition 0 of the topic; what is
 * asked the client fills in. The parts point to each other, so a request stays where it was made. */
#pragma once
#include "base/str.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/offset_for_leader_epoch.h"

struct actor;

struct one_fetch {
    struct fetch_request request;
    struct fetch_topic topic;
    struct fetch_partition partition;
};
void one_fetch_init(struct one_fetch *one, struct str topic);

struct one_list_offsets {
    struct list_offsets_request request;
    struct list_offsets_topic topic;
    struct list_offsets_partition partition;
};
void one_list_offsets_init(struct one_list_offsets *one, struct str topic);

struct one_epoch_end {
    struct offset_for_leader_epoch_request request;
    struct offset_for_leader_epoch_offset_for_leader_topic topic;
    struct offset_for_leader_epoch_offset_for_leader_partition partition;
};
void one_epoch_end_init(struct one_epoch_end *one, struct str topic);

/* Asks for a topic of one partition with these settings: names and values. actor->hear is the caller's. */
void request_topic(struct actor *actor, const char *name, const char *const settings[][2], int count);
