/* SPDX-License-Identifier: Apache-2.0 */
/* What a Fetch keeps while it waits. A round reads every partition that may have news, at its owner. When a round gave too
 * little, the watches that it left on the partitions, or the time, start the next one. Before the answer leaves, watches at
 * other shards are taken back by one more round, so that nothing is under way any more when the arena goes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "broker/fetch_session.h"
#include "broker/visit.h"
#include "replica/partition.h"

struct fetch_response;
struct request;

struct fetch_visit {
    struct visit visit; /* first */
    struct fetch_visit *next;
    struct request *request;
    struct fetch_wish wish;
    struct fetch_session_partition *remembered; /* NULL: no session, or it forgot this one meanwhile */
    enum error error; /* found before anybody was asked; then it is not visited */
    struct partition_read read;
    struct arena arena; /* of the shard that reads */
    struct shard *there;
    struct partition_watch watch;
    struct mail wake; /* from another shard, home; that shard sends it while wakes_sent equals wakes_known */
    int32_t wakes_sent, wakes_known; /* the other shard's */
    int32_t wakes_home;              /* counted at home, */
    int32_t wakes_told;              /* and told with each round */
    struct log_warm *warm;
    struct task warmed;
    bool warmed_once;
    bool settled; /* read in an earlier round, and nothing moved since */
};

/* The watch that a session keeps on a partition of its own shard, from one request to the next: while it is quiet nobody
 * looks at that partition. */
struct fetch_watch {
    struct partition_watch watch;
    struct fetch_session_partition *partition;
};

/* Of the partitions that one shard reads in one round. */
struct fetch_quota {
    int64_t left;
    bool has_records;
};

enum fetch_stage { FETCH_READING, FETCH_WAITING, FETCH_UNWATCHING };

struct fetch_work {
    enum fetch_stage stage;
    struct request *request;
    struct visits visits;
    struct fetch_visit *list, **last;
    struct fetch_quota *quotas; /* by shard */
    struct timer deadline;
    int64_t deadline_us;
    int64_t min_bytes, max_bytes;
    int64_t copied; /* bytes of the answer that went through memory */
    bool may_wait, committed_only;
    bool incremental;
    int32_t session_id; /* 0: none */
    bool woken;
};

/* broker/fetch_read.c. True: all done already. */
bool fetch_round(struct fetch_work *work);
bool fetch_unwatch(struct fetch_work *work); /* all watches; the same */
int64_t fetch_bytes(struct fetch_work *work, bool *out_urgent); /* what the round gave; an error or the like is urgent */

/* broker/fetch_plan.c. Which partitions: from the request, or the session that it names. Sets the response's error and
 * returns false when the session is not what the client thinks. */
bool fetch_plan(struct request *request, struct fetch_work *work);
void fetch_plan_moved(struct fetch_work *work);  /* adds the session's partitions that moved since */
void fetch_forget_plan(struct fetch_work *work); /* lets go of the session's partitions */
