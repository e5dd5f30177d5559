/* SPDX-License-Identifier: Apache-2.0 */
/* What a request wants of coordinators of groups: each ask travels to the partition of
 * __consumer_offsets that is the group's home, is decided there, and comes back when what was
 * decided is durable; or at once with an error, NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS ... A
 * request of many asks sends them in rounds, the next one when the last is home, so that none holds
 * a pass and few are in memory; and what coordinators answer to it is charged to the node's budget,
 * of which it may take half. */
#pragma once
#include "broker/request.h"
#include "broker/visit.h"
#include "coordinator/coordinator.h"

enum { GROUP_ASKS_AT_ONCE = 256 };

struct group_ask {
    struct visit visit; /* first */
    struct coordinator_request ask;
    struct group_asks *asks;
    enum error error; /* NONE: the response is filled */
};

/* What a handler of many asks says of each, by its number. */
struct group_asker {
    /* Says what is asked, with group_ask_group() or group_ask_home(). */
    void (*ask)(struct request *request, int32_t number, struct group_ask *ask);
    /* The ask is home; what the response points to stays. */
    void (*tell)(struct request *request, int32_t number, const struct group_ask *ask);
};

/* response: with the schema's defaults. */
void group_ask_group(struct group_ask *ask, struct str group_id, enum coordinator_request_type type,
    const void *in, void *out);
void group_ask_home(struct group_ask *ask, int32_t index, enum coordinator_request_type type,
    const void *in, void *out); /* that partition of the topic */
int32_t group_ask_home_count(const struct request *request);

/* The whole of a request that asks so many times; to be called at each step. STEP_ANSWER: all was
 * told; else what the step is to return. */
enum step group_ask_many(struct request *request, const struct group_asker *asker, int32_t count);

/* The whole of a request that is one ask, answered in its own response; to be called at each step.
 * False: park. True: *out_error says how; other than ERROR_NONE, the response is as at first. */
bool group_ask_one(struct request *request, struct str group_id, enum coordinator_request_type type,
    const void *in, enum error *out_error);

/* Whether the consumer protocol (KIP-848) is served: group.version is 0, or
 * group.coordinator.rebalance.protocols does not name it, where nobody wants it. */
bool group_ask_is_enabled(const struct request *request);

/* What authorized_operations says where nobody is asked for permission (read, delete, describe,
 * describe and alter settings; KIP-430). */
enum { ALL_GROUP_OPERATIONS = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11 };
