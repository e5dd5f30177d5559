/* SPDX-License-Identifier: Apache-2.0 */
#include "check/register.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static struct register_key *key_of(struct register_checker *checker, int32_t number)
{
    if (number >= checker->key_count) {
        int32_t count = checker->history->keys.count * 2;
        checker->keys = memory_resize(checker->keys, (size_t)count * sizeof(*checker->keys));
        for (int32_t i = checker->key_count; i < count; i++)
            checker->keys[i] = (struct register_key){ 0 };
        checker->key_count = count;
    }
    return &checker->keys[number];
}

static struct zone *zone_of(struct register_checker *checker, int32_t key, int64_t value)
{
    int32_t known = checker->by_value.count, number = pairs_number(&checker->by_value, key, value);
    if ((size_t)known == checker->zone_capacity) {
        checker->zone_capacity = checker->zone_capacity * 2 + 64;
        checker->zones =
            memory_resize(checker->zones, checker->zone_capacity * sizeof(*checker->zones));
    }
    if (number == known)
        checker->zones[number] =
            (struct zone){ .value = value, .key = key, .first_end = INT64_MAX };
    return &checker->zones[number];
}

static struct pending *pending_of(
    struct register_checker *checker, const struct line *line, bool is_write)
{
    enum { READ, WRITE_VALUE, WRITE_ABSENCE, KINDS };
    int kind = !is_write ? READ : line->value == NO_VALUE ? WRITE_ABSENCE : WRITE_VALUE;
    int32_t known = checker->by_process.count,
            number = pairs_number(
                &checker->by_process, (int64_t)line->process * KINDS + kind, line->key);
    if ((size_t)known == checker->pending_capacity) {
        checker->pending_capacity = checker->pending_capacity * 2 + 64;
        checker->pending =
            memory_resize(checker->pending, checker->pending_capacity * sizeof(*checker->pending));
    }
    if (number == known)
        checker->pending[number] = (struct pending){ 0 };
    return &checker->pending[number];
}

static void add_absence(struct register_checker *checker, int32_t key, int64_t begin, int64_t end)
{
    if (checker->absence_count == checker->absence_capacity) {
        checker->absence_capacity = checker->absence_capacity * 2 + 64;
        checker->absences = memory_resize(
            checker->absences, checker->absence_capacity * sizeof(*checker->absences));
    }
    checker->absences[checker->absence_count++] =
        (struct zone){ .key = key, .first_end = end, .last_begin = begin };
}

static void widen(struct zone *zone, int64_t begin, int64_t end)
{
    if (end < zone->first_end)
        zone->first_end = end;
    if (begin > zone->last_begin)
        zone->last_begin = begin;
}

/* A node's shards hear of a change one after the other, and it is acknowledged when all have; before, one may tell it and
 * another not. So of settings and topics a value counts from when its write was acknowledged, and an absence when none waits
 * for that. */
static bool is_told_early(const struct register_checker *checker, int32_t key)
{
    const char *name = checker->history->keys.texts[key];
    return strncmp(name, "settings/", 9) == 0 || strncmp(name, "topic/", 6) == 0;
}

static bool counts(const struct register_checker *checker, const struct zone *zone)
{
    return zone->outcome == PHASE_OK || !is_told_early(checker, zone->key);
}

static void take_value(struct register_checker *checker, const struct line *line,
    const struct pending *pending, bool is_write)
{
    struct register_key *key = key_of(checker, line->key);
    struct zone *zone = zone_of(checker, line->key, line->value);
    bool is_open = zone->write_begin != 0 && zone->outcome == PHASE_INVOKE;
    if (is_write && line->phase != PHASE_INVOKE && (!is_open || zone->writer != line->process)) {
        history_refuse(checker->history, "the end of a write that its process had not begun there");
    } else if (is_write && line->phase == PHASE_INVOKE) {
        zone->write_begin = line->number;
        zone->writer = line->process;
        widen(zone, line->number, INT64_MAX);
    } else if (is_write) {
        zone->outcome = line->phase;
        if (line->phase == PHASE_OK) {
            widen(zone, zone->write_begin, line->number);
            if (zone->write_begin > key->newest_write)
                key->newest_write = zone->write_begin;
        }
    } else if (line->phase == PHASE_OK) {
        widen(zone, pending->begin, counts(checker, zone) ? line->number : INT64_MAX);
        if (zone->first_read_end == 0)
            zone->first_read_end = line->number;
        /* Who saw the value proves that it was written by then, whatever becomes of its write. */
        if (!is_told_early(checker, line->key) && pending->begin > key->newest_write)
            key->newest_write = pending->begin;
    }
}

static void take_absence(struct register_checker *checker, const struct line *line,
    const struct pending *pending, bool is_write)
{
    struct register_key *key = key_of(checker, line->key);
    if (is_write && line->phase == PHASE_INVOKE)
        key->open_absences++;
    if (is_write && (line->phase == PHASE_OK || line->phase == PHASE_FAIL))
        key->open_absences--;
    if (line->phase == PHASE_OK) {
        if (is_write || key->open_absences == 0 || !is_told_early(checker, line->key))
            add_absence(checker, line->key, pending->begin, line->number);
        if (is_write) {
            key->last_absence = line->number;
            key->used_absences -= key->used_absences > 0; /* it may have been one of those */
        } else if (key->last_absence < pending->newest_write &&
                   key->used_line < pending->newest_write) {
            key->used_absences++;
            key->used_line = line->number;
        }
    }
    if (key->used_absences > key->open_absences) {
        finding_add(checker->findings, checker->kind, line->number,
            "%s was absent, though a value was written and nothing took it away",
            checker->history->keys.texts[line->key]);
        key->used_absences = key->open_absences; /* told */
    }
}

void register_take(struct register_checker *checker, const struct line *line, bool is_write)
{
    struct pending *pending = pending_of(checker, line, is_write);
    if (line->phase != PHASE_INVOKE && pending->open_count-- == 0) {
        history_refuse(checker->history, "the end of what its process had not begun there");
        return;
    }
    if (line->phase == PHASE_INVOKE)
        *pending = (struct pending){ line->number, key_of(checker, line->key)->newest_write,
            pending->open_count + 1 };
    if (line->value != NO_VALUE)
        take_value(checker, line, pending, is_write);
    else if (is_write || line->phase != PHASE_INVOKE) /* the invoke of a read names no value */
        take_absence(checker, line, pending, is_write);
}

static int compare_zones(const void *left, const void *right)
{
    const struct zone *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return (a->first_end > b->first_end) - (a->first_end < b->first_end);
}

static bool is_forward(const struct zone *zone)
{
    return zone->first_end < zone->last_begin;
}

/* The forward zone that the operations of `inner` lie wholly within; NULL: none. Zones are sorted,
 * and forward ones do not overlap. */
static const struct zone *surrounding(
    const struct zone *forward, size_t count, const struct zone *inner)
{
    size_t low = 0, high = count;
    while (low < high) { /* the first that begins behind inner's begin */
        size_t middle = low + (high - low) / 2;
        if (forward[middle].key < inner->key ||
            (forward[middle].key == inner->key && forward[middle].first_end < inner->last_begin))
            low = middle + 1;
        else
            high = middle;
    }
    const struct zone *before = low > 0 ? &forward[low - 1] : NULL;
    return before != NULL && before->key == inner->key && inner->first_end < before->last_begin
               ? before
               : NULL;
}

static void judge_within(struct register_checker *checker, const struct zone *forward, size_t count,
    const struct zone *inner)
{
    const struct zone *around = surrounding(forward, count, inner);
    if (around != NULL)
        finding_add(checker->findings, checker->kind, inner->last_begin,
            "%s had value %lld before and after this", checker->history->keys.texts[inner->key],
            (long long)around->value);
}

/* Values whose write or read does not fit even alone; true: the zone takes part in the order. */
static bool judge_alone(struct register_checker *checker, const struct zone *zone)
{
    const char *name = checker->history->keys.texts[zone->key];
    if (zone->first_read_end != 0 &&
        (zone->write_begin == 0 || zone->first_read_end < zone->write_begin))
        finding_add(checker->findings, FINDING_INVENTED_READ, zone->first_read_end,
            "%s had value %lld, which nobody had written", name, (long long)zone->value);
    else if (zone->first_read_end != 0 && zone->outcome == PHASE_FAIL)
        finding_add(checker->findings, FINDING_ABORTED_READ, zone->first_read_end,
            "%s had value %lld, whose write had failed", name, (long long)zone->value);
    else
        return zone->outcome == PHASE_OK || zone->first_read_end != 0;
    return false;
}

void register_judge(struct register_checker *checker)
{
    size_t zone_count = (size_t)checker->by_value.count, forward_count = 0, backward_count = 0;
    struct zone *forward = memory_take_raw(zone_count * sizeof(*forward)),
                *backward = memory_take_raw(zone_count * sizeof(*backward));
    for (size_t i = 0; i < zone_count; i++) {
        const struct zone *zone = &checker->zones[i];
        if (!judge_alone(checker, zone))
            continue;
        if (is_forward(zone))
            forward[forward_count++] = *zone;
        else
            backward[backward_count++] = *zone;
    }
    qsort(forward, forward_count, sizeof(*forward), compare_zones);
    for (size_t i = 1; i < forward_count; i++)
        if (forward[i].key == forward[i - 1].key &&
            forward[i].first_end < forward[i - 1].last_begin)
            finding_add(checker->findings, checker->kind, forward[i - 1].last_begin,
                "%s had value %lld, which %lld had replaced",
                checker->history->keys.texts[forward[i].key], (long long)forward[i - 1].value,
                (long long)forward[i].value);
    for (size_t i = 0; i < backward_count; i++)
        judge_within(checker, forward, forward_count, &backward[i]);
    for (size_t i = 0; i < checker->absence_count; i++)
        judge_within(checker, forward, forward_count, &checker->absences[i]);
    memory_give(forward);
    memory_give(backward);
}

void register_deinit(struct register_checker *checker)
{
    memory_give(checker->zones);
    memory_give(checker->keys);
    memory_give(checker->pending);
    memory_give(checker->absences);
    pairs_deinit(&checker->by_value);
    pairs_deinit(&checker->by_process);
}
