/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of members of classic groups that come back or go, with the reason that their clients
 * give (KIP-800), and of groups that change their protocol. Most of it is a peer's text: of each
 * word at most 255 bytes are printed, and what is not plain ASCII as \xNN. Peers set the pace, so a
 * shard prints at most 100 such lines a second, and then how many it left out. */
#pragma once
#include <stdint.h>

#include "base/str.h"

struct arena;
struct group_conversion;
struct request;
struct shard;

struct group_reports {
    int64_t second; /* of the loop's clock, in which count were printed */
    int32_t count;
    int64_t left_out;
};

struct group_member_told {
    struct str group_id, member_id, instance_id, reason; /* null: not said */
};

void group_report_joined(
    struct request *request, const struct group_member_told *told, int32_t generation);
void group_report_left(struct request *request, const struct group_member_told *told);
void group_report_conversions(
    struct shard *shard, struct arena *arena, const struct group_conversion *conversions);
