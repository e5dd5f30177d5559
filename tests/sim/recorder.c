/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/recorder.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check/history.h"
#include "check/judge.h"
#include "sim/sim.h"

enum { MOST_TOLD = 10 };

void recorder_init(struct recorder *recorder, struct sim *sim)
{
    *recorder = (struct recorder){ .sim = sim };
    recorder->lines = open_memstream(&recorder->text, &recorder->size);
    assert(recorder->lines != NULL);
}

void recorder_expect_damage(struct recorder *recorder, bool expects)
{
    recorder->expects_damage = expects;
    if (expects)
        recorder->damaged_life = recorder->lives;
}

void recorder_deinit(struct recorder *recorder)
{
    fclose(recorder->lines);
    free(recorder->text); /* open_memstream took it */
}

static void tell(struct recorder *recorder, const char *head, const char *name, const char *separator, const char *format,
    va_list arguments)
{
    if (recorder->fallen == NULL)
        recorder->fallen = name;
    if (recorder->told_count++ >= MOST_TOLD)
        return;
    fprintf(stderr, "%s%s%s ", head, name, separator);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void recorder_violate(struct recorder *recorder, const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(recorder, "violation=", name, "", format, arguments);
    va_end(arguments);
}

void recorder_fall(struct recorder *recorder, const char *name, const char *format, va_list arguments)
{
    tell(recorder, "invariant ", name, ":", format, arguments);
}

int64_t recorder_value(struct recorder *recorder)
{
    return ++recorder->value_count;
}

size_t recorder_bytes(int64_t value, uint8_t bytes[VALUE_MOST])
{
    uint64_t number = (uint64_t)value;
    size_t size = 8 + (size_t)(number * 2654435761u % (VALUE_MOST - 8));
    store_u64(bytes, number);
    for (size_t i = 8; i < size; i++)
        bytes[i] = (uint8_t)(number * 31 + i * 7);
    return size;
}

int64_t recorder_value_of(const struct recorder *recorder, struct bytes bytes)
{
    uint8_t expected[VALUE_MOST];
    int64_t value = bytes.data == NULL || bytes.size < 8 ? VALUE_NONE : load_i64(bytes.data);
    if (value <= VALUE_NONE || value > recorder->value_count)
        return VALUE_DAMAGED;
    size_t size = recorder_bytes(value, expected);
    return bytes_equal(bytes, (struct bytes){ expected, size }) ? value : VALUE_DAMAGED;
}

static void print_number(FILE *lines, int64_t number, int64_t least)
{
    if (number >= least)
        fprintf(lines, " %" PRId64, number);
    else
        fputs(" -", lines);
}

void recorder_note(struct recorder *recorder, const struct event *event)
{
    FILE *lines = recorder->lines;
    bool is_ok = strcmp(event->phase, "ok") == 0;
    recorder->acked_count += is_ok && strcmp(event->name, "send") == 0;
    recorder->seen_count += is_ok && strcmp(event->name, "poll") == 0 && event->value > VALUE_NONE;
    fprintf(lines, "%" PRId64 " %s %s %s %s", sim_now_us(recorder->sim) * 1000, event->process, event->phase,
        event->name, event->key == NULL ? "-" : event->key);
    if (event->value == VALUE_DAMAGED)
        fputs(" ?", lines);
    else
        print_number(lines, event->value, 1);
    print_number(lines, event->offset, 0);
    fprintf(lines, " %s %s\n", event->acks == NULL ? "-" : event->acks,
        event->durability == NULL ? "-" : event->durability);
    if (recorder->watch != NULL)
        recorder->watch->noted(recorder->watch, event);
}

void recorder_judge(struct recorder *recorder, const char *path)
{
    struct history history;
    struct judgement judgement;
    fflush(recorder->lines);
    FILE *kept = path == NULL ? NULL : fopen(path, "we");
    if (kept != NULL) {
        fwrite(recorder->text, 1, recorder->size, kept);
        fclose(kept);
    }
    if (recorder->size == 0)
        return;
    FILE *lines = fmemopen(recorder->text, recorder->size, "r");
    assert(lines != NULL);
    history_open(&history, lines);
    if (!judge(&history, &judgement))
        recorder_violate(recorder, "history_is_refused", "line=%lld reason=\"%s\"", (long long)history.line_count, history.refused);
    else if (recorder->fallen == NULL)
        recorder->fallen = judgement.first;
    history_close(&history);
    fclose(lines);
}
