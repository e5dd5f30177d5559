/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator itself: it repeats, it carries bytes in order, and its disk forgets what it may and nothing else. */
#include "sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/prng.h"
#include "io/file.h"
#include "io/io.h"
#include "io/socket.h"
#include "io/worker.h"
#include "sim/link.h"
#include "test.h"

enum { BYTES = 300000 };

/* A server that echoes, and a client that sends BYTES and wants them back. */
struct echo {
    struct loop *server_loop, *client_loop;
    struct socket_watch listening, serving, asking;
    struct socket *listener, *server, *client;
    uint8_t held[5000];
    size_t held_size;
    size_t sent, returned;
    bool finished;
    int failure;
};

static uint8_t byte_at(size_t position) { return (uint8_t)(position * 7 + position / 251); }

static void echo_back(struct socket_watch *watch, unsigned events)
{
    struct echo *echo = container_of(watch, struct echo, serving);
    (void)events;
    if (echo->held_size == 0) {
        int64_t got = socket_read(echo->server, echo->held, sizeof(echo->held));
        if (got <= 0 && got != -EAGAIN) {
            socket_close(echo->server);
            return;
        }
        echo->held_size = got > 0 ? (size_t)got : 0;
    }
    while (echo->held_size > 0) {
        struct iovec vector = { echo->held, echo->held_size };
        int64_t done = socket_writev(echo->server, &vector, 1, false);
        if (done <= 0)
            break;
        echo->held_size -= (size_t)done;
        memmove(echo->held, echo->held + done, echo->held_size);
    }
    socket_pause_reading(echo->server, echo->held_size > 0);
    socket_want_write(echo->server, echo->held_size > 0);
}

static void take_connection(struct socket_watch *watch, unsigned events)
{
    struct echo *echo = container_of(watch, struct echo, listening);
    char peer[64];
    (void)events;
    if (socket_accept(echo->listener, &echo->server, peer, sizeof(peer)) == 0)
        socket_watch_start(echo->server, echo->server_loop, &echo->serving);
}

static void ask(struct socket_watch *watch, unsigned events)
{
    struct echo *echo = container_of(watch, struct echo, asking);
    uint8_t data[3000];
    int64_t got = events & (SOCKET_READABLE | SOCKET_FAILED) ? socket_read(echo->client, data, sizeof(data)) : -EAGAIN;
    if (got <= 0 && got != -EAGAIN) {
        echo->failure = (int)got;
        echo->finished = true;
        socket_close(echo->client);
        return;
    }
    for (int64_t i = 0; i < got; i++)
        assert_int_equal(data[i], byte_at(echo->returned++));
    if (echo->sent < BYTES) {
        size_t size = sizeof(data) < BYTES - echo->sent ? sizeof(data) : BYTES - echo->sent;
        for (size_t i = 0; i < size; i++)
            data[i] = byte_at(echo->sent + i);
        int64_t done = socket_writev(echo->client, &(struct iovec){ data, size }, 1, false);
        echo->sent += done > 0 ? (size_t)done : 0;
    }
    socket_want_write(echo->client, echo->sent < BYTES);
    echo->finished = echo->returned == BYTES;
}

static bool is_finished(void *context) { return ((struct echo *)context)->finished; }

/* silent_us: how long the way back to the client carries nothing, once they are connected. */
static uint64_t run_echo(uint64_t seed, uint32_t reset_chance, int64_t silent_us, int *out_failure)
{
    struct sim *sim = sim_create(seed);
    sim_faults(sim)->connection_reset = reset_chance;
    struct machine *server = machine_create(sim, "server"), *client = machine_create(sim, "client");
    struct io *server_io = machine_boot(server, 1), *client_io = machine_boot(client, 1);
    struct echo echo = { .server_loop = loop_create(server_io, "server"), .client_loop = loop_create(client_io, "client"),
                         .listening.ready = take_connection, .serving.ready = echo_back, .asking.ready = ask };
    sim_start_loop(echo.server_loop);
    sim_start_loop(echo.client_loop);
    assert_int_equal(socket_listen(echo.server_loop, "", 9092, &echo.listening, &echo.listener), 0);
    assert_int_equal(socket_connect(echo.client_loop, "server", 9092, &echo.asking, &echo.client), 0);
    socket_want_write(echo.client, true);
    while (echo.server == NULL)
        sim_step(sim);
    link_between(server, client)->silent_until_us = sim_now_us(sim) + silent_us;
    echo.finished = sim_run(sim, 120000000, is_finished, &echo);
    *out_failure = echo.finished ? echo.failure : -ETIME;
    uint64_t trace = sim_trace(sim);
    sim_destroy(sim);
    return trace;
}

void test_sim__repeats_a_seed_exactly(void)
{
    int failure;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t trace = run_echo(seed, 0, 0, &failure);
        assert_int_equal(failure, 0);
        assert_true(run_echo(seed, 0, 0, &failure) == trace);
        assert_true(run_echo(seed + 1, 0, 0, &failure) != trace);
    }
}

/* Not both ends need to hear of it, and then this one waits. */
void test_sim__breaks_connections_when_asked(void)
{
    int failure, broken = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        run_echo(seed, 10000, 0, &failure);
        assert_true(failure == 0 || failure == -ECONNRESET || failure == -ETIME);
        broken += failure != 0;
    }
    assert_true(broken > 5);
}

/* One way is silent for a while: what was sent comes later, in order. For long: the client, whose bytes arrive but whose
 * acknowledgements do not, gives up. */
void test_sim__waits_for_silent_links_and_gives_up(void)
{
    int failure;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        run_echo(seed, 0, 1500000, &failure);
        assert_int_equal(failure, 0);
        run_echo(seed, 0, 60000000, &failure);
        assert_int_equal(failure, -ETIMEDOUT);
    }
}

/* A disturbed network makes links silent, the same ones when the seed is the same, and stops when it is told to. */
void test_sim__makes_trouble_between_machines(void)
{
    int64_t total = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        int64_t counts[2], silent[2] = { 0, 0 };
        for (int again = 0; again < 2; again++) {
            struct sim *sim = sim_create(seed);
            struct link *link = link_between(machine_create(sim, "a"), machine_create(sim, "b"));
            sim_disturb_network(sim);
            for (int64_t until_us = sim_now_us(sim) + 60000000; sim_now_us(sim) < until_us && sim_step(sim);)
                silent[again] += link_is_silent(link);
            sim_calm_network(sim);
            assert_false(sim_step(sim));
            counts[again] = sim_network_troubles(sim);
            sim_destroy(sim);
        }
        assert_true(counts[0] == counts[1] && silent[0] == silent[1]);
        total += silent[0];
    }
    assert_true(total > 20);
}

static void note_failure(struct socket_watch *watch, unsigned events)
{
    struct echo *echo = container_of(watch, struct echo, asking);
    char byte;
    if (events & SOCKET_FAILED) {
        echo->failure = (int)socket_read(echo->client, &byte, 1);
        echo->finished = true;
    }
}

static bool ends_within(struct sim *sim, struct echo *echo, int64_t limit_us)
{
    return sim_run(sim, limit_us, is_finished, echo);
}

/* Nobody listens: refused. */
void test_sim__refuses_where_nobody_listens(void)
{
    struct sim *sim = sim_create(5);
    machine_boot(machine_create(sim, "server"), 1);
    struct io *client_io = machine_boot(machine_create(sim, "client"), 1);
    struct echo echo = { .client_loop = loop_create(client_io, "client"), .asking.ready = note_failure };
    sim_start_loop(echo.client_loop);
    assert_int_equal(socket_connect(echo.client_loop, "nowhere", 1, &echo.asking, &echo.client), -EADDRNOTAVAIL);
    assert_int_equal(socket_connect(echo.client_loop, "server", 9092, &echo.asking, &echo.client), 0);
    assert_true(ends_within(sim, &echo, 1000000));
    assert_int_equal(echo.failure, -ECONNREFUSED);
    sim_destroy(sim);
}

/* The peer's machine loses power: some hear of it soon, the others when they send something to its successor, whose port is free
 * again; and who connects meanwhile hears nothing until he gives up. */
void test_sim__leaves_peers_of_dead_machines_waiting(void)
{
    int soon = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim *sim = sim_create(seed);
        struct machine *machine = machine_create(sim, "server");
        struct io *client_io = machine_boot(machine_create(sim, "client"), 1);
        struct echo echo = { .client_loop = loop_create(client_io, "client"), .listening.ready = take_connection,
                             .serving.ready = echo_back, .asking.ready = note_failure };
        sim_start_loop(echo.client_loop);
        echo.server_loop = loop_create(machine_boot(machine, 1), "server");
        sim_start_loop(echo.server_loop);
        assert_int_equal(socket_listen(echo.server_loop, "", 9092, &echo.listening, &echo.listener), 0);
        assert_int_equal(socket_connect(echo.client_loop, "server", 9092, &echo.asking, &echo.client), 0);
        while (echo.server == NULL)
            sim_step(sim);
        machine_cut_power(machine);
        assert_false(machine_is_running(machine));
        bool was_told = ends_within(sim, &echo, 60000000);
        soon += was_told;
        if (!was_told) {
            machine_boot(machine, 1);
            assert_int_equal(socket_writev(echo.client, &(struct iovec){ "?", 1 }, 1, false), 1);
            assert_true(ends_within(sim, &echo, 2000000));
            machine_cut_power(machine);
        }
        assert_int_equal(echo.failure, -ECONNRESET);
        socket_close(echo.client);
        echo.finished = false;
        assert_int_equal(socket_connect(echo.client_loop, "server", 9092, &echo.asking, &echo.client), 0);
        assert_false(ends_within(sim, &echo, 2000000));
        assert_true(ends_within(sim, &echo, 60000000));
        assert_int_equal(echo.failure, -ETIMEDOUT);
        sim_destroy(sim);
    }
    assert_true(soon > 2 && soon < 18);
}

static void write_file(struct io *io, const char *path, const char *text, bool sync, bool sync_name)
{
    struct file *file;
    assert_int_equal(file_open(io, path, FILE_CREATE, &file), 0);
    assert_int_equal(file_write_all(file, text, strlen(text), file_size(file)), 0);
    if (sync)
        assert_int_equal(file_sync(file), 0);
    if (sync_name)
        assert_int_equal(directory_sync(io, "/"), 0);
    file_unref(file);
}

static bool holds(struct io *io, const char *path, const char *text)
{
    char *data;
    size_t size;
    if (file_load(io, path, 1000, &data, &size) < 0)
        return false;
    bool same = strcmp(data, text) == 0 && size == strlen(text);
    memory_give(data);
    return same;
}

/* A power cut keeps what was synced under a synced name, always; all else it keeps sometimes. */
void test_sim__forgets_only_what_was_not_synced(void)
{
    int kept_data = 0, kept_name = 0, kept_append = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct sim *sim = sim_create(seed);
        struct machine *machine = machine_create(sim, "machine");
        struct io *io = machine_boot(machine, 1);
        write_file(io, "/safe", "one", true, true);
        write_file(io, "/data", "two", false, true);
        write_file(io, "/name", "three", true, false);
        write_file(io, "/safe", "more", false, false);
        machine_cut_power(machine);
        io = machine_boot(machine, 1);
        char *data;
        size_t size;
        assert_int_equal(file_load(io, "/safe", 1000, &data, &size), 0);
        assert_true(size >= 3 && memcmp(data, "one", 3) == 0);
        memory_give(data);
        kept_append += holds(io, "/safe", "onemore");
        kept_data += holds(io, "/data", "two");
        kept_name += holds(io, "/name", "three");
        sim_destroy(sim);
    }
    assert_true(kept_append > 5 && kept_append < 95);
    assert_true(kept_data > 5 && kept_data < 95);
    assert_true(kept_name > 5 && kept_name < 95);
}

/* A killed process leaves all it wrote; only power is needed to forget. */
void test_sim__keeps_everything_when_a_process_dies(void)
{
    struct sim *sim = sim_create(1);
    struct machine *machine = machine_create(sim, "machine");
    struct io *io = machine_boot(machine, 1);
    struct file *lock;
    write_file(io, "/name", "three", false, false);
    assert_int_equal(file_lock(io, "/.lock", &lock), 0);
    assert_int_equal(file_lock(io, "/.lock", &lock), -EWOULDBLOCK);
    machine_kill(machine);
    io = machine_boot(machine, 1);
    assert_true(holds(io, "/name", "three"));
    assert_int_equal(file_lock(io, "/.lock", &lock), 0);
    sim_destroy(sim);
}

/* file_replace() leaves the old or the new content, at whatever moment the power goes, and the new one once it
 * returned. A torn sector shows both outcomes of a lost rename. */
void test_sim__replaces_files_atomically(void)
{
    int old = 0, new = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct sim *sim = sim_create(seed);
        struct machine *machine = machine_create(sim, "machine");
        struct io *io = machine_boot(machine, 1);
        assert_int_equal(file_replace(io, "/state", "old", 3), 0);
        write_file(io, "/state.tmp", "new", true, false);
        assert_int_equal(file_rename(io, "/state.tmp", "/state"), 0);
        machine_cut_power(machine);
        io = machine_boot(machine, 1);
        old += holds(io, "/state", "old");
        new += holds(io, "/state", "new");
        assert_int_equal(file_replace(io, "/state", "newest", 6), 0);
        machine_cut_power(machine);
        io = machine_boot(machine, 1);
        assert_true(holds(io, "/state", "newest"));
        sim_destroy(sim);
    }
    assert_int_equal(old + new, 100);
    assert_true(old > 5 && new > 5);
}

/* Names of a directory that was never synced come back in any mixture, but the tree stays a tree. */
void test_sim__directories_survive_any_cut(void)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct sim *sim = sim_create(seed);
        struct machine *machine = machine_create(sim, "machine");
        struct io *io = machine_boot(machine, 1);
        assert_int_equal(directory_create(io, "/a"), 0);
        assert_int_equal(directory_create(io, "/b"), 0);
        assert_int_equal(directory_sync(io, "/"), 0);
        write_file(io, "/a/x", "x", true, false);
        assert_int_equal(file_rename(io, "/a/x", "/b/y"), 0);
        if (seed % 2 == 0)
            assert_int_equal(directory_sync(io, "/b"), 0);
        assert_int_equal(file_rename(io, "/a", "/c"), 0);
        assert_int_equal(file_unlink(io, "/b/y"), 0);
        assert_int_equal(directory_remove(io, "/b"), 0);
        machine_cut_power(machine);
        io = machine_boot(machine, 1);
        assert_true((directory_exists(io, "/a") == 0) != (directory_exists(io, "/c") == 0));
        assert_false(holds(io, "/a/x", "x") && holds(io, "/b/y", "x"));
        if (seed % 2 == 0)
            assert_false(holds(io, "/a/x", "x") || holds(io, "/c/x", "x"));
        sim_destroy(sim);
    }
}

/* The liar that the end-to-end run must catch: a sync that does nothing loses synced data. */
/* One that somebody made, who was killed before its name was durable, is made durable by the next who needs it. */
void test_sim__makes_directories_durable_that_others_made(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim *sim = sim_create(seed);
        struct machine *machine = machine_create(sim, "node");
        assert_int_equal(directory_create(machine_boot(machine, 1), "/data"), 0);
        machine_kill(machine);
        assert_int_equal(directory_ensure(machine_boot(machine, 1), "/data"), 0);
        machine_cut_power(machine);
        assert_int_equal(directory_exists(machine_boot(machine, 1), "/data"), 0);
        sim_destroy(sim);
    }
}

void test_sim__can_lie_about_syncs(void)
{
    int lost = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct sim *sim = sim_create(seed);
        struct machine *machine = machine_create(sim, "machine");
        machine_disk_faults(machine)->sync_lies_below = "/safe";
        write_file(machine_boot(machine, 1), "/safe", "one", true, true);
        machine_cut_power(machine);
        lost += !holds(machine_boot(machine, 1), "/safe", "one");
        sim_destroy(sim);
    }
    assert_true(lost > 5);
}

static struct file *open_file(struct io *io, const char *path)
{
    struct file *file;
    assert_int_equal(file_open(io, path, FILE_CREATE, &file), 0);
    return file;
}

static void fail_syncs(struct machine *machine, int status)
{
    machine_disk_faults(machine)->fails[DISK_SYNC] = status == 0 ? 0 : 1000000;
    machine_disk_faults(machine)->fails_with = status;
}

/* As Linux: who had the file open before is told by the next sync, and one who opens it later when nobody was. */
void test_sim__tells_of_a_failed_sync_whoever_had_the_file_open(void)
{
    struct sim *sim = sim_create(1);
    struct machine *machine = machine_create(sim, "machine");
    struct io *io = machine_boot(machine, 1);
    struct file *file = open_file(io, "/a"), *other = open_file(io, "/a"), *unlike = open_file(io, "/b");
    assert_int_equal(file_write_all(file, "lost", 4, 0), 0);
    fail_syncs(machine, -ENOSPC);
    assert_int_equal(file_sync(file), -ENOSPC);
    fail_syncs(machine, 0);
    struct file *later = open_file(io, "/a");
    assert_int_equal(file_sync(file), -ENOSPC);
    assert_int_equal(file_sync(other), -ENOSPC);
    assert_int_equal(file_sync(unlike), 0);
    assert_int_equal(file_sync(later), 0);
    file_unref(later);
    assert_int_equal(directory_sync(io, "/"), 0);
    machine_cut_power(machine);
    assert_false(holds(machine_boot(machine, 1), "/a", "lost"));
    sim_destroy(sim);
}

/* All that is dirty there is lost by it, and by none after it, which finds all clean. */
void test_sim__tells_of_a_failed_sync_of_all_whoever_had_a_file_open(void)
{
    struct sim *sim = sim_create(1);
    struct machine *machine = machine_create(sim, "machine");
    struct io *io = machine_boot(machine, 1);
    assert_int_equal(directory_create(io, "/one"), 0);
    assert_int_equal(directory_create(io, "/one/below"), 0);
    assert_int_equal(directory_create(io, "/two"), 0);
    struct file *first = open_file(io, "/one/first"), *second = open_file(io, "/one/second");
    struct file *elsewhere = open_file(io, "/two/lock"), *data = open_file(io, "/one/below/data");
    assert_int_equal(file_sync_all(first), 0);
    assert_int_equal(file_write_all(data, "lost", 4, 0), 0);
    fail_syncs(machine, -EIO);
    assert_int_equal(file_sync_all(first), -EIO);
    fail_syncs(machine, 0);
    struct file *fresh = open_file(io, "/one/second"), *fresh_data = open_file(io, "/one/below/data");
    assert_int_equal(file_sync_all(fresh), 0);
    assert_int_equal(file_sync_all(elsewhere), 0);
    assert_int_equal(file_sync_all(second), -EIO);
    assert_int_equal(file_sync(fresh_data), -EIO);
    assert_int_equal(file_sync(data), -EIO);
    machine_cut_power(machine);
    io = machine_boot(machine, 1);
    assert_false(holds(io, "/one/below/data", "lost"));
    assert_int_equal(file_sync_all(open_file(io, "/one/first")), 0);
    sim_destroy(sim);
}

/* Bits that flip are seen until they are restored; which log they were of is known for ever, by any name of its directory. */
void test_sim__remembers_whose_files_decayed(void)
{
    struct sim *sim = sim_create(1);
    struct machine *machine = machine_create(sim, "machine");
    struct io *io = machine_boot(machine, 1);
    const char *const directories[] = { "/t-1", "/t-11", "/u-0.abc-future" };
    for (int i = 0; i < 3; i++) {
        char path[64];
        assert_int_equal(directory_ensure(io, directories[i]), 0);
        snprintf(path, sizeof(path), "%s/file", directories[i]);
        assert_int_equal(file_replace(io, path, "one", 3), 0);
    }
    assert_false(machine_has_decayed(machine, NULL));
    machine_decay(machine, "/t-11/file", 0, 1, 1);
    machine_decay(machine, "/u-0.abc-future/file", 0, 3, 0);
    assert_true(holds(io, "/t-11/file", "nne"));
    assert_int_equal(machine_restore(machine), 2);
    assert_true(holds(io, "/t-11/file", "one"));
    assert_true(machine_has_decayed(machine, NULL) && machine_has_decayed(machine, "t-11") && machine_has_decayed(machine, "u-0"));
    assert_false(machine_has_decayed(machine, "t-1") || machine_has_decayed(machine, "u-01") || machine_has_decayed(machine, "file"));
    sim_destroy(sim);
}

struct slow_job {
    struct job job;
    int steps, done;
};

static enum job_progress slow_step(struct job *job)
{
    return ++container_of(job, struct slow_job, job)->steps % 10 == 0 ? JOB_DONE : JOB_AGAIN;
}

static void slow_done(struct job *job)
{
    struct slow_job *slow = container_of(job, struct slow_job, job);
    slow->done++;
    loop_stop(job->owner);
}

/* A crash falls between two steps of a job, and the dead process is heard of no more. */
void test_sim__stops_jobs_between_their_steps(void)
{
    struct sim *sim = sim_create(3);
    struct machine *machine = machine_create(sim, "machine");
    struct slow_job slow = { .job = { .step = slow_step, .done = slow_done } };
    struct io *io = machine_boot(machine, 2);
    struct loop *loop = loop_create(io, "loop");
    sim_start_loop(loop);
    worker_submit(io, loop, &slow.job);
    while (slow.steps < 5)
        assert_true(sim_step(sim));
    machine_kill(machine);
    while (sim_step(sim))
        continue;
    assert_int_equal(slow.steps, 5);
    io = machine_boot(machine, 2);
    loop = loop_create(io, "loop");
    sim_start_loop(loop);
    worker_submit(io, loop, &slow.job);
    while (!sim_loop_has_ended(loop))
        assert_true(sim_step(sim));
    assert_int_equal(slow.done, 1);
    assert_true(sim_now_us(sim) > 1000000);
    loop_destroy(loop);
    io_destroy(io);
    sim_destroy(sim);
}
