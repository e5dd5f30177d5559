/* SPDX-License-Identifier: Apache-2.0 */
/* What only the whole history shows: which values were promised and are missing, and whether
 * readers and writers saw offsets grow. */
#include <stdlib.h>

#include "base/memory.h"
#include "check/log.h"

/* A process in a key: where it last sent or read. */
struct position {
    int64_t offset; /* NO_OFFSET: nowhere, or forgotten */
    int64_t poll;
    int32_t power;
};

struct positions {
    struct pairs places;
    struct position *at;
    size_t capacity;
};

static struct position *position_of(struct positions *positions, int32_t process, int32_t key)
{
    size_t place = (size_t)pairs_number(&positions->places, process, key);
    if (place >= positions->capacity) {
        size_t capacity = positions->capacity * 2 + 64;
        positions->at = memory_resize(positions->at, capacity * sizeof(*positions->at));
        for (size_t i = positions->capacity; i < capacity; i++)
            positions->at[i] = (struct position){ .offset = NO_OFFSET };
        positions->capacity = capacity;
    }
    return &positions->at[place];
}

static void positions_deinit(struct positions *positions)
{
    pairs_deinit(&positions->places);
    memory_give(positions->at);
}

static const char *name_of(const struct log_checker *checker, int32_t key)
{
    return checker->history->keys.texts[key];
}

static int compare_placings(const void *left, const void *right)
{
    const struct placing *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return (a->power > b->power) - (a->power < b->power);
}

/* What answers say and no power cut took back counts as well as what was read. */
static void place_answers(struct log_checker *checker)
{
    for (size_t i = 0; i < checker->send_count; i++) {
        struct send *send = &checker->sends[i];
        if (send->outcome != PHASE_OK || send->acked_at == NO_OFFSET ||
            send->acked_at == send->seen_at)
            continue;
        if (send->seen_at != NO_OFFSET &&
            (send->power_seen == send->power ||
                log_is_kept(checker, send->key, send->seen_at, send->power_seen)))
            finding_add(checker->findings, FINDING_DUPLICATE, send->line,
                "value %lld was answered with offset %lld and read at %lld", (long long)send->value,
                (long long)send->acked_at, (long long)send->seen_at);
        if (checker->placing_count == checker->placing_capacity) {
            checker->placing_capacity = checker->placing_capacity * 2 + 1024;
            checker->placings = memory_resize(
                checker->placings, checker->placing_capacity * sizeof(*checker->placings));
        }
        checker->placings[checker->placing_count++] =
            (struct placing){ send->acked_at, (int64_t)i, send->key, send->power };
    }
    if (checker->placing_count > 0)
        qsort(checker->placings, checker->placing_count, sizeof(*checker->placings),
            compare_placings);
}

static void judge_offsets(struct log_checker *checker)
{
    for (size_t i = 1; i < checker->placing_count; i++) {
        const struct placing *a = &checker->placings[i - 1], *b = &checker->placings[i];
        bool same_place = a->key == b->key && a->offset == b->offset;
        bool same_life =
            a->power == b->power || log_is_kept(checker, a->key, a->offset, a->power);
        if (same_place && same_life && a->send != b->send)
            finding_add(checker->findings, FINDING_INCONSISTENT_OFFSET,
                checker->sends[b->send].line, "offset %lld of %s holds values %lld and %lld",
                (long long)a->offset, name_of(checker, a->key),
                (long long)checker->sends[a->send].value, (long long)checker->sends[b->send].value);
    }
}

/* Marks what the last drain of each key found: what its process read since it last forgot its
 * position there. */
static void mark_drained(struct log_checker *checker)
{
    for (int32_t i = 0; i < checker->key_count; i++)
        checker->keys[i].drain = 1;
    for (size_t i = 0; i < checker->read_count; i++) {
        const struct read *read = &checker->reads[i];
        struct log_key *key = &checker->keys[read->key];
        if (read->process != key->drainer || read->line > key->drain_end)
            continue;
        if (read->offset == NO_OFFSET)
            key->drain++;
        else if (read->send != NO_SEND)
            checker->sends[read->send].drain = key->drain;
    }
}

static int compare_deletions(const void *left, const void *right)
{
    const struct deletion *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return (a->line > b->line) - (a->line < b->line);
}

/* Puts the deletions of each key in order of time; each then tells of all up to it. */
static void sort_deletions(struct log_checker *checker)
{
    struct deletion *sorted = checker->deletions;
    if (checker->deletion_count > 0)
        qsort(sorted, checker->deletion_count, sizeof(*sorted), compare_deletions);
    for (size_t i = 1; i < checker->deletion_count; i++)
        if (sorted[i].key == sorted[i - 1].key && sorted[i].below < sorted[i - 1].below)
            sorted[i].below = sorted[i - 1].below;
}

/* What may have been gone in that line. */
static int64_t deleted_at(const struct log_checker *checker, int32_t key, int64_t line)
{
    const struct deletion *sorted = checker->deletions;
    size_t low = 0, high = checker->deletion_count;
    while (low < high) { /* the first of the key that is not before the line */
        size_t middle = low + (high - low) / 2;
        if (sorted[middle].key < key || (sorted[middle].key == key && sorted[middle].line < line))
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && sorted[low - 1].key == key ? sorted[low - 1].below : 0;
}

/* A promise, or a record that was read and that no power cut can have taken since, is there until a
 * delete was asked for. Where a promised record stands is not always known. */
static bool must_be_there(
    const struct log_checker *checker, const struct send *send, int64_t deleted_below)
{
    bool is_promised = send->outcome == PHASE_OK;
    int64_t offset = is_promised && send->acked_at != NO_OFFSET ? send->acked_at : send->seen_at;
    if (offset < deleted_below && (offset != NO_OFFSET || deleted_below > 0))
        return false;
    return is_promised || (send->is_read && send->outcome != PHASE_FAIL &&
                              (send->power_seen == checker->power ||
                                  log_is_kept(checker, send->key, offset, send->power_seen)));
}

static void tell_of_loss(struct log_checker *checker, struct send *send)
{
    if (!send->is_lost)
        finding_add(checker->findings, FINDING_LOST_WRITE, send->line,
            "value %lld, promised at offset %lld of %s, was never read", (long long)send->value,
            (long long)send->acked_at, name_of(checker, send->key));
    send->is_lost = true;
}

static void judge_value(struct log_checker *checker, struct send *send, int64_t bound)
{
    const struct log_key *key = &checker->keys[send->key];
    if (send->is_read && send->outcome == PHASE_FAIL)
        finding_add(checker->findings, FINDING_ABORTED_READ, send->line,
            "value %lld was read, though its send failed", (long long)send->value);
    if (!send->is_read && send->acked_at != NO_OFFSET && send->acked_at <= bound &&
        must_be_there(checker, send, key->deleted_below))
        tell_of_loss(checker, send);
    else if (send->line < key->drain_begin && send->drain != key->drain &&
             must_be_there(checker, send, deleted_at(checker, send->key, key->drain_end)))
        finding_add(checker->findings, FINDING_UNSEEN, send->line,
            "value %lld of %s was %s; the drain did not find it", (long long)send->value,
            name_of(checker, send->key), send->is_read ? "read" : "promised");
}

static void judge_values(struct log_checker *checker)
{
    int64_t *bounds = memory_take_raw(
        (size_t)checker->key_count * sizeof(*bounds)); /* the last value that was read */
    for (int32_t i = 0; i < checker->key_count; i++)
        bounds[i] = NO_OFFSET;
    for (size_t i = 0; i < checker->send_count; i++) {
        const struct send *send = &checker->sends[i];
        if (send->is_read && send->seen_at > bounds[send->key])
            bounds[send->key] = send->seen_at;
    }
    for (size_t i = 0; i < checker->send_count; i++)
        judge_value(checker, &checker->sends[i], bounds[checker->sends[i].key]);
    memory_give(bounds);
}

static void judge_sends(struct log_checker *checker)
{
    struct positions positions = { 0 };
    for (size_t i = 0; i < checker->send_count; i++) {
        const struct send *send = &checker->sends[i];
        bool is_told = send->outcome == PHASE_OK && send->acked_at != NO_OFFSET;
        int64_t offset = is_told ? send->acked_at : send->seen_at;
        int32_t power = is_told ? send->power : send->power_seen;
        if (offset == NO_OFFSET)
            continue;
        struct position *before = position_of(&positions, send->process, send->key);
        bool same_life = before->power == power ||
                         log_is_kept(checker, send->key, before->offset, before->power);
        if (offset <= before->offset && same_life)
            finding_add(checker->findings, FINDING_SEND_BACK, send->line,
                "value %lld went to offset %lld, the one before to %lld", (long long)send->value,
                (long long)offset, (long long)before->offset);
        *before = (struct position){ .offset = offset, .power = power };
    }
    positions_deinit(&positions);
}

/* Whether a value that others read stands between the two offsets, and no deletion explains that
 * this reader did not get it in that line. What was promised there and nobody read is lost, whatever
 * was deleted later. */
static bool skips(
    struct log_checker *checker, int32_t key, int64_t from, int64_t to, int64_t line)
{
    if (from + 1 >= to)
        return false;
    int64_t deleted_below = deleted_at(checker, key, line);
    if (from + 1 < deleted_below)
        from = deleted_below - 1;
    size_t low = 0, high = checker->placing_count;
    while (from + 1 < to && low < high) { /* the first placing behind `from` */
        size_t middle = low + (high - low) / 2;
        const struct placing *placing = &checker->placings[middle];
        if (placing->key < key || (placing->key == key && placing->offset <= from))
            low = middle + 1;
        else
            high = middle;
    }
    for (; from + 1 < to && low < checker->placing_count; low++) {
        const struct placing *placing = &checker->placings[low];
        if (placing->key != key || placing->offset >= to)
            return false;
        struct send *send = &checker->sends[placing->send];
        if (send->is_read)
            return true;
        if (send->outcome == PHASE_OK && send->acked_at == placing->offset)
            tell_of_loss(checker, send);
    }
    return false;
}

static void judge_reads(struct log_checker *checker)
{
    struct positions positions = { 0 };
    for (size_t i = 0; i < checker->read_count; i++) {
        const struct read *read = &checker->reads[i];
        struct position *before = position_of(&positions, read->process, read->key);
        bool same_life = before->power == read->power ||
                         log_is_kept(checker, read->key, before->offset, before->power);
        bool within = before->poll == read->poll;
        if (before->offset != NO_OFFSET && read->offset != NO_OFFSET && same_life) {
            if (read->offset <= before->offset)
                finding_add(checker->findings,
                    within ? FINDING_POLL_BACK_WITHIN : FINDING_POLL_BACK, read->line,
                    "offset %lld of %s after %lld", (long long)read->offset,
                    name_of(checker, read->key), (long long)before->offset);
            else if (skips(checker, read->key, before->offset, read->offset, read->line))
                finding_add(checker->findings,
                    within ? FINDING_POLL_SKIP_WITHIN : FINDING_POLL_SKIP, read->line,
                    "offset %lld of %s right after %lld", (long long)read->offset,
                    name_of(checker, read->key), (long long)before->offset);
        }
        *before = (struct position){ read->offset, read->poll, read->power };
    }
    positions_deinit(&positions);
}

void log_judge(struct log_checker *checker)
{
    for (int32_t i = 0; i < checker->by_wisher.count; i++) { /* what never ended may be done */
        const struct wish *wish = &checker->wishes[i];
        if (wish->offset != NO_OFFSET)
            log_add_deletion(checker, wish);
    }
    sort_deletions(checker);
    mark_drained(checker);
    place_answers(checker);
    judge_offsets(checker);
    judge_values(checker);
    judge_sends(checker);
    judge_reads(checker);
}
