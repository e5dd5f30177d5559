/* SPDX-License-Identifier: Apache-2.0 */
#include "check/log.h"

#include <assert.h>
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
            checker->keys[i] = (struct log_key){
                .known_taken = NO_OFFSET, .watermark = NO_OFFSET, .firm = NO_FIRMING
            };
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

bool log_is_kept(const struct log_checker *checker, int32_t key, int64_t offset, int32_t power)
{
    if (!checker->keys[key].is_volatile)
        return true;
    int32_t at = checker->keys[key].firm;
    while (at != NO_FIRMING && checker->firmings[at].power > power)
        at = checker->firmings[at].older;
    return at != NO_FIRMING && offset < checker->firmings[at].below;
}

static void make_firm(struct log_checker *checker, struct log_key *key, int64_t below)
{
    struct firming *newest = key->firm == NO_FIRMING ? NULL : &checker->firmings[key->firm];
    if (newest != NULL && newest->below >= below)
        return;
    if (newest != NULL && newest->power == checker->power) {
        newest->below = below;
        return;
    }
    checker->firmings = grown(checker->firmings, checker->firming_count, &checker->firming_capacity,
        sizeof(*checker->firmings));
    checker->firmings[checker->firming_count] =
        (struct firming){ below, checker->power, key->firm };
    key->firm = (int32_t)checker->firming_count++;
}

static int64_t firm_below(const struct log_checker *checker, const struct log_key *key)
{
    return key->firm == NO_FIRMING ? 0 : checker->firmings[key->firm].below;
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
    int32_t number = pairs_number(&checker->by_value, line->value, 0);
    assert((size_t)number == checker->send_count); /* it was not sent before */
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
    if (send == NULL || send->outcome != PHASE_INVOKE || send->key != line->key ||
        send->process != line->process) {
        history_refuse(checker->history, "the end of a send that its process had not begun there");
        return;
    }
    bool is_kept = send->promises || send->power == checker->power;
    send->outcome = line->phase == PHASE_OK && !is_kept ? PHASE_INFO : line->phase;
    send->acked_at = line->offset;
    if (send->outcome == PHASE_OK && !send->promises) {
        checker->unkept = grown(checker->unkept, checker->unkept_count, &checker->unkept_capacity,
            sizeof(*checker->unkept));
        checker->unkept[checker->unkept_count++] = (size_t)(send - checker->sends);
    }
    if (send->outcome != PHASE_OK || line->offset == NO_OFFSET)
        return;
    struct log_key *key = key_of(checker, send->key);
    if (line->offset <= send->known_before)
        finding_add(checker->findings, FINDING_STALE_OFFSET, line->number,
            "value %lld got offset %lld, %lld was taken before", (long long)line->value,
            (long long)line->offset, (long long)send->known_before);
    if (send->promises || send->is_volatile)
        key->known_taken = most(key->known_taken, line->offset);
    if (send->promises) {
        make_firm(checker, key, line->offset + 1);
        key->watermark = most(key->watermark, line->offset + 1);
    }
}

static void add_read(struct log_checker *checker, const struct line *line, int32_t key,
    int64_t offset, int32_t send)
{
    key_of(checker, key); /* a key that is only assigned is one, too */
    checker->reads = grown(
        checker->reads, checker->read_count, &checker->read_capacity, sizeof(*checker->reads));
    checker->reads[checker->read_count++] = (struct read){ .line = line->number,
        .poll = process_of(checker, line->process)->poll,
        .offset = offset,
        .key = key,
        .process = line->process,
        .power = process_of(checker, line->process)->poll_power,
        .send = send };
}

static void take_poll(struct log_checker *checker, const struct line *line)
{
    struct log_process *process = process_of(checker, line->process);
    if (line->phase == PHASE_INVOKE) {
        process->poll = line->number;
        process->poll_power = checker->power;
    }
    if (process->poll == 0) {
        history_refuse(checker->history, "an answer to a poll that its process had not begun");
        return;
    }
    if (line->phase == PHASE_INVOKE || line->key == NO_KEY)
        return;
    struct log_key *key = key_of(checker, line->key);
    struct send *send = send_of(checker, line->value);
    if (is_current(checker, line->key, process->poll_power)) {
        key->known_taken = most(key->known_taken, line->offset);
        key->watermark = most(key->watermark, line->offset + 1);
    }
    bool is_sent = send != NULL && send->key == line->key;
    bool is_of_a_life = is_current(checker, line->key, process->poll_power) ||
                        log_is_kept(checker, line->key, line->offset, process->poll_power);
    if (line->phase == PHASE_OK && !is_of_a_life)
        add_read(checker, line, line->key, NO_OFFSET, NO_SEND);
    else if (line->phase == PHASE_OK)
        add_read(checker, line, line->key, line->offset,
            is_sent ? (int32_t)(send - checker->sends) : NO_SEND);
    if (line->offset < key->gone_below && process->poll > key->gone_line)
        finding_add(checker->findings, FINDING_DELETED_READ, line->number,
            "offset %lld of %s was read again; all below %lld was deleted", (long long)line->offset,
            checker->history->keys.texts[line->key], (long long)key->gone_below);
    if (!is_sent) {
        finding_add(checker->findings, FINDING_INVENTED_READ, line->number,
            "offset %lld of %s holds what nobody sent there", (long long)line->offset,
            checker->history->keys.texts[line->key]);
        return;
    }
    if (!is_of_a_life) /* asked before a power cut, answered after it: it may tell of either life */
        return;
    send->is_read |= line->phase == PHASE_OK;
    bool same_life = send->power_seen == process->poll_power ||
                     log_is_kept(checker, line->key, send->seen_at, send->power_seen);
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
            add_read(checker, line, keys[count - 1], NO_OFFSET, NO_SEND);
    }
    memory_give(process->assigned);
    process->assigned = keys;
    process->assigned_count = count;
}

static void take_watermark(struct log_checker *checker, const struct line *line)
{
    struct log_key *key = key_of(checker, line->key);
    int32_t known = checker->watermarks.count,
            asked = pairs_number(&checker->watermarks, line->process, line->key);
    checker->asked = grown(
        checker->asked, (size_t)known, &checker->watermark_capacity, sizeof(*checker->asked));
    struct watermark_asked *before = &checker->asked[asked];
    if (line->phase == PHASE_INVOKE) {
        *before = (struct watermark_asked){ key->watermark, checker->power, true };
        return;
    }
    if (asked == known || !before->is_open) {
        history_refuse(checker->history, "a watermark that its process had not asked for");
        return;
    }
    before->is_open = false;
    if (!is_current(checker, line->key, before->power))
        return;
    if (line->offset < before->known)
        finding_add(checker->findings, FINDING_WATERMARK_BACK, line->number,
            "%lld of %s, it was %lld before", (long long)line->offset,
            checker->history->keys.texts[line->key], (long long)before->known);
    key->watermark = most(key->watermark, line->offset);
}

static struct wish *wish_of(struct log_checker *checker, const struct line *line)
{
    int32_t known = checker->by_wisher.count,
            number = pairs_number(&checker->by_wisher, line->process, line->key);
    checker->wishes =
        grown(checker->wishes, (size_t)known, &checker->wish_capacity, sizeof(*checker->wishes));
    if (number == known)
        checker->wishes[number] = (struct wish){ .offset = NO_OFFSET, .key = line->key };
    return &checker->wishes[number];
}

void log_add_deletion(struct log_checker *checker, const struct wish *wish)
{
    struct log_key *key = &checker->keys[wish->key];
    checker->deletions = grown(checker->deletions, checker->deletion_count,
        &checker->deletion_capacity, sizeof(*checker->deletions));
    checker->deletions[checker->deletion_count] =
        (struct deletion){ wish->line, wish->offset, wish->key };
    checker->deletion_count++;
    key->deleted_below = most(key->deleted_below, wish->offset);
}

/* Unless it fails, records may be gone from the invoke on; after an ok they are. One that never
 * ended stays a wish until the end of the history, or until the next. */
static void take_delete(struct log_checker *checker, const struct line *line)
{
    struct log_key *key = key_of(checker, line->key);
    struct wish *wish = wish_of(checker, line);
    if (line->phase != PHASE_INVOKE && wish->offset != line->offset) {
        history_refuse(checker->history, "the end of a delete that its process had not begun");
        return;
    }
    if (line->phase != PHASE_FAIL && wish->offset != NO_OFFSET)
        log_add_deletion(checker, wish);
    wish->offset = line->phase == PHASE_INVOKE ? line->offset : NO_OFFSET;
    wish->line = line->number;
    if (line->phase == PHASE_OK && line->offset > key->gone_below) {
        key->gone_below = line->offset;
        key->gone_line = line->number;
    }
}

static void take_drain(struct log_checker *checker, const struct line *line)
{
    struct log_key *key = key_of(checker, line->key);
    struct wish *wish = wish_of(checker, line);
    if (line->phase == PHASE_INVOKE)
        wish->drain_line = line->number;
    if (line->phase == PHASE_OK) {
        key->drain_begin = wish->drain_line != 0 ? wish->drain_line : line->number;
        key->drain_end = line->number;
        key->drainer = line->process;
    }
    if (line->phase != PHASE_INVOKE)
        wish->drain_line = 0;
}

/* What only the page cache held may be gone; what is read from now on tells. */
static void take_power(struct log_checker *checker)
{
    checker->power++;
    for (size_t i = 0; i < checker->unkept_count; i++) {
        struct send *send = &checker->sends[checker->unkept[i]];
        if (send->acked_at == NO_OFFSET ||
            send->acked_at >= firm_below(checker, &checker->keys[send->key])) {
            send->outcome = PHASE_INFO;
            send->acked_at = NO_OFFSET;
        }
    }
    checker->unkept_count = 0; /* those that are kept now are kept for ever */
    for (int32_t i = 0; i < checker->key_count; i++) {
        struct log_key *key = &checker->keys[i];
        int64_t firm = firm_below(checker, key);
        if (key->is_volatile && key->known_taken >= firm)
            key->known_taken = firm - 1;
        if (key->is_volatile && key->watermark > firm)
            key->watermark = firm;
    }
}

/* Beyond the budget: from the offset on even promises may be gone. What stands below it was found on the disk. */
static void take_rot(struct log_checker *checker, const struct line *line)
{
    struct log_key *key = key_of(checker, line->key);
    for (size_t i = 0; i < checker->send_count; i++) {
        struct send *send = &checker->sends[i];
        int64_t offset = send->acked_at != NO_OFFSET ? send->acked_at : send->seen_at;
        if (send->key != line->key || (offset != NO_OFFSET && offset < line->offset))
            continue;
        send->promises = false;
        send->acked_at = NO_OFFSET;
        if (send->outcome == PHASE_OK)
            send->outcome = PHASE_INFO;
    }
    for (int32_t at = key->firm; at != NO_FIRMING; at = checker->firmings[at].older)
        if (checker->firmings[at].below > line->offset)
            checker->firmings[at].below = line->offset;
    if (!key->is_volatile) {
        key->is_volatile = true;
        key->firm = NO_FIRMING;
        make_firm(checker, key, line->offset);
        checker->firmings[key->firm].power = 0;
    }
    key->known_taken = key->known_taken < line->offset ? key->known_taken : line->offset - 1;
    key->watermark = key->watermark < line->offset ? key->watermark : line->offset;
}

bool log_takes(enum operation operation)
{
    return operation <= OPERATION_ROT;
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
        add_read(checker, line, line->key, NO_OFFSET, NO_SEND);
        break;
    case OPERATION_DELETE:
        take_delete(checker, line);
        break;
    case OPERATION_DRAIN:
        take_drain(checker, line);
        break;
    case OPERATION_WATERMARK:
        take_watermark(checker, line);
        break;
    case OPERATION_ROT:
        take_rot(checker, line);
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
    memory_give(checker->wishes);
    memory_give(checker->firmings);
    memory_give(checker->deletions);
    memory_give(checker->unkept);
    pairs_deinit(&checker->by_value);
    pairs_deinit(&checker->watermarks);
    pairs_deinit(&checker->by_wisher);
}
