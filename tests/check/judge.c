/* SPDX-License-Identifier: Apache-2.0 */
#include "check/judge.h"

#include "base/memory.h"
#include "check/findings.h"
#include "check/history.h"
#include "check/log.h"
#include "check/register.h"

/* Who has a partition of a group. */
struct owners {
    int32_t *process_of_key; /* process + 1; 0: nobody */
    int32_t key_count;
};

static void owners_take(struct owners *owners, struct findings *findings,
    const struct history *history, const struct line *line)
{
    if (line->key >= owners->key_count) {
        int32_t count = history->keys.count * 2;
        owners->process_of_key =
            memory_resize(owners->process_of_key, (size_t)count * sizeof(*owners->process_of_key));
        while (owners->key_count < count)
            owners->process_of_key[owners->key_count++] = 0;
    }
    int32_t *owner = &owners->process_of_key[line->key];
    if (line->operation == OPERATION_DISOWN && line->phase == PHASE_INVOKE &&
        *owner == line->process + 1)
        *owner = 0;
    if (line->operation != OPERATION_OWN || line->phase != PHASE_OK)
        return;
    if (*owner != 0 && *owner != line->process + 1)
        finding_add(findings, FINDING_TWO_OWNERS, line->number, "%s has %s, and so has %s",
            history->processes.texts[line->process], history->keys.texts[line->key],
            history->processes.texts[*owner - 1]);
    *owner = line->process + 1;
}

int64_t judge(struct history *history, int64_t *out_operation_count)
{
    struct findings findings = { 0 };
    struct log_checker logs = { .findings = &findings, .history = history };
    struct register_checker names = {
        .findings = &findings, .history = history, .kind = FINDING_NOT_LINEARIZABLE
    };
    struct register_checker commits = {
        .findings = &findings, .history = history, .kind = FINDING_COMMIT_BACK
    };
    struct owners owners = { 0 };
    struct line line;
    *out_operation_count = 0;
    while (history_next(history, &line)) {
        *out_operation_count += line.phase != PHASE_INVOKE;
        if (log_takes(line.operation))
            log_take(&logs, &line);
        else if (line.operation == OPERATION_SET || line.operation == OPERATION_GET)
            register_take(&names, &line, line.operation == OPERATION_SET);
        else if (line.operation == OPERATION_COMMIT || line.operation == OPERATION_COMMITTED)
            register_take(&commits, &line, line.operation == OPERATION_COMMIT);
        else
            owners_take(&owners, &findings, history, &line);
    }
    log_judge(&logs);
    register_judge(&names);
    register_judge(&commits);
    log_deinit(&logs);
    register_deinit(&names);
    register_deinit(&commits);
    memory_give(owners.process_of_key);
    return findings_print(&findings);
}
