/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/breaking.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/broken.h"
#include "base/str.h"

enum { PROCESSES_MOST = 64, FINDING_SIZE = 160 };

struct attempt {
    int64_t seed;
    pid_t process;
    FILE *output;
};

struct outcome {
    int64_t noticed, run, first_seed;
    char finding[FINDING_SIZE];
};

void breaking_list(void)
{
    for (int i = 0; i < BROKEN_COUNT; i++)
        printf("%-28s %-4s %s\n", broken_rules[i].name, broken_rules[i].id, broken_rules[i].sentence);
}

static bool is_of_groups(int rule) { return strcmp(broken_rules[rule].id, "P6") == 0; }

/* What it says goes into a file; one that hangs ends itself. */
static void begin(const struct breaking *breaking, int rule, bool is_broken, struct attempt *attempt, int64_t seed)
{
    *attempt = (struct attempt){ .seed = seed, .output = tmpfile() };
    fflush(stdout);
    attempt->process = fork();
    if (attempt->process != 0)
        return;
    broken_chosen = is_broken ? rule : BROKEN_COUNT;
    dup2(fileno(attempt->output), STDOUT_FILENO);
    dup2(fileno(attempt->output), STDERR_FILENO);
    exit(breaking->passes(breaking->context, seed, is_of_groups(rule)) ? 0 : 1);
}

/* An invariant, a violation, a finding of the checker (NAME line N: ...) or an assertion. */
static bool is_finding(const char *line)
{
    size_t name = strspn(line, "abcdefghijklmnopqrstuvwxyz-");
    return strncmp(line, "invariant ", 10) == 0 || strncmp(line, "violation=", 10) == 0 ||
           (name > 0 && strncmp(line + name, " line ", 6) == 0) || strstr(line, "Assertion") != NULL;
}

static void read_finding(FILE *output, bool shows_all, char *finding)
{
    char line[2 * FINDING_SIZE];
    bool found = false;
    rewind(output);
    while (fgets(line, sizeof(line), output) != NULL) {
        if (shows_all)
            fputs(line, stdout);
        line[strcspn(line, "\n")] = '\0';
        if (!found && is_finding(line))
            snprintf(finding, FINDING_SIZE, "%.*s", FINDING_SIZE - 1, line);
        found = found || is_finding(line);
    }
}

/* It failed, or crashed; not when it was ended from outside or for want of time. */
static bool has_noticed(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == 1;
    return WTERMSIG(status) != SIGALRM && WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGTERM;
}

/* A seed that fails by itself proves nothing. */
static bool passes_unbroken(const struct breaking *breaking, int rule, int64_t seed)
{
    struct attempt attempt;
    int status = 0;
    begin(breaking, rule, false, &attempt, seed);
    waitpid(attempt.process, &status, 0);
    fclose(attempt.output);
    if (status != 0)
        printf("seed %lld fails though nothing is broken\n", (long long)seed);
    return status == 0;
}

static void end(const struct breaking *breaking, int rule, struct attempt *attempt, struct outcome *outcome)
{
    char finding[FINDING_SIZE];
    int status = 0;
    waitpid(attempt->process, &status, 0);
    outcome->run++;
    snprintf(finding, sizeof(finding), "status %d", status);
    read_finding(attempt->output, breaking->first == breaking->last, finding);
    if (has_noticed(status) && passes_unbroken(breaking, rule, attempt->seed) && outcome->noticed++ == 0) {
        outcome->first_seed = attempt->seed;
        memcpy(outcome->finding, finding, sizeof(finding));
    }
    fclose(attempt->output);
}

static bool break_one(const struct breaking *breaking, int rule)
{
    struct attempt attempts[PROCESSES_MOST];
    struct outcome outcome = { 0 };
    int64_t most = sysconf(_SC_NPROCESSORS_ONLN);
    most = most < PROCESSES_MOST ? most : PROCESSES_MOST;
    for (int64_t seed = breaking->first; seed <= breaking->last && (outcome.noticed == 0 || breaking->counts); seed += most) {
        int64_t count = breaking->last - seed + 1 < most ? breaking->last - seed + 1 : most;
        for (int64_t i = 0; i < count; i++)
            begin(breaking, rule, true, &attempts[i], seed + i);
        for (int64_t i = 0; i < count; i++)
            end(breaking, rule, &attempts[i], &outcome);
    }
    if (outcome.noticed == 0)
        printf("rule %s not noticed by %lld seeds\n", broken_rules[rule].name, (long long)outcome.run);
    else if (breaking->counts)
        printf("rule %s noticed by %lld of %lld seeds, first by %lld (%s)\n", broken_rules[rule].name, (long long)outcome.noticed,
            (long long)outcome.run, (long long)outcome.first_seed, outcome.finding);
    else
        printf("rule %s noticed by seed %lld (%s)\n", broken_rules[rule].name, (long long)outcome.first_seed, outcome.finding);
    return outcome.noticed > 0;
}

static bool choose(const char *rules, bool chosen[BROKEN_COUNT])
{
    struct str rest = str_from(rules), name;
    bool all = strcmp(rules, "all") == 0;
    for (int i = 0; i < BROKEN_COUNT; i++)
        chosen[i] = all;
    while (!all && str_split(&rest, ',', &name)) {
        int rule = broken_find(name);
        if (rule < 0) {
            fprintf(stderr, "there is no rule %.*s: see --break list\n", STR_PRINT(name));
            return false;
        }
        chosen[rule] = true;
    }
    return true;
}

int breaking_run(const struct breaking *breaking)
{
    bool chosen[BROKEN_COUNT];
    int noticed = 0, missed = 0;
    if (!choose(breaking->rules, chosen))
        return -1;
    for (int rule = 0; rule < BROKEN_COUNT; rule++) {
        if (!chosen[rule])
            continue;
        bool seen = break_one(breaking, rule);
        noticed += seen;
        missed += !seen;
    }
    printf("%d passed, %d failed\n", noticed, missed);
    return missed;
}
