/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/fetch_session.h"

#include <utlist.h>

#include "test.h"

static struct fetch_wish wish_of(const char *topic, int32_t index)
{
    return (struct fetch_wish){ .topic = str_from(topic), .partition_index = index, .max_bytes = 1000 };
}

/* A client names a partition once; the session keeps it, and a later wish for it replaces the first. */
void test_fetch_session__remembers_what_a_client_fetches(void)
{
    struct fetch_session_cache cache;
    fetch_session_cache_init(&cache, 10);
    struct fetch_session *session = fetch_session_create(&cache, false, false, 2, 0, 77);
    struct fetch_wish wish = wish_of("a", 0);
    struct fetch_session_partition *first = fetch_session_put(session, &wish);
    wish = wish_of("a", 1);
    fetch_session_put(session, &wish);
    wish = wish_of("a", 0);
    wish.fetch_offset = 5;
    assert_ptr_equal(fetch_session_put(session, &wish), first);
    assert_int_equal(session->partition_count, 2);
    assert_int_equal(first->wish.fetch_offset, 5);
    fetch_session_forget(session, STR("a"), UUID_ZERO, 0);
    fetch_session_forget(session, STR("a"), UUID_ZERO, 7);
    assert_int_equal(session->partition_count, 1);
    assert_ptr_equal(fetch_session_find(&cache, session->id), session);
    fetch_session_cache_deinit(&cache);
    assert_int_equal(cache.count, 0);
}

/* What was served goes behind the others, so that a partition with much data cannot starve the rest. */
void test_fetch_session__serves_in_turn_and_forgets_the_clean(void)
{
    struct fetch_session_cache cache;
    fetch_session_cache_init(&cache, 10);
    struct fetch_session *session = fetch_session_create(&cache, true, false, 3, 0, 0);
    struct fetch_session_partition *partitions[3];
    for (int32_t i = 0; i < 3; i++) {
        struct fetch_wish wish = { .topic_id = { { 1 } }, .partition_index = i };
        partitions[i] = fetch_session_put(session, &wish);
    }
    assert_ptr_equal(session->dirty, partitions[0]);
    fetch_session_served(partitions[0]);
    fetch_session_mark_clean(partitions[1]);
    assert_ptr_equal(session->dirty, partitions[2]);
    assert_ptr_equal(session->dirty->dirty_next, partitions[0]);
    assert_null(partitions[0]->dirty_next);
    fetch_session_cache_deinit(&cache);
}

/* KIP-227: an incremental answer names a partition only when it has news; after an error it is named again. */
void test_fetch_session__names_only_news(void)
{
    struct fetch_session_cache cache;
    fetch_session_cache_init(&cache, 10);
    struct fetch_session *session = fetch_session_create(&cache, false, false, 1, 0, 3);
    struct fetch_wish wish = wish_of("a", 0);
    struct fetch_session_partition *partition = fetch_session_put(session, &wish);
    assert_true(fetch_session_has_news(partition, false, false, false, 10, 0));
    assert_false(fetch_session_has_news(partition, false, false, false, 10, 0));
    assert_true(fetch_session_has_news(partition, false, false, false, 11, 0));
    assert_true(fetch_session_has_news(partition, false, false, false, 11, 2));
    assert_true(fetch_session_has_news(partition, false, true, false, 11, 2));
    assert_true(fetch_session_has_news(partition, true, false, false, 11, 2));
    assert_true(fetch_session_has_news(partition, false, false, false, 11, 2));
    assert_false(fetch_session_has_news(partition, false, false, false, 11, 2));
    fetch_session_cache_deinit(&cache);
}

/* A full cache gives a slot only to those who deserve it more: over the long unused, and over older smaller ones. */
void test_fetch_session__makes_room_for_the_larger(void)
{
    struct fetch_session_cache cache;
    fetch_session_cache_init(&cache, 1);
    struct fetch_session *small = fetch_session_create(&cache, false, false, 1, 0, 5);
    struct fetch_wish wish = wish_of("a", 0);
    fetch_session_put(small, &wish);
    int32_t small_id = small->id;
    assert_null(fetch_session_create(&cache, false, false, 100, 1000, 5));
    fetch_session_advance(&cache, small, 100000);
    assert_int_equal(small->epoch, 2);
    assert_null(fetch_session_create(&cache, false, false, 1, 130000, 5));
    struct fetch_session *large = fetch_session_create(&cache, false, false, 100, 130000, 5);
    assert_non_null(large);
    assert_null(fetch_session_find(&cache, small_id + 1));
    assert_int_equal(cache.count, 1);
    assert_non_null(fetch_session_create(&cache, false, false, 1, 130000 + 120001, 5));
    fetch_session_cache_deinit(&cache);
}
