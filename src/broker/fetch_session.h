/* SPDX-License-Identifier: Apache-2.0 */
/* Fetch sessions (KIP-227): the broker remembers which partitions a client fetches, so that a request names only
 * what changed and an answer only what is new. A session belongs to the shard of its connection's loop.
 * Each partition of a session is clean or dirty. Clean: the client has all there is, and nothing needs to be looked at
 * until fetch_session_mark_dirty() says that its log moved; so a quiet session costs nothing, however many partitions
 * it has. The dirty list is in the order in which partitions must be served: those that were served last stand last. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "base/map.h"

enum { FETCH_SESSION_NONE = 0, FETCH_EPOCH_FULL = 0, FETCH_EPOCH_FINAL = -1 };

struct fetch_session;
struct fetch_visit;
struct fetch_watch;
struct fetch_work;

/* What one request asks of one partition. topic is null when the request names topics by id. */
struct fetch_wish {
    struct uuid topic_id;
    struct str topic;
    int32_t partition_index;
    int64_t fetch_offset;
    int64_t log_start_offset; /* of a follower; -1 for consumers */
    int32_t max_bytes;
    int32_t current_leader_epoch; /* -1: not told */
    int32_t last_fetched_epoch;   /* -1: not told */
};

struct fetch_session_partition {
    struct fetch_wish wish; /* topic points into this struct */
    struct fetch_session *session;
    bool was_found;            /* its topic was there when it was asked for before */
    struct fetch_visit *visit; /* of a request in work; NULL: none */
    struct fetch_watch *watch; /* of its user, who frees it in on_drop; NULL: none */
    int64_t sent_high_watermark; /* as in the last answer that named it; -1: none or an error */
    int64_t sent_log_start;
    struct fetch_session_partition *previous, *next;             /* of the session */
    struct fetch_session_partition *dirty_previous, *dirty_next; /* of the session's dirty list */
    bool dirty;
    UT_hash_handle hh;
    uint32_t key_size;
    char key[]; /* partition index, then the id or the name */
};

struct fetch_session {
    int32_t id;
    int32_t epoch; /* that the next request must carry */
    bool by_topic_id;
    bool privileged; /* a follower's: never pushed out by a consumer's */
    int64_t created_ms, used_ms;
    int32_t partition_count;
    struct fetch_work *work; /* the request of this session that is in work; NULL: none */
    struct fetch_session_partition *by_key;
    struct fetch_session_partition *partitions, *dirty; /* utlist heads */
    void (*on_drop)(struct fetch_session_partition *partition); /* before a partition leaves; NULL: nobody cares */
    struct fetch_session *older, *newer; /* in the cache, by last use */
    UT_hash_handle hh;
};

struct fetch_session_cache {
    int32_t slots; /* max.incremental.fetch.session.cache.slots, of this shard */
    int32_t count;
    struct fetch_session *by_id;
    struct fetch_session *sessions; /* utlist head, least recently used first */
};

void fetch_session_cache_init(struct fetch_session_cache *cache, int32_t slots);
void fetch_session_cache_deinit(struct fetch_session_cache *cache);

/* A new session, or NULL when no slot can be had: an old one makes room when it was not used for two minutes, or when
 * it is older than that and smaller than partition_count. random is any number; the id is drawn from it. */
struct fetch_session *fetch_session_create(struct fetch_session_cache *cache, bool by_topic_id, bool privileged,
    int32_t partition_count, int64_t now_ms, uint32_t random);
struct fetch_session *fetch_session_find(struct fetch_session_cache *cache, int32_t id); /* or NULL */
void fetch_session_drop(struct fetch_session_cache *cache, struct fetch_session *session);

/* To be called for each request of a session: it was used, and the next one carries the next epoch. */
void fetch_session_advance(struct fetch_session_cache *cache, struct fetch_session *session, int64_t now_ms);

/* Adds the partition, or takes the new wish; dirty afterwards. */
struct fetch_session_partition *fetch_session_put(struct fetch_session *session, const struct fetch_wish *wish);
void fetch_session_forget(struct fetch_session *session, struct str topic, struct uuid topic_id, int32_t partition_index);

void fetch_session_mark_dirty(struct fetch_session_partition *partition);
void fetch_session_mark_clean(struct fetch_session_partition *partition);
void fetch_session_served(struct fetch_session_partition *partition); /* it got records: behind the others now */

/* Whether an incremental answer must name this partition: news since the last one (KIP-227). Notes what is sent. */
bool fetch_session_has_news(struct fetch_session_partition *partition, bool failed, bool has_records, bool diverges,
    int64_t high_watermark, int64_t log_start);
