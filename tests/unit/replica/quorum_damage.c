/* SPDX-License-Identifier: Apache-2.0 */
/* A metadata log that is not what it was: the node must not begin as a new one, nor forget a topic.
 */
#include <errno.h>
#include <unistd.h>

#include "base/report.h"
#include "unit/replica/desk.h"

static char last_event[64];

static void hear(enum report_level level, const char *event, const char *text)
{
    (void)level;
    (void)text;
    snprintf(last_event, sizeof(last_event), "%s", event);
}

static void desk_path(const struct desk *desk, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", desk->store.path, name);
}

static void remove_file(const struct desk *desk, const char *name)
{
    char path[400];
    desk_path(desk, name, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
}

static void empty_log(const struct desk *desk)
{
    char path[400];
    desk_path(desk, "__cluster_metadata-0/00000000000000000000.log", path, sizeof(path));
    assert_int_equal(truncate(path, 0), 0);
}

static void flip_a_bit(const struct desk *desk)
{
    char path[400];
    desk_path(desk, "__cluster_metadata-0/00000000000000000000.log", path, sizeof(path));
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long middle = ftell(file) / 2;
    assert_int_equal(fseek(file, middle, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, middle, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
    assert_int_equal(fclose(file), 0);
}

static int try_open(struct desk *desk)
{
    struct quorum_hooks hooks = { desk, publish, leader_changed, failed };
    store_open(&desk->store, desk->store.path);
    desk->settings.flusher = desk->store.flusher;
    report_set_sink(hear);
    int status = quorum_open(&desk->settings, &hooks, &desk->quorum);
    report_set_sink(NULL);
    return status;
}

/* What was confirmed is not cut away, after a clean stop, below the recovery point, or when the
 * recovery point is not known. */
void test_quorum_damage__of_the_log_is_refused(void)
{
    for (int round = 0; round < 6; round++) {
        struct desk desk;
        desk_create(&desk);
        register_broker(&desk, -1);
        desk_stop(&desk);
        if (round % 2 == 0)
            flip_a_bit(&desk);
        else
            empty_log(&desk);
        if (round / 2 == 1)
            remove_file(&desk, ".kafka_cleanshutdown");
        if (round / 2 == 2)
            remove_file(&desk, "recovery-point-offset-checkpoint");
        assert_int_equal(try_open(&desk), -EUCLEAN);
        store_stop(&desk.store, NULL, 0);
        store_remove(&desk.store);
        arena_deinit(&desk.arena);
    }
}

/* Nothing says any more how long the log was, but partitions lie beside it. */
void test_quorum_damage__is_seen_by_the_partitions_that_are_left(void)
{
    struct desk desk;
    char path[400];
    desk_create(&desk);
    desk_stop(&desk);
    empty_log(&desk);
    remove_file(&desk, ".kafka_cleanshutdown");
    remove_file(&desk, "recovery-point-offset-checkpoint");
    remove_file(&desk, "__cluster_metadata-0/quorum-state");
    desk_path(&desk, "t-0", path, sizeof(path));
    struct io *io = io_create(1);
    assert_int_equal(directory_create(io, path), 0);
    io_destroy(io);
    assert_int_equal(try_open(&desk), -EUCLEAN);
    assert_string_equal(last_event, "metadata_lost");
    store_stop(&desk.store, NULL, 0);
    store_remove(&desk.store);
    arena_deinit(&desk.arena);
}
