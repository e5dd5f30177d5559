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

/* A value is written once in the whole history, be it sent, set or committed. */
static void demand_new_value(struct pairs *values, struct history *history, const struct line *line)
{
    if (line_is_write(line) && line->phase == PHASE_INVOKE && line->value != NO_VALUE) {
        int32_t known = values->count;
        if (pairs_number(values, line->value, 0) != known)
            history_refuse(history, "a value that was written before");
    }
}

bool judge(struct history *history, struct judgement *out_judgement)
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
    struct pairs values = { 0 };
    struct line line;
    *out_judgement = (struct judgement){ 0 };
    while (history_next(history, &line)) {
        out_judgement->operation_count += line.phase != PHASE_INVOKE;
        demand_new_value(&values, history, &line);
        if (history->refused != NULL)
            break;
        if (log_takes(line.operation))
            log_take(&logs, &line);
        else if (line.operation == OPERATION_SET || line.operation == OPERATION_GET)
            register_take(&names, &line, line.operation == OPERATION_SET);
        else if (line.operation == OPERATION_COMMIT || line.operation == OPERATION_COMMITTED)
            register_take(&commits, &line, line.operation == OPERATION_COMMIT);
        else
            owners_take(&owners, &findings, history, &line);
    }
    if (history->refused == NULL) {
        log_judge(&logs);
        register_judge(&names);
        register_judge(&commits);
        out_judgement->finding_count = findings_print(&findings);
        out_judgement->first = findings.first;
    }
    log_deinit(&logs);
    register_deinit(&names);
    register_deinit(&commits);
    memory_give(owners.process_of_key);
    pairs_deinit(&values);
    return history->refused == NULL;
}
