/* SPDX-License-Identifier: Apache-2.0 */
/* The quorum in the simulated world: kills, power cuts, a full disk. What was answered must be
 * there afterwards. */
#include "replica/quorum_parts.h"
#include "sim/sim.h"
#include "unit/replica/desk.h"
#include "wire/gen/create_topics.h"

enum { TOPICS_MAX = 400, ROUNDS = 6 };

struct crash {
    struct desk desk;
    struct machine *machine;
    bool answered[TOPICS_MAX]; /* that the topic is there */
    int next;
    int64_t published_end; /* what shards were told can never be taken back */
};

/* One creation in flight. Memory of a killed process is left behind, and so is this. */
struct errand {
    struct controller_request wish;
    struct crash *crash;
    struct arena arena;
    struct create_topics_request request;
    struct create_topics_response response;
    struct create_topics_creatable_topic topic;
    char name[32];
    int number;
    bool done;
};

static void created(struct rsm_request *rsm, enum error error)
{
    struct errand *errand = container_of(rsm, struct errand, wish.rsm);
    errand->done = true;
    if (error == ERROR_NONE && errand->response.topics[0].error_code == ERROR_NONE) {
        assert_non_null(image_topic_by_name(
            errand->crash->desk.image, str_from(errand->name))); /* published before */
        errand->crash->answered[errand->number] = true;
    }
}

static struct errand *create(struct crash *crash)
{
    struct errand *errand = memory_take(sizeof(*errand));
    errand->crash = crash;
    errand->number = crash->next++;
    arena_init(&errand->arena);
    snprintf(errand->name, sizeof(errand->name), "t-%d", errand->number);
    shape_set_defaults(&create_topics_creatable_topic_shape, &errand->topic);
    errand->topic.name = str_from(errand->name);
    errand->request.timeout_ms = 1000;
    errand->topic.num_partitions = 2;
    errand->topic.replication_factor = 1;
    errand->request.topics = &errand->topic;
    errand->request.topics_count = 1;
    errand->wish = (struct controller_request){ .type = CONTROLLER_CREATE_TOPICS,
        .request = &errand->request,
        .response = &errand->response,
        .rsm = { .arena = &errand->arena, .done = created } };
    quorum_submit(crash->desk.quorum, &errand->wish);
    return errand;
}

static void give(struct errand *errand)
{
    arena_deinit(&errand->arena);
    memory_give(errand);
}

static void turn(struct desk *desk)
{
    assert_true(sim_step(desk->sim));
}

/* A new process, up to where the loop takes its first turn. */
static void load(struct crash *crash)
{
    struct desk *desk = &crash->desk;
    struct store *store = &desk->store;
    char reason[256] = "";
    store->io = machine_boot(crash->machine, 2);
    store->loop = loop_create(store->io, "test");
    store->task.run = store_raise;
    store->task.queued = store->flag = false;
    assert_int_equal(
        log_dir_open(store->loop, "/data", &store->settings, &store->dir, reason, sizeof(reason)),
        0);
    store->flusher = flusher_create(store->loop, store->dir);
    desk->image = NULL;
    desk->settings.snapshot_bytes = 3000;
    desk->settings.retention_bytes = 20000;
    open_quorum(desk);
}

static void boot(struct crash *crash)
{
    struct desk *desk = &crash->desk;
    load(crash);
    sim_start_loop(desk->store.loop);
    while (!quorum_leads(desk->quorum))
        desk_turn(desk);
    for (int i = 0; i < crash->next; i++) {
        char name[32];
        snprintf(name, sizeof(name), "t-%d", i);
        if (crash->answered[i])
            assert_non_null(image_topic_by_name(desk->image, str_from(name)));
    }
    register_broker(desk, -1);
    heartbeat(desk, false);
}

static void format(struct crash *crash, uint64_t seed)
{
    *crash = (struct crash){ 0 };
    struct desk *desk = &crash->desk;
    struct log_dir_identity identity = {
        .cluster_id = "sim", .node_id = 1, .directory_id = { { 1 } }
    };
    const struct quorum_endpoint endpoint = { "CONTROLLER", "node", 9093 };
    const struct quorum_voter voter = { 1, identity.directory_id, &endpoint, 1 };
    const struct quorum_format wish = {
        .directory = "/data", .kraft_version = 1, .voters = &voter, .voter_count = 1
    };
    const char *reason;
    arena_init(&desk->arena);
    log_dir_settings_defaults(&desk->store.settings);
    desk->sim = sim_create(seed);
    desk->turn = turn;
    crash->machine = machine_create(desk->sim, "node");
    sim_faults(desk->sim)->pause = 20000;
    struct io *io = machine_boot(crash->machine, 1);
    assert_int_equal(log_dir_format(io, "/data", &identity), 0);
    assert_int_equal(directory_sync(io, "/"), 0);
    assert_int_equal(quorum_format(io, &wish, &reason), 0);
    machine_kill(crash->machine);
}

static void begin(struct crash *crash, uint64_t seed)
{
    format(crash, seed);
    boot(crash);
}

static void end(struct crash *crash)
{
    assert_int_equal(crash->desk.failure_count, 0);
    arena_deinit(&crash->desk.arena);
    sim_destroy(crash->desk.sim);
}

static void work_for(struct crash *crash, int64_t steps)
{
    struct sim *sim = crash->desk.sim;
    while (steps-- > 0) {
        if (crash->next < TOPICS_MAX && sim_draw(sim, 4) == 0)
            create(crash);
        assert_true(sim_step(sim));
    }
}

/* Thirty worlds, six crashes in each: every topic whose creation was answered is there, and every
 * start succeeds. */
void test_quorum_crash__keeps_what_it_answered(void)
{
    static struct crash crash;
    int answered = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        begin(&crash, seed);
        for (int round = 0; round < ROUNDS; round++) {
            work_for(&crash, 10 + (int64_t)sim_draw(crash.desk.sim, 400));
            if (sim_draw(crash.desk.sim, 3) == 0)
                machine_kill(crash.machine);
            else
                machine_cut_power(crash.machine);
            boot(&crash);
        }
        for (int i = 0; i < crash.next; i++)
            answered += crash.answered[i];
        end(&crash);
    }
    print_message("%d topics answered\n", answered);
    assert_true(answered > 500);
}

/* A full disk refuses, takes nothing half, and goes on when there is room; what was there stays
 * readable. */
void test_quorum_crash__goes_on_after_a_full_disk(void)
{
    static struct crash crash;
    begin(&crash, 99);
    struct errand *before = create(&crash);
    while (!before->done)
        desk_turn(&crash.desk);
    assert_true(crash.answered[0]);
    machine_disk_faults(crash.machine)->is_full = true;
    struct errand *refused = create(&crash);
    while (!refused->done)
        desk_turn(&crash.desk);
    assert_false(crash.answered[1]);
    assert_null(image_topic_by_name(crash.desk.image, STR("t-1")));
    assert_non_null(image_topic_by_name(crash.desk.image, STR("t-0")));
    machine_disk_faults(crash.machine)->is_full = false;
    struct errand *after = create(&crash);
    while (!after->done)
        desk_turn(&crash.desk);
    assert_true(crash.answered[2]);
    machine_cut_power(crash.machine);
    boot(&crash);
    assert_null(image_topic_by_name(crash.desk.image, STR("t-1")));
    assert_non_null(image_topic_by_name(crash.desk.image, STR("t-2")));
    give(before);
    give(refused);
    give(after);
    end(&crash);
}

static bool written_topic_is_published(void *context)
{
    return image_topic_by_name(((struct crash *)context)->desk.image, STR("t-0")) != NULL;
}

/* What is written already, and not yet durable, when the disk gets full: it is committed none the less, and shards must hear of it,
 * though nothing comes after it. */
void test_quorum_crash__publishes_what_was_written_before_the_disk_was_full(void)
{
    static struct crash crash;
    begin(&crash, 99);
    int64_t end_before = log_end(crash.desk.quorum->log);
    struct errand *written = create(&crash);
    while (log_end(crash.desk.quorum->log) == end_before)
        desk_turn(&crash.desk);
    assert_false(written->done);
    machine_disk_faults(crash.machine)->is_full = true;
    struct errand *refused = create(&crash);
    while (!refused->done)
        desk_turn(&crash.desk);
    assert_true(sim_run(crash.desk.sim, 10 * 1000000LL, written_topic_is_published, &crash));
    assert_null(image_topic_by_name(crash.desk.image, STR("t-1")));
    give(written);
    give(refused);
    end(&crash);
}

/* A process was killed when quorum-state had got its name, and that was not durable yet. */
void test_quorum_crash__tells_no_vote_that_is_not_durable(void)
{
    static const char path[] = "/data/__cluster_metadata-0/quorum-state";
    static const char text[] = "{\"leaderId\":-1,\"leaderEpoch\":77,\"votedId\":-1,\"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}";
    static struct crash crash;
    struct file *file;
    char durable[sizeof(text)] = "";
    format(&crash, 1);
    load(&crash);
    machine_kill(crash.machine);
    struct io *io = machine_boot(crash.machine, 1);
    assert_int_equal(file_open(io, "/data/__cluster_metadata-0/quorum-state.tmp", FILE_CREATE_NEW, &file), 0);
    assert_int_equal(file_write_all(file, text, sizeof(text) - 1, 0), 0);
    assert_int_equal(file_sync(file), 0);
    file_unref(file);
    assert_int_equal(file_rename(io, "/data/__cluster_metadata-0/quorum-state.tmp", path), 0);
    machine_kill(crash.machine);
    load(&crash);
    machine_read_file(crash.machine, path, durable, sizeof(durable) - 1, 0);
    assert_string_equal(durable, text);
    machine_kill(crash.machine);
    end(&crash);
}
