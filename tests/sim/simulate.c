/* SPDX-License-Identifier: Apache-2.0 */
/* A run: the seed draws a kind of node (kind.h), its faults (faults.h), its network and which clients there are (workload.h).
 * The node lives many lives, a second to some seconds long; in each it is struck by faults, and it ends by a kill, a power cut or
 * a stop. After every event the invariants are looked at (invariants.h). After `seconds` of simulated time all faults cease; the node
 * starts once more, the clients end what they are at and read everything (the drain), and the history of what they did and saw
 * is judged (tests/check, HISTORY). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/odd.h"
#include "base/report.h"
#include "base/str.h"
#include "broker/format.h"
#include "broker/node.h"
#include "sim/breaking.h"
#include "sim/faults.h"
#include "sim/invariants.h"
#include "sim/kind.h"
#include "sim/odd_sums.h"
#include "sim/recorder.h"
#include "sim/rot.h"
#include "sim/sim.h"
#include "sim/workload.h"

enum { PROCESSES_MOST = 64, HANGS_AFTER_S = 300 /* of real time in one life */ };
enum { PORT = 9092, WORKERS = 2, LIMIT_US = 120000000, SETTLES_US = 1000000, CALM_US = 4000000, BREAKING_SEEDS = 48, BEYOND_EVERY = 8 /* seeds: one goes beyond what must be survived */ };

struct options {
    int64_t first, last; /* seeds */
    int64_t seconds;
    const char *history; /* NULL: not kept */
    const char *broken;  /* rules to be broken; NULL: none */
    bool twice, counts, odd, verbose, groups;
};

struct run {
    struct sim *sim;
    struct machine *machine;
    struct kind kind;
    struct io *io;
    struct node *node; /* NULL: down */
    struct recorder recorder;
    struct workload *workload;
    struct invariants *invariants;
    struct faults faults;
    int endings[3];
    int failed_lives; /* in which the disk failed */
    int failed_boots;
};

static struct sim *reporting_sim; /* the sink is told nothing but the line */

static void print_report(enum report_level level, const char *event, const char *text)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    fprintf(stderr, "%10.3f ms %-5s %s %s\n", (double)sim_now_us(reporting_sim) / 1000, names[level], event, text);
}

static void drop_report(enum report_level level, const char *event, const char *text)
{
    (void)level;
    (void)event;
    (void)text;
}

/* As `strom server` does: empty directories are formatted, then the node is wired and started. */
static int begin_node(struct run *run)
{
    char reason[512];
    if (format_state_of(run->io, "/data", reason, sizeof(reason)) == FORMAT_NONE) {
        struct format_wish wish = { .ignore_formatted = true }; /* a format that did not end */
        if (run->recorder.acked_count > 0)
            recorder_violate(&run->recorder, "node_forgot_its_format", "time_us=%lld", (long long)sim_now_us(run->sim));
        if (format_directories(run->io, &run->kind.settings, &wish, reason, sizeof(reason)) < 0) {
            report_error("format_failed", "reason=\"%s\"", reason);
            return -EIO;
        }
    }
    machine_enter(run->machine);
    int status = node_create(run->io, &run->kind.settings, &run->node);
    for (int i = 0; status == 0 && i < node_loop_count(run->node); i++)
        sim_start_loop(node_loop(run->node, i));
    if (status == 0)
        node_start(run->node);
    machine_leave();
    return status;
}

static void boot(struct run *run)
{
    alarm(HANGS_AFTER_S); /* ends the process */
    run->io = machine_boot(run->machine, WORKERS);
    run->recorder.lives++;
    faults_begin_life(&run->faults);
    int status = begin_node(run);
    recorder_expect_damage(&run->recorder, faults_explain_damage(&run->faults));
    if (status == 0) {
        invariants_begin(run->invariants, run->node);
        return;
    }
    run->node = NULL;
    run->failed_boots++;
    if (!faults_explain_end(&run->faults))
        recorder_violate(&run->recorder, "node_does_not_start", "status=%d", status);
}

static bool has_stopped(void *context)
{
    const struct run *run = context;
    for (int i = 0; i < node_loop_count(run->node); i++)
        if (!sim_loop_has_ended(node_loop(run->node, i)))
            return false;
    return true;
}

/* By itself, after a fault. */
static bool has_begun_to_end(const struct run *run)
{
    bool has_begun = false;
    for (int i = 0; i < node_loop_count(run->node); i++)
        has_begun = has_begun || sim_loop_has_ended(node_loop(run->node, i));
    return has_begun;
}

static bool disk_is_dead(void *context) { return faults_disk_is_dead(&((struct run *)context)->faults); }

static bool stop_is_over(void *context) { return disk_is_dead(context) || has_stopped(context); }

/* Beyond what a node must survive: of one partition all from there on may be gone, whatever was promised. Nothing else may. */
static void rot_above(struct run *run)
{
    struct rot_place place;
    if (!faults_find_rot_above(&run->faults, &place))
        return;
    const char *key = workload_lose(run->workload, place.topic_id, place.partition, place.offset);
    if (key == NULL)
        return;
    faults_rot_above(&run->faults, &place);
    invariants_lose(run->invariants, place.topic_id, place.partition, place.offset);
    recorder_note(&run->recorder, &(struct event){ .process = "node", .phase = "info", .name = "rot", .key = key, .offset = place.offset });
}

static void cut_power(struct run *run)
{
    machine_cut_power(run->machine);
    recorder_note(&run->recorder, &(struct event){ .process = "node", .phase = "info", .name = "power", .offset = OFFSET_NONE });
    rot_above(run);
}

/* False: the disk died meanwhile. explained: the node may have failed by then. Where the disk failed, or at times, it is switched off
 * afterwards: nothing may be left that only memory holds. */
static bool stop(struct run *run, bool explained)
{
    machine_enter(run->machine);
    if (!has_begun_to_end(run))
        node_stop(run->node);
    machine_leave();
    bool is_over = sim_run(run->sim, LIMIT_US, stop_is_over, run);
    if (disk_is_dead(run))
        return false;
    if (is_over) {
        if (node_failed(run->node) && !explained)
            recorder_violate(&run->recorder, "node_failed", "while=stopping");
        bool has_lost = faults_disk_failed(&run->faults); /* or met what had, on its way out */
        bool is_clean = !node_failed(run->node) && !has_lost;
        invariants_end(run->invariants, is_clean ? ENDING_STOP : has_lost ? ENDING_POWER_CUT : ENDING_KILL);
        node_destroy(run->node);
        invariants_look_behind(run->invariants);
        if (has_lost)
            cut_power(run);
        else if (is_clean && sim_draw(run->sim, 2) == 0)
            machine_cut_power(run->machine);
    } else {
        recorder_violate(&run->recorder, "node_does_not_stop", "limit_us=%d", LIMIT_US);
    }
    machine_kill(run->machine);
    return true;
}

/* How the life must end, when it cannot as drawn. What a failed sync left in memory no process can save, so power goes then, be it
 * after a stop; nothing else is asked of that life. */
static enum ending settle_ending(struct run *run, enum ending drawn)
{
    if (faults_disk_failed(&run->faults)) {
        run->failed_lives++;
        return drawn == ENDING_STOP && run->node != NULL && !faults_disk_is_dead(&run->faults) ? ENDING_STOP : ENDING_POWER_CUT;
    }
    if (run->node != NULL && has_stopped(run) && !faults_explain_end(&run->faults))
        recorder_violate(&run->recorder, "node_stopped_by_itself", "failed=%d", node_failed(run->node));
    bool is_gone = run->node == NULL || has_stopped(run) || faults_disk_is_dead(&run->faults);
    return drawn == ENDING_STOP && is_gone ? ENDING_KILL : drawn;
}

static void end_node(struct run *run, enum ending drawn)
{
    enum ending ending = settle_ending(run, drawn);
    bool explained = faults_explain_end(&run->faults);
    faults_end_life(&run->faults);
    if (ending == ENDING_STOP && !stop(run, explained))
        ending = !faults_disk_failed(&run->faults) && sim_draw(run->sim, 2) == 0 ? ENDING_KILL : ENDING_POWER_CUT;
    if (ending != ENDING_STOP)
        invariants_end(run->invariants, ending);
    if (ending == ENDING_KILL)
        machine_kill(run->machine);
    else if (ending == ENDING_POWER_CUT)
        cut_power(run);
    run->node = NULL;
    run->endings[ending]++;
}

/* False: the disk died meanwhile. */
static bool wait_us(struct run *run, uint64_t most_us)
{
    return !sim_run(run->sim, 1000 + (int64_t)sim_draw(run->sim, most_us), disk_is_dead, run);
}

static bool has_acknowledged(void *context) { return ((struct run *)context)->recorder.acked_count > 0; }

static bool is_drained(void *context) { return workload_is_drained(((struct run *)context)->workload); }

static void draw_network(struct run *run)
{
    static const uint32_t resets[] = { 0, 500, 5000 };
    struct sim_faults *faults = sim_faults(run->sim);
    faults->connection_reset = resets[sim_draw(run->sim, 3)];
    faults->pause = sim_draw(run->sim, 3) == 0 ? 30000 : 1000;
}

static void live(struct run *run)
{
    if (faults_life_is_short(&run->faults)) {
        wait_us(run, sim_draw(run->sim, 2) == 0 ? 100000 : 600000);
        return;
    }
    bool is_alive = wait_us(run, 1000000); /* most are elected by then */
    for (uint64_t left = sim_draw(run->sim, 6); left > 0 && is_alive; left--) {
        faults_strike(&run->faults, invariants_see_leader(run->invariants));
        recorder_expect_damage(&run->recorder, faults_explain_damage(&run->faults));
        is_alive = wait_us(run, 1000000);
    }
}

static void run_to_the_end(struct run *run, const struct options *options)
{
    static const enum ending endings[] = { ENDING_KILL, ENDING_POWER_CUT, ENDING_POWER_CUT, ENDING_STOP };
    int64_t calm_at_us = sim_now_us(run->sim) + options->seconds * 1000000;
    sim_disturb_network(run->sim);
    while (sim_now_us(run->sim) < calm_at_us) {
        boot(run);
        draw_network(run);
        live(run);
        end_node(run, endings[sim_draw(run->sim, 4)]);
        wait_us(run, 500000);
    }
    faults_calm(&run->faults);
    boot(run);
    if (run->node == NULL)
        return;
    sim_faults(run->sim)->connection_reset = 0;
    sim_calm_network(run->sim);
    if (run->recorder.acked_count == 0 && !sim_run(run->sim, LIMIT_US, has_acknowledged, run)) /* it was all trouble until now */
        recorder_violate(&run->recorder, "nothing_was_acknowledged", "limit_us=%d", LIMIT_US);
    int64_t silent_us = sim_network_calm_from_us(run->sim) - sim_now_us(run->sim);
    sim_run(run->sim, silent_us + SETTLES_US, disk_is_dead, run); /* a leader is elected by then */
    workload_calm(run->workload);
    sim_run(run->sim, CALM_US, disk_is_dead, run);
    workload_drain(run->workload);
    if (!sim_run(run->sim, LIMIT_US, is_drained, run)) {
        recorder_violate(&run->recorder, "run_does_not_end", "limit_us=%d", LIMIT_US);
        workload_tell(run->workload);
    }
    end_node(run, ENDING_STOP);
}

/* What fell first; NULL: nothing. */
static const char *simulate(const struct options *options, int64_t seed, uint64_t *out_trace)
{
    struct run run = { .sim = sim_create((uint64_t)seed) };
    reporting_sim = run.sim;
    odd_draw((uint64_t)seed);
    run.machine = machine_create(run.sim, "node");
    if (!kind_draw(&run.kind, run.sim, options->groups))
        exit(2);
    faults_init(&run.faults, run.sim, run.machine, run.kind.has_two_directories, seed % BEYOND_EVERY == 0);
    recorder_init(&run.recorder, run.sim);
    run.invariants = invariants_create(run.sim, run.machine, &run.recorder);
    run.workload = workload_create(run.sim, "node", PORT, &run.recorder);
    if (options->groups)
        workload_add_groups(run.workload);
    invariants_tell_starts(run.invariants, &run.workload->start_watch);
    run_to_the_end(&run, options);
    recorder_judge(&run.recorder, options->history);
    odd_sums_add();
    const char *fallen = run.recorder.fallen;
    *out_trace = sim_trace(run.sim);
    if (options->verbose) {
        printf("acked=%lld seen=%lld created=%lld deleted=%lld retained=%lld crashes=%d power_cuts=%d stops=%d disk_failures=%d failed_boots=%d "
               "directories=%d shards=%d network_troubles=%lld virtual_ms=%lld\n",
            (long long)run.recorder.acked_count, (long long)run.recorder.seen_count, (long long)run.workload->created_count,
            (long long)run.workload->deleted_count, (long long)invariants_retained_count(run.invariants), run.endings[ENDING_KILL] + run.endings[ENDING_POWER_CUT],
            run.endings[ENDING_POWER_CUT], run.endings[ENDING_STOP], run.failed_lives, run.failed_boots, 1 + run.kind.has_two_directories,
            run.kind.settings.shards, (long long)sim_network_troubles(run.sim), (long long)sim_now_us(run.sim) / 1000);
        faults_tell(&run.faults);
    }
    workload_destroy(run.workload);
    recorder_deinit(&run.recorder);
    sim_destroy(run.sim);
    invariants_destroy(run.invariants);
    kind_deinit(&run.kind);
    return fallen;
}

static bool passes(void *context, int64_t seed, bool has_groups)
{
    struct options with = *(const struct options *)context, *options = &with;
    with.groups = with.groups || has_groups;
    uint64_t trace, again;
    const char *fallen = simulate(options, seed, &trace);
    if (fallen == NULL && options->twice) {
        fallen = simulate(options, seed, &again);
        fallen = fallen == NULL && trace != again ? "another trace when it ran again" : fallen;
    }
    printf("seed %lld trace %016llx %s%s\n", (long long)seed, (unsigned long long)trace, fallen == NULL ? "ok" : "fell: ",
        fallen == NULL ? "" : fallen);
    return fallen == NULL;
}

struct running {
    pid_t process; /* 0: none */
    int64_t seed;
};

/* Waits for the end of one; what it did not live to tell is told here. Returns how many failed. */
static int end_one(struct running *running, int64_t count)
{
    int status = -1;
    pid_t process = wait(&status);
    for (int64_t i = 0; i < count; i++) {
        if (running[i].process != process)
            continue;
        running[i].process = 0;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
            printf("seed %lld fell: no new life within %d s\n", (long long)running[i].seed, HANGS_AFTER_S);
        else if (WIFSIGNALED(status))
            printf("seed %lld fell: ended by signal %d\n", (long long)running[i].seed, WTERMSIG(status));
        else if (WEXITSTATUS(status) > 1)
            printf("seed %lld fell: ended with status %d\n", (long long)running[i].seed, WEXITSTATUS(status));
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

static struct running *find_free(struct running *running, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (running[i].process == 0)
            return &running[i];
    return NULL;
}

/* Each seed has a process of its own, so that none can hide another; there are as many at once as processors. */
static int64_t count_failed(struct options *options)
{
    struct running running[PROCESSES_MOST] = { 0 }, *place;
    int64_t most = sysconf(_SC_NPROCESSORS_ONLN), seeds = options->last - options->first + 1, failed = 0, ended = 0;
    most = most < PROCESSES_MOST ? most : PROCESSES_MOST;
    for (int64_t seed = options->first; seed <= options->last; seed++) {
        for (; (place = find_free(running, most)) == NULL; ended++)
            failed += end_one(running, most);
        fflush(stdout);
        *place = (struct running){ fork(), seed };
        if (place->process < 0) {
            perror("fork");
            exit(2);
        }
        if (place->process == 0)
            exit(passes(options, seed, false) ? 0 : 1);
    }
    for (; ended < seeds; ended++)
        failed += end_one(running, most);
    return failed;
}

static bool read_seeds(const char *text, struct options *options)
{
    struct str rest = str_from(text), first;
    str_split(&rest, '-', &first);
    bool is_read = str_to_int64(first, &options->first) &&
                   (str_is_null(rest) ? (options->last = options->first, true) : str_to_int64(rest, &options->last));
    return is_read && options->first > 0 && options->first <= options->last && options->last < INT64_MAX;
}

static bool read_option(const char *word, const char *value, struct options *options)
{
    if (strcmp(word, "--history") == 0)
        options->history = value;
    else if (strcmp(word, "--break") == 0)
        options->broken = value;
    else if (strcmp(word, "--seconds") == 0)
        return str_to_int64(str_from(value), &options->seconds) && options->seconds > 0;
    else
        return (strcmp(word, "--seed") == 0 || strcmp(word, "--seeds") == 0) && read_seeds(value, options);
    return true;
}

static bool read_options(int count, char **words, struct options *options)
{
    *options = (struct options){ .seconds = 60 };
    const struct {
        const char *word;
        bool *place;
    } flags[] = { { "--twice", &options->twice }, { "--count", &options->counts }, { "--odd", &options->odd },
        { "--verbose", &options->verbose }, { "--groups", &options->groups } };
    const size_t flag_count = sizeof(flags) / sizeof(flags[0]);
    for (int i = 1; i < count; i++) {
        size_t flag = 0;
        while (flag < flag_count && strcmp(words[i], flags[flag].word) != 0)
            flag++;
        if (flag < flag_count)
            *flags[flag].place = true;
        else if (i + 1 == count || !read_option(words[i], words[i + 1], options))
            return false;
        else
            i++;
    }
    if (options->last == 0) {
        options->first = 1;
        options->last = options->broken == NULL ? 1 : BREAKING_SEEDS;
    }
    return true;
}

/* Succeeds when the run noticed whatever was broken. */
static int break_rules(struct options *options)
{
    const struct breaking breaking = {
        .rules = options->broken,
        .first = options->first,
        .last = options->last,
        .counts = options->counts,
        .passes = passes,
        .context = options,
    };
    if (strcmp(options->broken, "list") != 0) {
        int missed = breaking_run(&breaking);
        return missed < 0 ? 2 : missed > 0;
    }
    breaking_list();
    return 0;
}

int main(int count, char **words)
{
    struct options options;
    if (count == 2 && strcmp(words[1], "--invariants") == 0) {
        invariants_list();
        return 0;
    }
    if (!read_options(count, words, &options)) {
        fprintf(stderr, "usage: simulate [--seed N | --seeds A-B] [--seconds S] [--twice] [--groups] [--odd] [--verbose] [--history FILE]\n"
                        "                [--break list|all|RULE[,RULE]... [--count]] | --invariants\n"
                        "Prints one line a seed; exits with 1 when one fell. Those divisible by 8 go beyond what must be survived: bits\n"
                        "above a recovery point rot. One that needs 300 s for a life of its node is ended, and fell. --seconds: of\n"
                        "simulated time (60). --twice: runs each again, it must leave the same trace. --verbose: prints what the node\n"
                        "reports, and what struck it. --history: keeps what clients did and saw, for tests/check. --break: leaves out\n"
                        "what keeps the rule, and succeeds when a seed notices (of 1-48); --count: runs all of the seeds, though one\n"
                        "has noticed. Rules of groups (P6) are broken in runs with groups.\n"
                        "--groups: with groups and their members besides.\n"
                        "--odd: tells how often each odd branch was taken; fails when one never was.\n"
                        "--invariants: tells what is looked at after every event.\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* each line counts when a run is cut short by an assertion */
    report_set_sink(options.verbose ? print_report : drop_report);
    odd_sums_begin();
    if (options.history != NULL && options.first != options.last) {
        fprintf(stderr, "--history keeps that of one seed: give --seed N\n");
        return 2;
    }
    FILE *history = options.history == NULL ? NULL : fopen(options.history, "w");
    if (options.history != NULL && history == NULL) {
        fprintf(stderr, "%s: %s; no history can be kept there\n", options.history, strerror(errno));
        return 2;
    }
    if (history != NULL)
        fclose(history);
    if (options.broken != NULL)
        return break_rules(&options);
    int64_t failed = count_failed(&options), seeds = options.last - options.first + 1;
    bool all_odd = !options.odd || odd_sums_tell();
    if (seeds > 1)
        printf("%lld passed, %lld failed\n", (long long)(seeds - failed), (long long)failed);
    return failed > 0 || !all_odd ? 1 : 0;
}
