/* SPDX-License-Identifier: Apache-2.0 */
/* What a request wants of coordinators of groups: each ask travels to the partition of
 * __consumer_offsets that is the group's home, is decided there, and comes back when what was
 * decided is durable; or at once with an error, NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS ... A
 * handler adds its asks, sends them, and reads them when request->errands_out is 0. */
#pragma once
#include "broker/visit.h"
#include "coordinator/coordinator.h"

struct request;

struct group_ask {
    struct visit visit; /* first */
    struct coordinator_request ask;
    struct group_ask *next;
    enum error error; /* NONE: the response is filled */
};

struct group_asks {
    struct request *request;
    struct visits visits;
    struct group_ask *list, **last; /* in the order in which they were added */
    struct arena *arenas; /* by shard, of what is decided there: what the answer points to */
    struct str client_host;
};

/* Once for a request, which frees it when it ends. */
struct group_asks *group_asks_make(struct request *request);
/* response: with the schema's defaults. An ask that cannot travel, since there is no such topic
 * yet, has its error already. */
struct group_ask *group_ask_add(struct group_asks *asks, struct str group_id,
    enum coordinator_request_type type, const void *in, void *out);
void group_ask_add_all(struct group_asks *asks, enum coordinator_request_type type, const void *in,
    void *(*make_out)(struct request *request)); /* one for each partition of the topic */
void group_asks_send(struct group_asks *asks);

/* group.version is 0 where nobody wants the consumer protocol (KIP-848): then nobody gets it. */
bool group_ask_is_enabled(const struct request *request);

/* What authorized_operations says where nobody is asked for permission (read, delete, describe,
 * describe and alter settings; KIP-430). */
enum { ALL_GROUP_OPERATIONS = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11 };

/* The whole of a request that is one ask, answered in its own response; to be called at each step.
 * False: park. True: *out_error says how; other than ERROR_NONE, the response is as at first. */
bool group_ask_one(struct request *request, struct str group_id, enum coordinator_request_type type,
    const void *in, enum error *out_error);
