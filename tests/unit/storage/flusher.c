/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/flush.h"
#include "storage/log_state.h"
#include "store.h"

/* Appends in every pass, as a loop under full load does: staged before timers and tasks run,
 * written at its end. */
struct load {
    struct store *store;
    struct log *log;
    struct mail next_pass;
    struct task write;
    bool over;
};

static void load_write(struct task *task)
{
    struct load *load = container_of(task, struct load, write);
    assert_int_equal(log_write(load->log), 0);
    log_set_high_watermark(load->log, log_end(load->log));
    mail_send(load->store->loop, load->store->loop, &load->next_pass);
}

static void load_stage(struct mail *mail)
{
    struct load *load = container_of(mail, struct load, next_pass);
    if (load->over)
        return;
    store_stage(load->log, 1, 1000, 1000, 0, NULL);
    loop_finish(load->store->loop, FINISH_WRITE, &load->write);
}

/* Checkpoints come between two passes' writes, so they never wait for a load to pause: a log that
 * is appended to in every pass gets recovery points, and retention lets its oldest segments go. */
void test_flusher__checkpoints_under_full_load(void)
{
    static const struct uuid topic_id = { { 9, 9, 9 } };
    struct store store;
    struct log_settings settings;
    log_settings_defaults(&settings);
    settings.segment_bytes = 200 * 1000; /* a slow disk lets many stand open */
    settings.retention_bytes = 400 * 1000;
    settings.retention_ms = -1;
    settings.file_delete_delay_ms = 0;
    settings.page_cache = true;
    store_create(&store);
    store_stop(&store, NULL, 0);
    store.settings.checkpoint_ms = 5;
    store.settings.retention_first_ms = store.settings.retention_check_ms = 5;
    store_open(&store, store.path);
    struct log *log;
    assert_int_equal(
        log_create(store.flusher, store.path, "full", 0, topic_id, &settings, &log), 0);
    struct load load = {
        .store = &store, .log = log, .next_pass.deliver = load_stage, .write.run = load_write
    };
    mail_send(store.loop, store.loop, &load.next_pass);
    int64_t deadline_ms = loop_now_ms(store.loop) + 30000; /* a busy machine may be slow to sync */
    while (log_start(log) == 0 && loop_now_ms(store.loop) < deadline_ms)
        assert_true(loop_turn(store.loop));
    assert_true(log->recovery_point > 0);
    assert_true(log_start(log) > 0);
    load.over = true;
    assert_true(loop_turn(store.loop));
    store_stop(&store, &log, 1);
    store_remove(&store);
}

static bool flush_both(struct store *store, struct log **logs)
{
    for (int i = 0; i < 2; i++) {
        store_append(logs[i], 1, 1000, 1000, 0);
        log_want_flush(logs[i]);
    }
    while (
        log_durable_end(logs[0]) < log_end(logs[0]) || log_durable_end(logs[1]) < log_end(logs[1]))
        assert_true(loop_turn(store->loop));
    return store->flusher->runs[RUN_FLUSH].synced_all;
}

/* Several logs are synced one by one or all at once, whatever cost less of late; one that lost is
 * tried again in time. */
void test_flusher__syncs_many_as_it_is_cheaper(void)
{
    static const struct uuid topic_id = { { 9, 9, 9 } };
    struct store store;
    struct log_settings settings;
    struct log *logs[2];
    log_settings_defaults(&settings);
    store_create(&store);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            log_create(store.flusher, store.path, "many", i, topic_id, &settings, &logs[i]), 0);
    store.flusher->sync_one_us = 1000;
    store.flusher->sync_all_us = 1500;
    assert_true(flush_both(&store, logs));
    store.flusher->sync_one_us = 1000;
    store.flusher->sync_all_us = 3000;
    assert_false(flush_both(&store, logs));
    assert_true(store.flusher->sync_all_us < 3000);
    store_stop(&store, logs, 2);
    store_remove(&store);
}

/* What is written and not durable takes up room, until it is flushed. A page-cache log at rest,
 * which nothing else flushes, gives its room back too when another log needs it. */
void test_flusher__flushes_all_when_it_is_full(void)
{
    static const struct uuid topic_id = { { 9, 9, 9 } };
    struct store store;
    struct log_settings settings;
    struct log *logs[2];
    log_settings_defaults(&settings);
    settings.page_cache = true;
    store_create(&store);
    store_stop(&store, NULL, 0);
    store.settings.checkpoint_ms = 5;
    store.settings.dirty_bytes = 10 * 1000;
    store_open(&store, store.path);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            log_create(store.flusher, store.path, "full", i, topic_id, &settings, &logs[i]), 0);
    store_append(logs[0], 4, 1000, 1000, 0);
    while (logs[0]->is_dirty || log_is_busy(logs[0]))
        assert_true(loop_turn(store.loop));
    assert_true(log_durable_end(logs[0]) == 0 && flusher_room(store.flusher) < 6 * 1000);
    flusher_set_room_task(store.flusher, &store.task);
    store_append(logs[1], 6, 1000, 1000, 0);
    assert_true(flusher_room(store.flusher) <= 0);
    store_wait(&store);
    assert_int_equal(flusher_room(store.flusher), 10 * 1000);
    assert_true(log_durable_end(logs[0]) == 4 && log_durable_end(logs[1]) == 6);
    flusher_set_room_task(store.flusher, NULL);
    store_stop(&store, logs, 2);
    store_remove(&store);
}

/* A page-cache log is flushed when it rolls, not when the next checkpoint would be due. */
void test_flusher__flushes_a_sealed_segment_at_once(void)
{
    static const struct uuid topic_id = { { 9, 9, 9 } };
    struct store store;
    struct log_settings settings;
    struct log *log;
    log_settings_defaults(&settings);
    settings.segment_bytes = 10 * 1000;
    settings.page_cache = true;
    store_create(&store);
    store_stop(&store, NULL, 0);
    store.settings.checkpoint_ms = 3600 * 1000;
    store_open(&store, store.path);
    assert_int_equal(
        log_create(store.flusher, store.path, "rolls", 0, topic_id, &settings, &log), 0);
    log_set_durable_task(log, &store.task);
    for (int i = 0; i < 15; i++)
        store_append(log, 1, 1000, 1000, 0);
    store.alarm.run = store_ring; /* so that a flush that never comes ends the wait too */
    timer_set(store.loop, &store.alarm, loop_now_us(store.loop) + 10 * 1000 * 1000);
    store_wait(&store);
    timer_cancel(store.loop, &store.alarm);
    assert_true(log_durable_end(log) > 0 && log_durable_end(log) < log_end(log));
    log_set_durable_task(log, NULL);
    store_stop(&store, &log, 1);
    store_remove(&store);
}

struct follower {
    struct task durable;
    struct log *log;
};

static void follow(struct task *task)
{
    struct follower *follower = container_of(task, struct follower, durable);
    log_set_high_watermark(follower->log, log_durable_end(follower->log));
}

/* The last checkpoint makes durable what nobody waited for, and the high watermark that follows it is in the file. */
void test_flusher__tells_the_last_high_watermark(void)
{
    struct store store;
    struct log_settings settings;
    struct follower follower = { .durable.run = follow };
    log_settings_defaults(&settings);
    store_create(&store);
    assert_int_equal(
        log_create(store.flusher, store.path, "t", 0, (struct uuid){ { 9 } }, &settings, &follower.log), 0);
    log_set_durable_task(follower.log, &follower.durable);
    store_append(follower.log, 3, 100, 1000, 0);
    store_stop(&store, &follower.log, 1);
    store_open(&store, store.path);
    assert_int_equal(log_dir_find(store.dir, "t", 0)->recovery_point, 3);
    assert_int_equal(log_dir_find(store.dir, "t", 0)->high_watermark, 3);
    store_stop(&store, NULL, 0);
    store_remove(&store);
}
