/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/record_deletion.h"

#include <assert.h>
#include <utlist.h>

#include "base/broken.h"

static void answer(struct record_deletion *deletion, enum error error, int64_t log_start)
{
    deletion->error = error;
    deletion->log_start = log_start;
}

static enum error check(const struct partition *partition, struct record_deletion *deletion)
{
    enum error error = partition_check(partition, -1);
    if (error != ERROR_NONE)
        return error;
    if (partition->settings.only_compacts)
        return ERROR_POLICY_VIOLATION;
    if (deletion->offset == RECORDS_BELOW_HIGH_WATERMARK)
        deletion->offset = partition->high_watermark;
    return deletion->offset < 0 || deletion->offset > partition->high_watermark
               ? ERROR_OFFSET_OUT_OF_RANGE
               : ERROR_NONE;
}

/* Asks the log for what is missing. True: nothing is. */
static bool is_deleted(struct partition *partition, const struct record_deletion *deletion)
{
    struct log *log = partition->log;
    if (log_start(log) >= deletion->offset)
        return true;
    if (log_durable_end(log) < deletion->offset) {
        log_want_flush(log);
        return false;
    }
    int status = log_delete_records(log, deletion->offset);
    assert(status == 0);
    return broken(deletion_before_kept);
}

bool partition_delete_records(struct partition *partition, struct record_deletion *deletion)
{
    deletion->partition = NULL;
    enum error error = check(partition, deletion);
    if (error != ERROR_NONE) {
        answer(deletion, error, -1);
        return false;
    }
    if (is_deleted(partition, deletion)) {
        answer(deletion, ERROR_NONE, log_start(partition->log));
        return false;
    }
    deletion->partition = partition;
    DL_APPEND(partition->deletions, deletion);
    return true;
}

static void leave(struct record_deletion *deletion, enum error error, int64_t log_start)
{
    assert(deletion->partition != NULL);
    DL_DELETE(deletion->partition->deletions, deletion);
    deletion->partition = NULL;
    answer(deletion, error, log_start);
}

void record_deletion_time_out(struct record_deletion *deletion)
{
    int64_t start = log_start(deletion->partition->log);
    leave(deletion, ERROR_REQUEST_TIMED_OUT, start);
}

void record_deletions_look(struct partition *partition)
{
    struct record_deletion *deletion, *next;
    DL_FOREACH_SAFE(partition->deletions, deletion, next)
    {
        if (!is_deleted(partition, deletion))
            continue;
        leave(deletion, ERROR_NONE, log_start(partition->log));
        deletion->done(deletion);
    }
}

void record_deletions_fail(struct partition *partition, enum error error)
{
    struct record_deletion *deletion, *next;
    DL_FOREACH_SAFE(partition->deletions, deletion, next)
    {
        leave(deletion, error, -1);
        deletion->done(deletion);
    }
}
