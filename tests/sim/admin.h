/* SPDX-License-Identifier: Apache-2.0 */
/* The administrator of a simulated run: creates and deletes topics, and looks whether they are there. */
#pragma once
#include "sim/actor.h"

struct topic;

enum { TOPIC_NAMES = 8, TOPIC_NAMES_BY_NAME = 100 };

struct admin {
    struct actor actor;
    struct topic *topic; /* of the call under way, or whose name is looked for next */
    bool must_look, must_create; /* at once */
    int32_t partitions_promised; /* of the topic, when it was looked for */
    bool is_done; /* draining, and it is known of every name whether it is there */
};

void admin_start(struct admin *admin, struct workload *workload);
