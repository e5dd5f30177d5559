/* SPDX-License-Identifier: Apache-2.0 */
/* Wishes for topics that cannot be: taken or impossible names, no partitions, more replicas than nodes, settings that are none; or that are
 * only to be validated. Each must be refused with Kafka's error, and no such topic may be found. */
#pragma once
#include "sim/actor.h"

struct topic;
struct wish;

struct wisher {
    struct actor actor;
    const struct wish *wish;   /* of the call under way */
    const struct topic *taken; /* whose name it wishes for; NULL: the wish's own */
};

void wisher_start(struct wisher *wisher, struct workload *workload);
