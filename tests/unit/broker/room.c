/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/room.h"

#include "../storage/store.h"

static const struct uuid topic_id = { { 9, 9, 9 } };

/* One batch that waits for room; the order in which they were let in is kept. */
struct wish {
    struct room_wait wait;
    struct log *log; /* NULL: nothing is written */
    int *let_in;
    int place; /* in that order; 0: still waits */
};

static void wish_ready(struct room_wait *wait)
{
    struct wish *wish = container_of(wait, struct wish, wait);
    if (wish->log != NULL)
        store_append(wish->log, 1, 1000, 1000, 0);
    wish->place = ++*wish->let_in;
}

static void wish_wait(struct wish *wish, struct room *room, struct log *log, int *let_in)
{
    *wish = (struct wish){
        .wait = { .size = 1000, .ready = wish_ready }, .log = log, .let_in = let_in
    };
    room_wait(room, &wish->wait);
}

static struct log *open_room(struct store *store, struct room *room)
{
    struct log_settings settings;
    struct log *log;
    log_settings_defaults(&settings);
    settings.page_cache = true; /* so that nothing is flushed for another reason */
    store_create(store);
    store_stop(store, NULL, 0);
    store->settings.dirty_bytes = 1500;
    store_open(store, store->path);
    room_init(room, store->loop, store->flusher);
    assert_int_equal(
        log_create(store->flusher, store->path, "room", 0, topic_id, &settings, &log), 0);
    return log;
}

/* Who waits is let in by the flush that makes room, in order, and no more at a time than there is
 * room for. */
void test_room__lets_in_by_the_order_of_arrival(void)
{
    struct store store;
    struct room room;
    struct wish wishes[5];
    int let_in = 0;
    struct log *log = open_room(&store, &room);
    assert_true(room_is_free(&room));
    store_append(log, 2, 1000, 1000, 0);
    assert_false(room_is_free(&room));
    for (int i = 0; i < 5; i++)
        wish_wait(&wishes[i], &room, log, &let_in);
    room_wait_cancel(&wishes[1].wait);
    int before = 0;
    while (let_in < 4) {
        assert_true(loop_turn(store.loop));
        assert_true(
            let_in - before <= 2); /* the second is one byte or more over, as a request may be */
        before = let_in;
    }
    for (int i = 0; i < 5; i++)
        assert_int_equal(wishes[i].place, i == 1 ? 0 : i == 0 ? 1 : i);
    store_stop(&store, &log, 1);
    store_remove(&store);
}

/* What waits for a partition that moves goes on in the room of the other directory, in order; who waits for another one stays. */
void test_room__hands_over_what_waits_for_a_partition(void)
{
    struct store stores[2];
    struct room rooms[2];
    struct wish wishes[4];
    struct log *logs[2];
    int let_in = 0, moved = 0, stays = 0;
    for (int i = 0; i < 2; i++)
        logs[i] = open_room(&stores[i], &rooms[i]);
    store_append(logs[0], 2, 1000, 1000, 0);
    for (int i = 0; i < 4; i++) {
        wish_wait(&wishes[i], &rooms[0], NULL, &let_in);
        wishes[i].wait.subject = i == 1 ? &stays : &moved;
    }
    room_hand_over(&rooms[0], &rooms[1], &moved);
    assert_false(room_is_free(&rooms[1])); /* nobody overtakes them */
    while (let_in < 3)
        assert_true(loop_turn(stores[1].loop));
    assert_int_equal(wishes[0].place, 1);
    assert_int_equal(wishes[2].place, 2);
    assert_int_equal(wishes[3].place, 3);
    assert_int_equal(wishes[1].place, 0);
    assert_true(room_is_free(&rooms[1]));
    for (int i = 0; i < 2; i++) {
        store_stop(&stores[i], &logs[i], 1);
        store_remove(&stores[i]);
    }
    assert_int_equal(wishes[1].place, 4);
}

/* A stop lets everybody in at once, to be told that the node stops. */
void test_room__holds_nobody_back_at_the_stop(void)
{
    struct store store;
    struct room room;
    struct wish wishes[3];
    int let_in = 0;
    struct log *log = open_room(&store, &room);
    store_append(log, 2, 1000, 1000, 0);
    for (int i = 0; i < 3; i++)
        wish_wait(&wishes[i], &room, NULL, &let_in);
    store_stop(&store, &log, 1);
    assert_int_equal(let_in, 3);
    store_remove(&store);
}
