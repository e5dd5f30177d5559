/* SPDX-License-Identifier: Apache-2.0 */
/* Changes settings of topics, of the node and of the cluster, and reads them. Settings go in groups: all values of a group follow from
 * one number, which is what the history knows of them, so a change that was done by half is seen. Some changes are not to be done: with
 * a value that cannot be, or to be validated only. Topics are meant by name, which needs names that are used once. */
#pragma once
#include "sim/actor.h"

struct topic;

enum { GROUPS = 2, RESOURCE_NAME_SIZE = 40 };

struct configurer {
    struct actor actor;
    struct topic *topic;         /* of the call under way; NULL: the node or the cluster */
    const char *name;            /* of the resource */
    bool is_written[GROUPS];     /* by the call under way */
    int64_t values[GROUPS];      /* VALUE_NONE: deleted */
    bool is_void;                /* it must not be done */
};

void configurer_start(struct configurer *configurer, struct workload *workload, int number);
