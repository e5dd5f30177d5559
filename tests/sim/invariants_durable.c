/* SPDX-License-Identifier: Apache-2.0 */
/* What counts as durable against the disk, and what clients were promised against what counts as durable. */
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "sim/invariants_parts.h"
#include "sim/recorder.h"
#include "sim/see.h"
#include "storage/log_state.h"

/* A log that has moved stands under its last name, or durably still under the one before: recovery finds both. */
bool batch_is_on_disk(
    const struct machine *machine, const struct log *log, const struct ledger_batch *batch)
{
    char path[SEGMENT_PATH_SIZE];
    segment_path(path, log->path, batch->segment_base, ".log");
    struct bytes seen = see_file(machine, path);
    struct bytes durable =
        log->directory_new ? see_synced_file(machine, path) : see_durable_file(machine, path);
    size_t position = (size_t)batch->position, size = batch->header.size;
    return position + size <= seen.size && position + size <= durable.size &&
           memcmp(seen.data + position, durable.data + position, size) == 0;
}

void look_at_durable_end(
    struct invariants *invariants, const struct log *log, struct past *past, bool anew)
{
    const struct ledger *ledger = &past->ledger;
    if (anew || past->on_disk < log->start)
        past->on_disk = log->start;
    for (int32_t i = ledger_place(ledger, past->on_disk); i < ledger->count; i++) {
        const struct ledger_batch *batch = &ledger->batches[i];
        if (batch_next_offset(&batch->header) > log->durable_end)
            return;
        if (!batch_is_on_disk(invariants->machine, log, batch))
            invariant_fell(invariants, INVARIANT_durable_is_durable,
                "partition=%s path=%s segment=%lld position=%lld offset=%lld durable_end=%lld",
                log_label(log), log->path, (long long)batch->segment_base, (long long)batch->position,
                (long long)batch->header.base_offset, (long long)log->durable_end);
        past->on_disk = batch_next_offset(&batch->header);
    }
}

/* ---- When a log has been opened. ---- */

struct opened {
    struct invariants *invariants;
    const struct log *log;
};

/* Segments below the first go later. */
static void visit_durable(void *context, const char *name)
{
    const struct opened *opened = context;
    const struct log *log = opened->log;
    if (strspn(name, "0123456789") != 20 || strcmp(name + 20, ".log") != 0)
        return;
    int64_t base = strtoll(name, NULL, 10);
    int32_t place = log_segment_at(log, base);
    if (place >= 0 && log->segments[place].base_offset != base)
        invariant_fell(opened->invariants, INVARIANT_recovery_is_durable, "partition=%s log_end=%lld file=%s",
            log_label(log), (long long)log->tail.end_offset, name);
}

/* A deleted log of that name may stand there as long as its parting name is not durable. */
static bool is_of_the_same_topic(const struct invariants *invariants, const struct log *log)
{
    char path[SEGMENT_PATH_SIZE];
    path_in(path, log->path, "partition.metadata");
    struct bytes now = see_file(invariants->machine, path), durable = see_durable_file(invariants->machine, path);
    return now.size == durable.size && (now.size == 0 || memcmp(now.data, durable.data, now.size) == 0);
}

/* What recovery cut off must not come back. The log may have grown since. */
void look_at_opened_log(struct invariants *invariants, const struct log *log)
{
    char path[SEGMENT_PATH_SIZE];
    struct opened opened = { invariants, log };
    if (!is_of_the_same_topic(invariants, log))
        return;
    segment_path(path, log->path, log->tail.base_offset, ".log");
    struct bytes durable = see_durable_file(invariants->machine, path);
    if ((int64_t)durable.size > log->tail.size)
        invariant_fell(invariants, INVARIANT_recovery_is_durable, "partition=%s log_end=%lld size=%lld durable_size=%lld",
            log_label(log), (long long)log->tail.end_offset, (long long)log->tail.size, (long long)durable.size);
    see_durable_names(invariants->machine, log->path, visit_durable, &opened);
}

/* ---- What clients were promised. ---- */

/* The key of a partition in the history is NAME-ID/INDEX. */
static struct past *find_past(const struct invariants *invariants, const char *text)
{
    const char *slash = strrchr(text, '/');
    struct partition_key key = { 0 };
    if (slash == NULL || slash - text < UUID_TEXT_SIZE ||
        !uuid_parse((struct str){ slash - UUID_TEXT_SIZE, UUID_TEXT_SIZE }, &key.topic_id))
        return NULL;
    key.index = (int32_t)strtol(slash + 1, NULL, 10);
    return past_find(invariants, key);
}

static bool is_promise(const struct event *event)
{
    return strcmp(event->phase, "ok") == 0 && strcmp(event->name, "send") == 0 &&
           strcmp(event->acks, "all") == 0 && strcmp(event->durability, "disk") == 0 &&
           event->offset != OFFSET_NONE;
}

/* A topic that is deleted, or whose directory fails, may be gone in the very pass in which a record became durable: nobody sees that
 * it was. */
void look_at_line(struct recorder_watch *watch, const struct event *event)
{
    struct invariants *invariants = container_of(watch, struct invariants, recorder_watch);
    bool asks = strcmp(event->name, "delete") == 0 && strcmp(event->process, RETENTION_PROCESS) != 0;
    bool deletes = asks && event->offset == INT64_MAX;
    if (!asks && !is_promise(event))
        return;
    struct past *past = find_past(invariants, event->key);
    if (asks && !deletes && past != NULL && event->offset > past->asked_below)
        past->asked_below = event->offset;
    if (past != NULL)
        past->may_be_gone = past->may_be_gone || deletes;
    bool has_failed = machine_disk_faults(invariants->machine)->failures > invariants->failures_before_last;
    if (asks || has_failed || (past != NULL && past->may_be_gone))
        return;
    if (past == NULL || event->offset >= past->promised_ever)
        invariant_fell(invariants, INVARIANT_answered_is_durable,
            "key=%s value=%lld offset=%lld promised=%lld", event->key, (long long)event->value,
            (long long)event->offset, past == NULL ? -1LL : (long long)past->promised_ever);
}
