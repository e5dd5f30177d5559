/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the leaders of many partitions for offsets: where each begins, ends, or was at a time. */
#pragma once
#include <stdint.h>

#include "base/str.h"
#include "error.h"

struct client;
struct metadata_response;
struct metadata_response_topic;

struct offset_ask {
    struct str topic;
    int32_t partition;
    int64_t timestamp; /* what for: milliseconds, or as place.h numbers beginning and end */
    int64_t offset;    /* the answer; -1: no record is so late, or see error */
    enum error error;
    int32_t leader_id; /* used inside */
};

/* In any order, each partition once. EXIT_DONE when all were asked, whatever they said; else the
 * exit code after a complaint. Reorders asks: by leader, topic and partition. */
int offsets_ask(struct client *client, const struct metadata_response *metadata,
    struct offset_ask *asks, int count);

/* NULL: there is no such topic. */
const struct metadata_response_topic *metadata_topic(
    const struct metadata_response *metadata, struct str name);
