/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/fetch_session.h"

#include <assert.h>
#include <utlist.h>

#include "base/bytes.h"

enum { EVICTION_MS = 120000 };

void fetch_session_cache_init(struct fetch_session_cache *cache, int32_t slots)
{
    *cache = (struct fetch_session_cache){ .slots = slots };
}

void fetch_session_cache_deinit(struct fetch_session_cache *cache)
{
    while (cache->sessions != NULL)
        fetch_session_drop(cache, cache->sessions);
}

/* The one that may make room for a session of partition_count partitions, or NULL. */
static struct fetch_session *evictable(
    struct fetch_session_cache *cache, bool privileged, int32_t partition_count, int64_t now_ms)
{
    struct fetch_session *session;
    struct fetch_session *oldest = cache->sessions;
    if (oldest != NULL && now_ms - oldest->used_ms > EVICTION_MS)
        return oldest;
    DL_FOREACH2(cache->sessions, session, newer) {
        if (now_ms - session->created_ms <= EVICTION_MS || (session->privileged && !privileged))
            continue;
        if (session->partition_count < partition_count || (privileged && !session->privileged))
            return session;
    }
    return NULL;
}

struct fetch_session *fetch_session_create(struct fetch_session_cache *cache, bool by_topic_id, bool privileged,
    int32_t partition_count, int64_t now_ms, uint32_t random)
{
    if (cache->count >= cache->slots) {
        struct fetch_session *old = evictable(cache, privileged, partition_count, now_ms);
        if (old == NULL)
            return NULL;
        fetch_session_drop(cache, old);
    }
    int32_t id = (int32_t)(random & INT32_MAX);
    while (id == FETCH_SESSION_NONE || fetch_session_find(cache, id) != NULL)
        id = id == INT32_MAX ? 1 : id + 1;
    struct fetch_session *session = memory_take(sizeof(*session));
    session->id = id;
    session->epoch = 1;
    session->by_topic_id = by_topic_id;
    session->privileged = privileged;
    session->created_ms = session->used_ms = now_ms;
    HASH_ADD_INT(cache->by_id, id, session);
    DL_APPEND2(cache->sessions, session, older, newer);
    cache->count++;
    return session;
}

struct fetch_session *fetch_session_find(struct fetch_session_cache *cache, int32_t id)
{
    struct fetch_session *session;
    HASH_FIND_INT(cache->by_id, &id, session);
    return session;
}

static void remove_partition(struct fetch_session *session, struct fetch_session_partition *partition)
{
    if (session->on_drop != NULL)
        session->on_drop(partition);
    fetch_session_mark_clean(partition);
    HASH_DEL(session->by_key, partition);
    DL_DELETE2(session->partitions, partition, previous, next);
    session->partition_count--;
    memory_give(partition);
}

void fetch_session_drop(struct fetch_session_cache *cache, struct fetch_session *session)
{
    while (session->partitions != NULL)
        remove_partition(session, session->partitions);
    assert(session->partition_count == 0);
    HASH_DEL(cache->by_id, session);
    DL_DELETE2(cache->sessions, session, older, newer);
    cache->count--;
    memory_give(session);
}

void fetch_session_advance(struct fetch_session_cache *cache, struct fetch_session *session, int64_t now_ms)
{
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    session->used_ms = now_ms;
    DL_DELETE2(cache->sessions, session, older, newer);
    DL_APPEND2(cache->sessions, session, older, newer);
}

/* The longest topic name is 249 bytes; a longer one names no topic and is cut, it will not be found anyway. */
static uint32_t make_key(char key[256], bool by_topic_id, struct str topic, struct uuid topic_id, int32_t index)
{
    store_i32(key, index);
    if (by_topic_id) {
        memcpy(key + 4, topic_id.bytes, sizeof(topic_id.bytes));
        return 4 + sizeof(topic_id.bytes);
    }
    uint32_t size = topic.size > 252 ? 252 : (uint32_t)topic.size;
    if (size > 0)
        memcpy(key + 4, topic.data, size);
    return 4 + size;
}

struct fetch_session_partition *fetch_session_put(struct fetch_session *session, const struct fetch_wish *wish)
{
    char key[256];
    uint32_t key_size = make_key(key, session->by_topic_id, wish->topic, wish->topic_id, wish->partition_index);
    struct fetch_session_partition *partition;
    HASH_FIND(hh, session->by_key, key, key_size, partition);
    if (partition == NULL) {
        partition = memory_take(sizeof(*partition) + key_size);
        partition->session = session;
        partition->sent_high_watermark = partition->sent_log_start = -1;
        partition->key_size = key_size;
        memcpy(partition->key, key, key_size);
        HASH_ADD_KEYPTR(hh, session->by_key, partition->key, key_size, partition);
        DL_APPEND2(session->partitions, partition, previous, next);
        session->partition_count++;
    }
    partition->wish = *wish;
    if (!session->by_topic_id)
        partition->wish.topic = (struct str){ partition->key + 4, (int32_t)key_size - 4 };
    fetch_session_mark_dirty(partition);
    return partition;
}

void fetch_session_forget(struct fetch_session *session, struct str topic, struct uuid topic_id, int32_t partition_index)
{
    char key[256];
    uint32_t key_size = make_key(key, session->by_topic_id, topic, topic_id, partition_index);
    struct fetch_session_partition *partition;
    HASH_FIND(hh, session->by_key, key, key_size, partition);
    if (partition != NULL)
        remove_partition(session, partition);
}

void fetch_session_mark_dirty(struct fetch_session_partition *partition)
{
    if (partition->dirty)
        return;
    partition->dirty = true;
    DL_APPEND2(partition->session->dirty, partition, dirty_previous, dirty_next);
}

void fetch_session_mark_clean(struct fetch_session_partition *partition)
{
    if (!partition->dirty)
        return;
    partition->dirty = false;
    DL_DELETE2(partition->session->dirty, partition, dirty_previous, dirty_next);
}

void fetch_session_served(struct fetch_session_partition *partition)
{
    fetch_session_mark_clean(partition);
    fetch_session_mark_dirty(partition);
}

bool fetch_session_has_news(struct fetch_session_partition *partition, bool failed, bool has_records, bool diverges,
    int64_t high_watermark, int64_t log_start)
{
    bool news = has_records || failed || diverges || high_watermark != partition->sent_high_watermark ||
                log_start != partition->sent_log_start;
    /* After an error or a diverging epoch the next answer names it again, whatever it says. */
    partition->sent_high_watermark = failed || diverges ? -1 : high_watermark;
    partition->sent_log_start = log_start;
    return news;
}
