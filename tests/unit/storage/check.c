/* SPDX-License-Identifier: Apache-2.0 */
/* What a check of a log directory finds, and what it must not. */
#include <errno.h>
#include <ftw.h>
#include <unistd.h>

#include "base/prng.h"
#include "storage/check.h"
#include "store.h"
#include "wire/compress.h"

enum { KIND_COUNT = FINDING_DAMAGE + 1, BATCHES = 50 };

/* ---- Checking, and what was found. ---- */

static int counts[KIND_COUNT];
static char last_path[1024], last_what[512];
static int64_t last_position;

static void take_finding(struct check *check, const struct finding *finding)
{
    (void)check;
    counts[finding->kind]++;
    assert_non_null(finding->follows);
    if (finding->kind == FINDING_NOTE)
        return;
    snprintf(last_path, sizeof(last_path), "%s", finding->path);
    snprintf(last_what, sizeof(last_what), "%s", finding->what);
    last_position = finding->position;
}

static int run_check(const char *path, int (*call)(struct check *check, const char *path))
{
    struct check check = {
        .io = io_create(1), .decompressor = decompressor_create(), .found = take_finding
    };
    memset(counts, 0, sizeof(counts));
    int status = call(&check, path);
    decompressor_destroy(check.decompressor);
    io_destroy(check.io);
    return status;
}

static void expect(const char *path, int notes, int torn, int damages)
{
    assert_int_equal(run_check(path, check_log_dir), 0);
    if (counts[FINDING_DAMAGE] != damages || counts[FINDING_TORN] != torn)
        print_error("%s: %s\n", last_path, last_what);
    assert_int_equal(counts[FINDING_DAMAGE], damages);
    assert_int_equal(counts[FINDING_TORN], torn);
    assert_int_equal(counts[FINDING_NOTE], notes);
}

static void expect_damage(const char *path, const char *file, int64_t position)
{
    assert_int_equal(run_check(path, check_log_dir), 0);
    assert_int_equal(counts[FINDING_DAMAGE], 1);
    assert_non_null(strstr(last_path, file));
    assert_int_equal(last_position, position);
}

/* ---- A directory of our own: one log of 50 batches in 5 segments, stopped cleanly. ---- */

struct bench {
    struct store store;
    int64_t batch_size;
    char path[600]; /* of what at() named last */
};

static const char *at(struct bench *bench, const char *name)
{
    snprintf(bench->path, sizeof(bench->path), "%s/%s", bench->store.path, name);
    return bench->path;
}

static void bench_create(struct bench *bench)
{
    struct log_settings settings;
    struct log *log;
    log_settings_defaults(&settings);
    settings.index_interval_bytes = 400;
    store_create(&bench->store);
    bench->batch_size = 0;
    settings.segment_bytes = 4000;
    assert_int_equal(log_create(bench->store.flusher, bench->store.path, "t", 0,
                         (struct uuid){ { 4 } }, &settings, &log),
        0);
    for (int i = 0; i < BATCHES; i++) {
        struct batch_options options = batch_options_plain();
        options.producer_id = 7;
        options.producer_epoch = 0;
        options.base_sequence = i;
        store_stage(log, 1, 300, 1000 + i, i / 10, &options);
        assert_int_equal(log_write(log), 0);
        if (i == 0)
            bench->batch_size = log_size(log);
    }
    store_stop(&bench->store, &log, 1);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void flip_bit(const char *path, int64_t position, int bit)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, position, SEEK_SET), 0);
    int byte = fgetc(file) ^ (1 << bit);
    assert_int_equal(fseek(file, position, SEEK_SET), 0);
    assert_int_equal(fputc(byte, file), byte);
    assert_int_equal(fclose(file), 0);
}

static void forget_the_stop(struct bench *bench)
{
    assert_int_equal(unlink(at(bench, ".kafka_cleanshutdown")), 0);
}

#define FIRST "t-0/00000000000000000000.log"
#define LAST "t-0/00000000000000000040.log"

void test_check__finds_nothing_in_what_we_wrote(void)
{
    struct bench bench;
    bench_create(&bench);
    expect(bench.store.path, 0, 0, 0);
    assert_int_equal(run_check(at(&bench, "t-0"), check_partition), 0);
    assert_int_equal(counts[FINDING_DAMAGE] + counts[FINDING_NOTE], 0);
    store_remove(&bench.store);
}

/* A node that runs has the directory for itself, and who checks keeps a node away. */
void test_check__leaves_a_directory_alone_that_a_node_uses(void)
{
    struct bench bench;
    bench_create(&bench);
    store_open(&bench.store, bench.store.path);
    assert_int_equal(run_check(bench.store.path, check_log_dir), -EWOULDBLOCK);
    assert_int_equal(run_check(at(&bench, "t-0"), check_partition), -EWOULDBLOCK);
    store_stop(&bench.store, NULL, 0);
    store_remove(&bench.store);
}

/* The walk goes on behind damage, and what depends on all batches is not told besides. */
void test_check__names_the_place_of_damage_once(void)
{
    struct bench bench;
    bench_create(&bench);
    flip_bit(at(&bench, FIRST), 2 * bench.batch_size + 100, 3);
    expect_damage(bench.store.path, FIRST, 2 * bench.batch_size);
    store_remove(&bench.store);
}

/* The same bytes are torn above the recovery point of an unclean stop, and damage elsewhere. */
void test_check__tells_torn_ends_from_damage(void)
{
    struct bench bench;
    bench_create(&bench);
    int64_t size;
    struct io *io = io_create(1);
    assert_int_equal(file_stat(io, at(&bench, LAST), &size), 0);
    io_destroy(io);
    assert_int_equal(truncate(bench.path, size - 7), 0);
    assert_int_equal(run_check(bench.store.path, check_log_dir), 0);
    assert_int_equal(counts[FINDING_TORN], 0);
    assert_true(counts[FINDING_DAMAGE] > 0);
    forget_the_stop(&bench);
    assert_int_equal(run_check(bench.store.path, check_log_dir), 0);
    assert_int_equal(counts[FINDING_TORN], 0); /* the recovery point is its end */
    assert_true(counts[FINDING_DAMAGE] > 0);
    write_text(at(&bench, "recovery-point-offset-checkpoint"), "0\n1\nt 0 48\n");
    expect(bench.store.path, 0, 1, 0);
    assert_int_equal(last_position, size - bench.batch_size);
    flip_bit(at(&bench, FIRST), 100, 0);
    assert_int_equal(run_check(bench.store.path, check_log_dir), 0);
    assert_int_equal(counts[FINDING_DAMAGE], 1);
    store_remove(&bench.store);
}

void test_check__judges_what_the_checkpoint_files_say(void)
{
    struct bench bench;
    bench_create(&bench);
    write_text(at(&bench, "recovery-point-offset-checkpoint"), "0\n1\nt 0 51\n");
    expect_damage(bench.store.path, "t-0", -1);
    write_text(at(&bench, "recovery-point-offset-checkpoint"), "0\n2\nt 0 50\n");
    expect_damage(bench.store.path, "recovery-point-offset-checkpoint", -1);
    write_text(at(&bench, "recovery-point-offset-checkpoint"), "0\n2\nt 0 50\nu 1 3\n");
    expect(bench.store.path, 1, 0, 0);
    write_text(at(&bench, "log-start-offset-checkpoint"), "0\n1\nt 0 51\n");
    expect_damage(bench.store.path, "t-0", -1);
    assert_int_equal(unlink(at(&bench, "log-start-offset-checkpoint")), 0);
    write_text(at(&bench, "t-0/leader-epoch-checkpoint"), "0\n5\n0 0\n1 10\n2 21\n3 30\n4 40\n");
    expect_damage(bench.store.path, "leader-epoch-checkpoint", -1);
    store_remove(&bench.store);
}

/* What an unclean stop leaves of the indexes of a segment that was sealed at the recovery point, of
 * an epoch whose first records were lost above it, of a partition that no checkpoint names yet, and
 * of one that was set aside before a clean stop. */
void test_check__takes_no_unfinished_work_for_damage(void)
{
    struct bench bench;
    char command[1000];
    bench_create(&bench);
    assert_int_equal(unlink(at(&bench, "t-0/00000000000000000030.timeindex")), 0);
    expect_damage(bench.store.path, "t-0/00000000000000000030.timeindex", 0);
    forget_the_stop(&bench);
    expect_damage(bench.store.path, "t-0/00000000000000000030.timeindex", 0);
    write_text(at(&bench, "recovery-point-offset-checkpoint"), "0\n1\nt 0 40\n");
    expect(bench.store.path, 0, 0, 0);
    write_text(at(&bench, "t-0/leader-epoch-checkpoint"), "0\n5\n0 0\n1 10\n2 20\n3 30\n5 40\n");
    expect(bench.store.path, 0, 0, 0);
    write_text(at(&bench, "t-0/leader-epoch-checkpoint"), "0\n5\n0 0\n1 10\n2 20\n3 31\n5 40\n");
    expect_damage(bench.store.path, "leader-epoch-checkpoint", -1);
    write_text(at(&bench, "t-0/leader-epoch-checkpoint"), "0\n5\n0 0\n1 10\n2 20\n3 30\n5 40\n");
    write_text(at(&bench, "recovery-point-offset-checkpoint"), "0\n0\n");
    expect(bench.store.path, 0, 0, 0);
    write_text(at(&bench, "t-0/leader-epoch-checkpoint"), "0\n5\n0 0\n1 10\n2 20\n3 30\n4 40\n");
    write_text(at(&bench, ".kafka_cleanshutdown"), "");
    snprintf(command, sizeof(command),
        "mv %s/t-0 %s/t-0.0123456789abcdef0123456789abcdef-stray && rm %s/rep*", bench.store.path,
        bench.store.path, bench.store.path);
    assert_int_equal(system(command), 0);
    expect(bench.store.path, 1, 0, 0);
    store_remove(&bench.store);
}

/* Kafka keeps no recovery point of the metadata log: after an unclean stop it is cut at the first
 * batch that is not whole. */
void test_check__takes_the_metadata_log_as_a_start_does(void)
{
    struct bench bench;
    char command[1000];
    bench_create(&bench);
    snprintf(command, sizeof(command), "mv %s/t-0 %s/__cluster_metadata-0", bench.store.path,
        bench.store.path);
    assert_int_equal(system(command), 0);
    write_text(at(&bench, "recovery-point-offset-checkpoint"), "0\n0\n");
    flip_bit(
        at(&bench, "__cluster_metadata-0/00000000000000000020.log"), 3 * bench.batch_size + 100, 0);
    assert_int_equal(run_check(bench.store.path, check_log_dir), 0);
    assert_int_equal(counts[FINDING_TORN], 0);
    assert_true(counts[FINDING_DAMAGE] > 0);
    forget_the_stop(&bench);
    assert_int_equal(run_check(bench.store.path, check_log_dir), 0);
    assert_int_equal(counts[FINDING_TORN], 1);
    assert_int_equal(counts[FINDING_DAMAGE], 0);
    store_remove(&bench.store);
}

/* Formatted, and never started. */
void test_check__misses_nothing_in_a_new_directory(void)
{
    struct bench bench;
    store_create(&bench.store);
    store_stop(&bench.store, NULL, 0);
    assert_int_equal(unlink(at(&bench, "recovery-point-offset-checkpoint")), 0);
    assert_int_equal(mkdir(at(&bench, "__cluster_metadata-0"), 0755), 0);
    expect(bench.store.path, 1, 0, 0); /* no partition.metadata */
    store_remove(&bench.store);
}

/* A segment that is gone leaves a gap, which compaction may have made as well; all of them gone, it
 * was no compaction. */
void test_check__tells_of_segments_that_are_gone(void)
{
    struct bench bench;
    char command[700];
    bench_create(&bench);
    snprintf(command, sizeof(command), "rm %s/t-0/00000000000000000010.*", bench.store.path);
    assert_int_equal(system(command), 0);
    expect(bench.store.path, 1, 0, 0);
    snprintf(command, sizeof(command), "rm %s/t-0/0*", bench.store.path);
    assert_int_equal(system(command), 0);
    expect_damage(bench.store.path, "t-0", -1);
    store_remove(&bench.store);
}

void test_check__names_what_was_left_half_done(void)
{
    struct bench bench;
    bench_create(&bench);
    write_text(at(&bench, "t-0/00000000000000000000.log.deleted"), "x");
    write_text(at(&bench, "t-0/00000000000000000000.log.cleaned"), "x");
    write_text(at(&bench, "t-0/00000000000000000000.index.swap"), "x");
    assert_int_equal(mkdir(at(&bench, "u-1.0123456789abcdef0123456789abcdef-delete"), 0755), 0);
    assert_int_equal(mkdir(at(&bench, "u-2.0123456789abcdef0123456789abcdef-stray"), 0755), 0);
    expect(bench.store.path, 6, 0, 0); /* the last has no partition.metadata besides */
    store_remove(&bench.store);
}

/* ---- Kafka's directories. ---- */

static char directory[64];

static void unpack(const char *name)
{
    char command[512];
    strcpy(directory, "/tmp/unit-check-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(command, sizeof(command),
        "tar xJf " GOLDEN_DISKS "/%s.tar.xz -C %s && chmod -R u+w %s", name, directory, directory);
    assert_int_equal(system(command), 0);
}

static void remove_directory(void)
{
    char command[512];
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
}

static void expect_disk(const char *name, int notes, int torn)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    expect(path, notes, torn, 0);
}

/* Nothing but what a kill or a stop left half done. */
void test_check__finds_nothing_in_what_kafka_wrote(void)
{
    static const struct {
        const char *name;
        int notes[2], torn;
    } disks[] = { { "clean", { 0, 0 }, 0 }, { "killed", { 2, 3 }, 0 }, { "torn", { 2, 3 }, 1 },
        { "trimmed", { 28, 0 }, 0 } };
    for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
        unpack(disks[i].name);
        expect_disk("disk1", disks[i].notes[0], disks[i].torn);
        assert_true(disks[i].torn == 0 || last_position == 39044); /* as Kafka cut it */
        expect_disk("disk2", disks[i].notes[1], disks[i].torn);
        assert_true(disks[i].torn == 0 || last_position == 36420);
        remove_directory();
    }
}

static struct prng generator;
static int flipped;

static int64_t used_size(const char *path)
{
    int64_t used = 0;
    FILE *file = fopen(path, "r");
    for (int byte; (byte = fgetc(file)) != EOF;)
        if (byte != 0)
            used = ftell(file);
    fclose(file);
    return used;
}

static int visit(const char *path, const struct stat *status, int type, struct FTW *place)
{
    static const char *const suffixes[] = { ".log", ".index", ".timeindex", ".txnindex",
        ".snapshot", ".checkpoint" };
    char partition[1024];
    const char *suffix = strrchr(path, '.');
    bool wanted = false;
    (void)status;
    for (size_t i = 0; suffix != NULL && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        wanted |= strcmp(suffix, suffixes[i]) == 0;
    int64_t size = type == FTW_F && wanted ? used_size(path) : 0;
    if (size == 0 || place->level < 2)
        return 0;
    int64_t position = (int64_t)prng_below(&generator, (uint64_t)size);
    int bit = (int)prng_below(&generator, 8);
    /* Not those that turn a true entry into another one, as an older Kafka may have written it: an
     * offset within the batch, or the end of a later one. */
    if (strcmp(suffix, ".index") == 0)
        position |= 4;
    if (strcmp(suffix, ".timeindex") == 0)
        position = position - position % 12 + position % 8;
    snprintf(partition, sizeof(partition), "%.*s", place->base - 1, path);
    flip_bit(path, position, bit);
    assert_int_equal(run_check(partition, check_partition), 0);
    if (counts[FINDING_DAMAGE] == 0)
        print_error("%s: bit %d at %lld\n", path, bit, (long long)position);
    assert_true(counts[FINDING_DAMAGE] > 0);
    flip_bit(path, position, bit);
    flipped++;
    return 0;
}

/* One bit in any file that a check can know by a sum or by what the batches say. */
void test_check__finds_a_bit_that_flipped(void)
{
    prng_init(&generator, 1);
    unpack("clean");
    assert_int_equal(nftw(directory, visit, 8, FTW_PHYS), 0);
    assert_true(flipped > 100);
    remove_directory();
}
