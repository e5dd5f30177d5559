/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/breaking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/broken.h"
#include "base/str.h"

enum { PROCESSES_MOST = 64, FINDING_SIZE = 160, SECONDS_MOST = 300 };

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
        printf("%-28s %-4s %s%s\n", broken_rules[i].name, broken_rules[i].id, broken_rules[i].sentence,
            broken_rules[i].is_open ? " (open)" : "");
}

/* What it says goes into a file; one that hangs is ended, which notices. */
static void begin(const struct breaking *breaking, struct attempt *attempt, int64_t seed)
{
    *attempt = (struct attempt){ .seed = seed, .output = tmpfile() };
    fflush(stdout);
    attempt->process = fork();
    if (attempt->process != 0)
        return;
    dup2(fileno(attempt->output), STDOUT_FILENO);
    dup2(fileno(attempt->output), STDERR_FILENO);
    alarm(SECONDS_MOST);
    exit(breaking->passes(breaking->context, seed) ? 0 : 1);
}

/* The first line that is not about the run itself. */
static void read_finding(FILE *output, char *finding)
{
    char line[FINDING_SIZE];
    rewind(output);
    while (fgets(line, sizeof(line), output) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || strncmp(line, "seed ", 5) == 0)
            continue;
        snprintf(finding, FINDING_SIZE, "%s", line);
        return;
    }
}

static void end(struct attempt *attempt, struct outcome *outcome)
{
    int status = 0;
    waitpid(attempt->process, &status, 0);
    outcome->run++;
    if (status != 0 && outcome->noticed++ == 0) {
        outcome->first_seed = attempt->seed;
        snprintf(outcome->finding, FINDING_SIZE, "status %d", status);
        read_finding(attempt->output, outcome->finding);
    }
    fclose(attempt->output);
}

static bool break_one(const struct breaking *breaking, int rule)
{
    struct attempt attempts[PROCESSES_MOST];
    struct outcome outcome = { 0 };
    int64_t most = sysconf(_SC_NPROCESSORS_ONLN);
    most = most < PROCESSES_MOST ? most : PROCESSES_MOST;
    broken_chosen = rule;
    for (int64_t seed = breaking->first; seed <= breaking->last && (outcome.noticed == 0 || breaking->counts); seed += most) {
        int64_t count = breaking->last - seed + 1 < most ? breaking->last - seed + 1 : most;
        for (int64_t i = 0; i < count; i++)
            begin(breaking, &attempts[i], seed + i);
        for (int64_t i = 0; i < count; i++)
            end(&attempts[i], &outcome);
    }
    broken_chosen = BROKEN_COUNT;
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
        chosen[i] = all && !broken_rules[i].is_open;
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
