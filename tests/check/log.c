/* SPDX-License-Identifier: Apache-2.0 */
#include "check/log.h"

#include <string.h>

#include "base/memory.h"

/* Room for one more entry of `size` bytes. */
static void *grown(void *entries, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return entries;
    *capacity = *capacity * 2 + 1024;
    return memory_resize(entries, *capacity * size);
}

static struct log_key *key_of(struct log_checker *checker, int32_t number)
{
    if (number >= checker->key_count) {
        int32_t count = checker->history->keys.count * 2;
        checker->keys = memory_resize(checker->keys, (size_t)count * sizeof(*checker->keys));
        for (int32_t i = checker->key_count; i < count; i++)
            checker->keys[i] = (struct log_key){ .known_taken = NO_OFFSET, .watermark = NO_OFFSET };
        checker->key_count = count;
    }
    return &checker->keys[number];
}

static struct log_process *process_of(struct log_checker *checker, int32_t number)
{
    if (number >= checker->process_count) {
        int32_t count = checker->history->processes.count * 2;
        checker->processes =
            memory_resize(checker->processes, (size_t)count * sizeof(*checker->processes));
        memset(checker->processes + checker->process_count, 0,
            (size_t)(count - checker->process_count) * sizeof(*checker->processes));
        checker->process_count = count;
    }
    return &checker->processes[number];
}

static struct send *send_of(struct log_checker *checker, int64_t value)
{
    int32_t place = pairs_find(&checker->by_value, value, 0);
    return place == NO_PAIR ? NULL : &checker->sends[place];
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void place(struct log_checker *checker, struct send *send, int64_t offset, int32_t power)
{
    checker->placings = grown(checker->placings, checker->placing_count, &checker->placing_capacity,
        sizeof(*checker->placings));
    checker->placings[checker->placing_count++] =
        (struct placing){ offset, send - checker->sends, send->key, power };
}

static void begin_send(struct log_checker *checker, const struct line *line)
{
    struct log_key *key = key_of(checker, line->key);
    checker->sends = grown(
        checker->sends, checker->send_count, &checker->send_capacity, sizeof(*checker->sends));
    pairs_number(&checker->by_value, line->value, 0);
    if ((size_t)checker->by_value.count == checker->send_count) /* a value sent twice */
        finding_add(checker->findings, FINDING_DUPLICATE, line->number,
            "value %lld is sent for the second time", (long long)line->value);
    else
        checker->sends[checker->send_count++] = (struct send){ .value = line->value,
            .line = line->number,
            .acked_at = NO_OFFSET,
            .seen_at = NO_OFFSET,
            .known_before = key->known_taken,
            .key = line->key,
            .process = line->process,
            .power = checker->power,
            .outcome = PHASE_INVOKE,
            .promises = line->promises,
            .is_volatile = line->is_volatile };
    key->is_volatile |= line->is_volatile;
}

/* What an answer says about a key is still so: of a volatile one, an answer that was on its way
 * while the power was cut tells of what may be gone. */
static bool is_current(const struct log_checker *checker, int32_t key, int32_t begun_power)
{
    return begun_power == checker->power || !checker->keys[key].is_volatile;
}

static void end_send(struct log_checker *checker, const struct line *line)
{
    struct send *send = send_of(checker, line->value);
    if (send == NULL)
        return; /* its invoke was no send: told when it is read */
    bool is_kept = send->promises || send->power == checker->power;
    send->outcome = line->phase == PHASE_OK && !is_kept ? PHASE_INFO : line->phase;
    send->acked_at = line->offset;
    if (send->outcome != PHASE_OK || line->offset == NO_OFFSET)
        return;
    struct log_key *key = key_of(checker, send->key);
    if (line->offset <= send->known_before)
        finding_add(checker->findings, FINDING_STALE_OFFSET, line->number,
            "value %lld got offset %lld, %lld was taken before", (long long)line->value,
            (long long)line->offset, (long long)send->known_before);
    if (send->promises || send->is_volatile)
        key->known_taken = most(key->known_taken, line->offset);
}

static void add_read(
    struct log_checker *checker, const struct line *line, int32_t key, int64_t offset)
{
    checker->reads = grown(
        checker->reads, checker->read_count, &checker->read_capacity, sizeof(*checker->reads));
    checker->reads[checker->read_count++] = (struct read){ .line = line->number,
        .poll = process_of(checker, line->process)->poll,
        .offset = offset,
        .key = key,
        .process = line->process,
        .power = process_of(checker, line->process)->poll_power };
}

static void take_poll(struct log_checker *checker, const struct line *line)
{
    struct log_process *process = process_of(checker, line->process);
    if (line->phase == PHASE_INVOKE) {
        process->poll = line->number;
        process->poll_power = checker->power;
    }
    if (line->phase == PHASE_INVOKE || line->key == NO_KEY)
        return;
    struct log_key *key = key_of(checker, line->key);
    struct send *send = send_of(checker, line->value);
    if (is_current(checker, line->key, process->poll_power)) {
        key->known_taken = most(key->known_taken, line->offset);
        key->watermark = most(key->watermark, line->offset + 1);
    }
    if (line->phase == PHASE_OK)
        add_read(checker, line, line->key, line->offset);
    if (line->offset < key->gone_below && process->poll > key->gone_line)
        finding_add(checker->findings, FINDING_DELETED_READ, line->number,
            "offset %lld of %s was read again; all below %lld was deleted", (long long)line->offset,
            checker->history->keys.texts[line->key], (long long)key->gone_below);
    if (send == NULL || send->key != line->key) {
        finding_add(checker->findings, FINDING_INVENTED_READ, line->number,
            "offset %lld of %s holds what nobody sent there", (long long)line->offset,
            checker->history->keys.texts[line->key]);
        return;
    }
    send->is_read |= line->phase == PHASE_OK;
    bool same_life = send->power_seen == process->poll_power || !key->is_volatile;
    if (send->seen_at != NO_OFFSET && send->seen_at != line->offset && same_life)
        finding_add(checker->findings, FINDING_DUPLICATE, line->number,
            "value %lld at offset %lld, and at %lld before", (long long)send->value,
            (long long)line->offset, (long long)send->seen_at);
    if (send->seen_at != line->offset || send->power_seen != process->poll_power)
        place(checker, send, line->offset, process->poll_power);
    if (send->seen_at == NO_OFFSET || !same_life)
        send->seen_at = line->offset;
    send->power_seen = process->poll_power;
}

/* The process reads these keys from now on; in those that it had and keeps, its position stays. */
static void take_assign(struct log_checker *checker, const struct line *line)
{
    struct log_process *process = process_of(checker, line->process);
    int32_t *keys = NULL, count = 0;
    for (char *rest = (char *)line->key_text, *text; (text = strsep(&rest, ",")) != NULL;) {
        if (strcmp(text, "-") == 0)
            continue;
        keys = memory_resize(keys, (size_t)(count + 1) * sizeof(*keys));
        keys[count++] = names_number(&checker->history->keys, text);
        bool is_kept = false;
        for (int32_t i = 0; i < process->assigned_count && line->operation == OPERATION_ASSIGN; i++)
            is_kept |= process->assigned[i] == keys[count - 1];
        if (!is_kept)
            add_read(checker, line, keys[count - 1], NO_OFFSET);
    }
    memory_give(process->assigned);
    process->assigned = keys;
    process->assigned_count = count;
}

static void take_watermark(struct log_checker *checker, const struct line *line)
{
    struct log_key *key = key_of(checker, line->key);
    int32_t asked = pairs_number(&checker->watermarks, line->process, line->key);
    while ((size_t)asked >= checker->watermark_capacity)
        checker->asked = grown(
            checker->asked, (size_t)asked, &checker->watermark_capacity, sizeof(*checker->asked));
    struct watermark_asked *before = &checker->asked[asked];
    if (line->phase == PHASE_INVOKE)
        *before = (struct watermark_asked){ key->watermark, checker->power };
    if (line->phase != PHASE_OK || !is_current(checker, line->key, before->power))
        return;
    if (line->offset < before->known)
        finding_add(checker->findings, FINDING_WATERMARK_BACK, line->number,
            "%lld of %s, it was %lld before", (long long)line->offset,
            checker->history->keys.texts[line->key], (long long)before->known);
    key->watermark = most(key->watermark, line->offset);
}

/* From the invoke on records may be gone; after an ok they are. */
static void take_delete(struct log_key *key, const struct line *line)
{
    key->deleted_below = most(key->deleted_below, line->offset);
    if (line->phase == PHASE_OK && line->offset > key->gone_below) {
        key->gone_below = line->offset;
        key->gone_line = line->number;
    }
}

/* What only the page cache held may be gone; what is read from now on tells. */
static void take_power(struct log_checker *checker)
{
    checker->power++;
    for (size_t i = 0; i < checker->send_count; i++) {
        struct send *send = &checker->sends[i];
        if (!send->promises && send->outcome == PHASE_OK) {
            send->outcome = PHASE_INFO;
            send->acked_at = NO_OFFSET;
        }
    }
    for (int32_t i = 0; i < checker->key_count; i++)
        if (checker->keys[i].is_volatile)
            checker->keys[i].known_taken = checker->keys[i].watermark = NO_OFFSET;
}

bool log_takes(enum operation operation)
{
    return operation <= OPERATION_POWER;
}

void log_take(struct log_checker *checker, const struct line *line)
{
    switch (line->operation) {
    case OPERATION_SEND:
        (line->phase == PHASE_INVOKE ? begin_send : end_send)(checker, line);
        break;
    case OPERATION_POLL:
        take_poll(checker, line);
        break;
    case OPERATION_ASSIGN:
    case OPERATION_SUBSCRIBE:
        take_assign(checker, line);
        break;
    case OPERATION_SEEK:
        add_read(checker, line, line->key, NO_OFFSET);
        break;
    case OPERATION_DELETE:
        take_delete(key_of(checker, line->key), line);
        break;
    case OPERATION_DRAIN:
        if (line->phase == PHASE_OK)
            key_of(checker, line->key)->drained_line = line->number;
        break;
    case OPERATION_WATERMARK:
        take_watermark(checker, line);
        break;
    default:
        take_power(checker);
        break;
    }
}

void log_deinit(struct log_checker *checker)
{
    for (int32_t i = 0; i < checker->process_count; i++)
        memory_give(checker->processes[i].assigned);
    memory_give(checker->processes);
    memory_give(checker->keys);
    memory_give(checker->sends);
    memory_give(checker->reads);
    memory_give(checker->placings);
    memory_give(checker->asked);
    pairs_deinit(&checker->by_value);
    pairs_deinit(&checker->watermarks);
}
