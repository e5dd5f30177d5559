/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/moves.h"

#include <errno.h>

#include "../storage/store.h"
#include "base/pace.h"
#include "broker/settings.h"
#include "broker/shard.h"
#include "metadata/image.h"
#include "replica/move.h"
#include "replica/partition.h"

enum { DIRECTORIES = 3, EPOCH = 3 };

/* As much of a shard as moves look at. Its loops are not turned: nothing is copied. */
struct world {
    struct store stores[DIRECTORIES];
    struct flusher *flushers[DIRECTORIES];
    struct log_dir *log_dirs[DIRECTORIES];
    struct pace pace;
    struct shard shard;
    struct partition *partition; /* in the first directory */
};

static void begin(struct world *world)
{
    struct partition_key key = { { { 9 } }, 0 };
    struct partition_settings settings = { .codec = -1, .segment_bytes = 1 << 20 };
    struct log_settings log_settings;
    struct log *log;
    *world = (struct world){ 0 };
    log_settings_defaults(&log_settings);
    for (int i = 0; i < DIRECTORIES; i++) {
        store_create(&world->stores[i]);
        world->flushers[i] = world->stores[i].flusher;
        world->log_dirs[i] = world->stores[i].dir;
    }
    world->shard = (struct shard){ .loop = world->stores[0].loop,
        .flushers = world->flushers,
        .log_dirs = world->log_dirs,
        .log_dir_count = DIRECTORIES };
    moves_init(&world->shard, &world->pace);
    assert_int_equal(log_create(world->flushers[0], world->stores[0].path, "topic", 0, key.topic_id,
                         &log_settings, &log),
        0);
    store_append(log, 10, 100, 1, EPOCH);
    world->partition = partition_create(world->shard.loop, key, log, &settings);
    world->partition->log_dir_index = 0;
}

static void end(struct world *world)
{
    move_end(world->partition, true);
    partition_destroy(world->partition, ERROR_NOT_LEADER_OR_FOLLOWER, false);
    for (int i = 0; i < DIRECTORIES; i++) {
        store_stop(&world->stores[i], NULL, 0);
        store_remove(&world->stores[i]);
    }
}

/* A move that is refused takes nothing from the one that is under way. */
void test_moves__go_on_when_another_one_is_refused(void)
{
    struct world world;
    begin(&world);
    assert_int_equal(moves_alter(&world.shard, world.partition, 1), ERROR_NONE);
    const struct move *move = world.partition->move;
    flusher_fail(world.flushers[2], -EIO);
    assert_int_equal(moves_alter(&world.shard, world.partition, 2), ERROR_KAFKA_STORAGE_ERROR);
    assert_ptr_equal(world.partition->move, move);
    assert_int_equal(move->log_dir_index, 1);
    assert_int_equal(moves_alter(&world.shard, world.partition, 0), ERROR_NONE);
    assert_null(world.partition->move); /* to be given up needs no other directory */
    end(&world);
}

/* Nor does one that cannot begin, since its directory has no room for it. */
void test_moves__go_on_when_another_one_cannot_begin(void)
{
    struct world world;
    char path[300];
    begin(&world);
    assert_int_equal(moves_alter(&world.shard, world.partition, 1), ERROR_NONE);
    snprintf(path, sizeof(path), "%s.away", world.stores[2].path);
    assert_int_equal(rename(world.stores[2].path, path), 0);
    assert_int_equal(moves_alter(&world.shard, world.partition, 2), ERROR_KAFKA_STORAGE_ERROR);
    assert_non_null(world.partition->move);
    assert_int_equal(world.partition->move->log_dir_index, 1);
    assert_int_equal(rename(path, world.stores[2].path), 0);
    end(&world);
}

/* The last wish counts. */
void test_moves__are_replaced_by_the_next_one(void)
{
    struct world world;
    begin(&world);
    assert_int_equal(moves_alter(&world.shard, world.partition, 1), ERROR_NONE);
    assert_int_equal(moves_alter(&world.shard, world.partition, 2), ERROR_NONE);
    assert_int_equal(world.partition->move->log_dir_index, 2);
    end(&world);
}

static void add_to_shard(struct world *world)
{
    struct partition *partition = world->partition;
    HASH_ADD(hh, world->shard.partitions, key, sizeof(partition->key), partition);
}

/* When both directories have failed nobody is told of either: the copy may be the one that comes back. */
void test_moves__are_over_without_a_word_when_both_directories_failed(void)
{
    struct world world;
    begin(&world);
    assert_int_equal(moves_alter(&world.shard, world.partition, 1), ERROR_NONE);
    world.partition->move->stage = MOVE_READY;
    add_to_shard(&world);
    shard_directory_failed(&world.shard, 0, -EIO);
    assert_null(world.partition->log);
    assert_non_null(world.partition->move);
    shard_directory_failed(&world.shard, 1, -EIO);
    assert_null(world.partition->move);
    assert_int_equal(world.partition->notes_under_way, 0);
    HASH_DEL(world.shard.partitions, world.partition);
    end(&world);
}

/* After a fall back the metadata name the goal until the note of that has arrived, and every older one. */
void test_moves__may_be_named_until_the_metadata_say_otherwise(void)
{
    struct node_settings settings = { .node_id = 1 };
    struct uuid directory;
    const struct image_partition now = { .replicas = { .ids = (int32_t[]){ 1 }, .count = 1 }, .directories = &directory };
    struct world world;
    begin(&world);
    world.shard.settings = &settings;
    assert_int_equal(moves_alter(&world.shard, world.partition, 1), ERROR_NONE);
    world.partition->move->may_be_named = true;
    world.partition->notes_under_way = 1;
    directory = (struct uuid){ { 7 } };
    moves_see(&world.shard, world.partition, &now);
    assert_true(world.partition->move->may_be_named);
    world.partition->notes_under_way = 0;
    directory = log_dir_identity(world.log_dirs[1])->directory_id;
    moves_see(&world.shard, world.partition, &now);
    assert_true(world.partition->move->may_be_named);
    directory = (struct uuid){ { 7 } };
    moves_see(&world.shard, world.partition, &now);
    assert_false(world.partition->move->may_be_named);
    end(&world);
}

/* The node ended after the metadata named the goal: they do so until the note of this start has arrived. */
void test_moves__may_be_named_when_they_go_on(void)
{
    struct node_settings settings = { .node_id = 1 };
    struct uuid directory;
    const struct image_partition now = { .replicas = { .ids = (int32_t[]){ 1 }, .count = 1 }, .directories = &directory };
    struct log_settings log_settings;
    struct world world;
    begin(&world);
    log_settings_defaults(&log_settings);
    world.shard.settings = &settings;
    for (int named = 0; named < 2; named++) {
        assert_int_equal(moves_alter(&world.shard, world.partition, 1), ERROR_NONE);
        move_end(world.partition, false);
        store_stop(&world.stores[1], NULL, 0);
        store_open(&world.stores[1], world.stores[1].path);
        world.flushers[1] = world.stores[1].flusher;
        world.log_dirs[1] = world.stores[1].dir;
        directory = named ? log_dir_identity(world.log_dirs[1])->directory_id : (struct uuid){ { 7 } };
        moves_resume(&world.shard, world.partition, &now, &log_settings);
        assert_int_equal(world.partition->move->may_be_named, named == 1);
        assert_int_equal(moves_alter(&world.shard, world.partition, 0), ERROR_NONE);
    }
    end(&world);
}
