/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/log_dir.h"

#include <errno.h>
#include <unistd.h>

#include "store.h"

static void write_text(const struct store *store, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", store->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void read_text(const struct store *store, const char *name, char *text, size_t size)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", store->path, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = 0;
    assert_int_equal(fclose(file), 0);
}

static void make_directory(const struct store *store, const char *name)
{
    char command[600];
    snprintf(command, sizeof(command), "mkdir %s/%s", store->path, name);
    assert_int_equal(system(command), 0);
}

static bool is_there(const struct store *store, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", store->path, name);
    return access(path, F_OK) == 0;
}

/* What is not a partition is left alone, half-done deletions are finished, and a partition that nobody opened keeps its offsets. */
void test_log_dir__keeps_what_it_does_not_know(void)
{
    static const char future[] = "t-0.0123456789abcdef0123456789abcdef-future";
    static const char dying[] = "t-1.0123456789abcdef0123456789abcdef-delete";
    struct store store;
    char text[256];
    store_create(&store);
    store_stop(&store, NULL, 0);
    make_directory(&store, "t-3");
    make_directory(&store, "a-b-12");
    make_directory(&store, "not-a-partition");
    make_directory(&store, future);
    make_directory(&store, dying);
    write_text(&store, "cleaner-offset-checkpoint", "0\n2\nt 3 17\ngone 0 4\n");
    write_text(&store, "recovery-point-offset-checkpoint", "0\n3\nt 3 5\na-b 12 8\ngone 0 4\n");
    write_text(&store, "replication-offset-checkpoint", "0\n1\na-b 12 7\n");
    store_open(&store, store.path);
    assert_int_equal(log_dir_place_count(store.dir), 3);
    const struct log_place *place = log_dir_find(store.dir, "a-b", 12);
    assert_non_null(place);
    assert_int_equal(place->recovery_point, 8);
    assert_int_equal(place->high_watermark, 7);
    assert_int_equal(place->clean_end, -1);
    assert_int_equal(log_dir_find(store.dir, "t", 3)->recovery_point, 5);
    assert_int_equal(log_dir_find(store.dir, "t", 3)->clean_end, 17);
    assert_null(log_dir_find(store.dir, "t", 0));
    assert_true(log_dir_find_future(store.dir, "t", 0)->is_future);
    assert_null(log_dir_find_future(store.dir, "t", 3));
    assert_true(is_there(&store, future));
    assert_false(is_there(&store, dying));
    assert_false(is_there(&store, ".kafka_cleanshutdown"));
    store_stop(&store, NULL, 0);
    read_text(&store, ".kafka_cleanshutdown", text, sizeof(text));
    assert_string_equal(text, "{\"version\":0,\"brokerEpoch\":7}");
    read_text(&store, "cleaner-offset-checkpoint", text, sizeof(text));
    assert_string_equal(text, "0\n1\nt 3 17\n");
    read_text(&store, "recovery-point-offset-checkpoint", text, sizeof(text));
    assert_string_equal(text, "0\n3\na-b 12 8\nt 0 0\nt 3 5\n");
    assert_false(is_there(&store, ".lock"));
    store_remove(&store);
}

/* A cleaner's checkpoint that cannot be read costs a cleaning, never a start. */
void test_log_dir__starts_without_the_cleaners_checkpoint(void)
{
    static const char *const texts[] = { "", "0\n2\nt 3 17\n", "0\n1\nt 3 -2\n", "x", "0\n1\nt 3 99999999999999999999\n" };
    struct store store;
    char text[256];
    store_create(&store);
    make_directory(&store, "t-3");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        store_stop(&store, NULL, 0);
        write_text(&store, "cleaner-offset-checkpoint", texts[i]);
        store_open(&store, store.path);
        assert_int_equal(log_dir_find(store.dir, "t", 3)->clean_end, -1);
    }
    store_stop(&store, NULL, 0);
    read_text(&store, "cleaner-offset-checkpoint", text, sizeof(text));
    assert_string_equal(text, "0\n0\n");
    store_remove(&store);
}

/* The goal of a move that was not finished: the lines of its topic and partition in the checkpoint files are its own, unless the
 * log of that name lies here, too. When it gets that name it keeps them. */
void test_log_dir__finishes_a_move(void)
{
    static const char alone[] = "t-0.0123456789abcdef0123456789abcdef-future";
    static const char beside[] = "t-1.0123456789abcdef0123456789abcdef-future";
    struct store store;
    char text[256];
    store_create(&store);
    store_stop(&store, NULL, 0);
    make_directory(&store, alone);
    make_directory(&store, beside);
    make_directory(&store, "t-1");
    write_text(&store, "recovery-point-offset-checkpoint", "0\n2\nt 0 5\nt 1 8\n");
    store_open(&store, store.path);
    assert_int_equal(log_dir_find_future(store.dir, "t", 0)->recovery_point, 5);
    assert_int_equal(log_dir_find(store.dir, "t", 1)->recovery_point, 8);
    assert_int_equal(log_dir_find_future(store.dir, "t", 1)->recovery_point, 0);
    assert_int_equal(log_dir_finish_move(store.dir, 0), 0);
    const struct log_place *place = log_dir_find(store.dir, "t", 0);
    assert_int_equal(place->recovery_point, 5);
    assert_string_equal(strrchr(place->path, '/'), "/t-0");
    assert_true(is_there(&store, "t-0"));
    assert_false(is_there(&store, alone));
    store_stop(&store, NULL, 0);
    read_text(&store, "recovery-point-offset-checkpoint", text, sizeof(text));
    assert_string_equal(text, "0\n2\nt 0 5\nt 1 8\n");
    store_remove(&store);
}

/* Damage is told with the file's name, a second user is refused, and nothing is taken for empty. */
void test_log_dir__refuses_what_it_cannot_read(void)
{
    struct store store;
    struct log_dir *dir;
    char reason[256];
    store_create(&store);
    assert_int_equal(
        log_dir_open(store.loop, store.path, &store.settings, &dir, reason, sizeof(reason)),
        -EWOULDBLOCK);
    store_stop(&store, NULL, 0);
    struct io *io = io_create(1);
    struct loop *loop = loop_create(io, "other");
    write_text(&store, "meta.properties", "version=1\ncluster.id=test\nnode.id=x\n");
    assert_int_equal(
        log_dir_open(loop, store.path, &store.settings, &dir, reason, sizeof(reason)), -EBADMSG);
    assert_non_null(strstr(reason, "meta.properties"));
    loop_destroy(loop);
    io_destroy(io);
    store_remove(&store);
}

/* A cluster's id may be any text. The line is what Kafka 4.4.0 writes for this one. */
void test_log_dir__keeps_a_cluster_id_of_any_characters(void)
{
    struct store store;
    struct log_dir_identity read, written = { .cluster_id = " my: cluster\\id=#1!", .node_id = 1 };
    char reason[256], text[256];
    store_create(&store);
    assert_int_equal(log_dir_write_identity(store.io, store.path, &written), 0);
    read_text(&store, "meta.properties", text, sizeof(text));
    assert_non_null(strstr(text, "\ncluster.id=\\ my\\: cluster\\\\id\\=\\#1\\!\n"));
    assert_int_equal(log_dir_identify(store.io, store.path, &read, reason, sizeof(reason)), 0);
    assert_string_equal(read.cluster_id, written.cluster_id);
    write_text(&store, "meta.properties", "version=1\ncluster.id=caf\xe9 bar\nnode.id=1\n");
    assert_int_equal(log_dir_identify(store.io, store.path, &read, reason, sizeof(reason)), -EBADMSG);
    assert_non_null(strstr(reason, "cluster.id"));
    store_stop(&store, NULL, 0);
    store_remove(&store);
}

/* What stands for a directory that could not be opened takes no log, and writes nothing when it is closed. */
void test_log_dir__stands_for_one_that_is_offline(void)
{
    struct io *io = io_create(1);
    struct loop *loop = loop_create(io, "owner");
    struct log_dir_settings settings;
    log_dir_settings_defaults(&settings);
    assert_true(log_dir_is_offline(-EIO) && !log_dir_is_offline(-ENOENT) && !log_dir_is_offline(0));
    struct log_dir *dir = log_dir_open_offline(loop, "/not/there", &settings, -EIO);
    struct flusher *flusher = flusher_create(loop, dir);
    assert_int_equal(log_dir_failure(dir), -EIO);
    assert_true(flusher_is_failed(flusher));
    assert_true(uuid_is_zero(log_dir_identity(dir)->directory_id) && !log_dir_was_clean(dir));
    assert_int_equal(log_dir_place_count(dir), 0);
    flusher_destroy(flusher);
    assert_int_equal(log_dir_close(dir, 1), -EIO);
    loop_destroy(loop);
    io_destroy(io);
}

/* A new log of the name would be judged after a crash by what the checkpoint files say of the old one: it is told when they say
 * nothing any more. */
void test_log_dir__forgets_a_deleted_log(void)
{
    struct store store;
    struct log_settings settings;
    struct log *log;
    char text[256];
    log_settings_defaults(&settings);
    store_create(&store);
    log_dir_set_forgotten_task(store.dir, &store.task);
    assert_int_equal(
        log_create(store.flusher, store.path, "t", 0, (struct uuid){ { 8 } }, &settings, &log), 0);
    store_append(log, 3, 100, 1000, 0);
    store_stop(&store, &log, 1);
    store_open(&store, store.path);
    log_dir_set_forgotten_task(store.dir, &store.task);
    assert_int_equal(log_open(store.flusher, log_dir_find(store.dir, "t", 0), &settings, &log), 0);
    assert_false(log_dir_is_forgetting(store.dir));
    assert_int_equal(log_delete(log), 0);
    while (!log_dir_is_forgetting(store.dir))
        assert_true(loop_turn(store.loop));
    read_text(&store, "recovery-point-offset-checkpoint", text, sizeof(text));
    assert_string_equal(text, "0\n1\nt 0 3\n");
    store_wait(&store);
    assert_false(log_dir_is_forgetting(store.dir));
    read_text(&store, "recovery-point-offset-checkpoint", text, sizeof(text));
    assert_string_equal(text, "0\n0\n");
    store_stop(&store, NULL, 0);
    store_remove(&store);
}
