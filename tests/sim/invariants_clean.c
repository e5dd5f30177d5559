/* SPDX-License-Identifier: Apache-2.0 */
/* Cleaned segments that take the place of others: what is durable by then, and what a start makes of a
 * swap that a crash cut short. */
#include <string.h>

#include "sim/invariants_parts.h"
#include "sim/see.h"
#include "storage/clean.h"
#include "storage/cleaning.h"
#include "storage/log_state.h"

/* While the old segments go: without its name the new one is lost with the power, and so is what only it holds. */
static void look_at_swap(struct invariants *invariants, const struct log *log)
{
    char path[SEGMENT_PATH_SIZE];
    segment_path(path, log->path, clean_group(log->cleaning->clean)->base_offset, ".log.swap");
    bool has_last_name = see_file(invariants->machine, path).data == NULL;
    if (!has_last_name && see_durable_file(invariants->machine, path).data == NULL)
        invariant_fell(invariants, INVARIANT_swaps_are_durable, "partition=%s file=%s", log_label(log), path);
}

/* Recovery takes gaps above the recovery point for a lost tail, when the topic compacts no more by then. */
void look_at_cleaning(struct invariants *invariants, const struct log *log)
{
    const struct cleaning *cleaning = log->cleaning;
    if (cleaning == NULL || cleaning->stage == CLEANING_WAITS)
        return;
    int64_t point = durable_checkpoint(invariants, log, "recovery-point-offset-checkpoint");
    if (point < cleaning->dirty_end)
        invariant_fell(invariants, INVARIANT_cleaned_is_below_the_recovery_point,
            "partition=%s dirty_end=%lld recovery_point=%lld", log_label(log), (long long)cleaning->dirty_end,
            (long long)point);
    if (cleaning->stage == CLEANING_SWAPS)
        look_at_swap(invariants, log);
}

struct leftovers {
    struct invariants *invariants;
    const struct log *log;
};

static void visit(void *context, const char *name)
{
    static const char suffix[] = ".swap";
    const struct leftovers *left = context;
    size_t size = strlen(name), marked = sizeof(suffix) - 1;
    if (size > marked && strcmp(name + size - marked, suffix) == 0)
        invariant_fell(left->invariants, INVARIANT_opened_logs_are_settled, "partition=%s file=%s",
            log_label(left->log), name);
}

/* Right after it was opened. */
void look_for_leftovers(struct invariants *invariants, const struct log *log)
{
    struct leftovers left = { invariants, log };
    see_names(invariants->machine, log->path, visit, &left);
}
