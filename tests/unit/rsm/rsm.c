/* SPDX-License-Identifier: Apache-2.0 */
/* A machine that adds numbers, on a log in memory. */
#include "rsm/rsm.h"

#include <string.h>

#include "base/container.h"
#include "test.h"

enum { HOLD = -100, HOLD_AND_ADD = -101 };

struct adder {
    struct rsm_machine machine;
    struct rsm_log log;
    int64_t end;
    bool full;
    int sum;
    struct rsm_request *held; /* NULL: none */
};

struct wish {
    struct rsm_request rsm;
    int number; /* 0 reads, HOLD waits for the next wish, HOLD_AND_ADD too, when 1 is added; other
                   numbers below 0 are refused */
    int answer; /* the sum as decided */
    int done_count;
    enum error error;
};

static struct adder adder;
static struct rsm rsm;
static struct arena arena;

static void add_one(struct rsm_decision *decision)
{
    rsm_decision_add(
        decision, (struct rsm_record){ .value = { arena_copy(decision->arena, "1", 1), 1 } });
}

static enum error decide(struct rsm_machine *machine, struct rsm_request *request,
    int64_t next_offset, struct rsm_decision *decision)
{
    struct adder *self = container_of(machine, struct adder, machine);
    struct wish *wish = container_of(request, struct wish, rsm);
    assert_int_equal(next_offset, self->end);
    if (wish->number == HOLD || wish->number == HOLD_AND_ADD) {
        self->held = self->full ? NULL : request;
        decision->holds = true;
        if (wish->number == HOLD_AND_ADD)
            add_one(decision);
        return ERROR_NONE;
    }
    if (wish->number < 0)
        return ERROR_INVALID_REQUEST;
    if (self->held != NULL)
        rsm_decision_release(decision, self->held, ERROR_GROUP_ID_NOT_FOUND);
    self->held = NULL;
    wish->answer = self->sum + wish->number;
    for (int i = 0; i < wish->number; i++)
        add_one(decision);
    return ERROR_NONE;
}

static void apply(struct rsm_machine *machine, int64_t offset, struct rsm_record record)
{
    (void)offset;
    container_of(machine, struct adder, machine)->sum += record.value.data[0] - '0';
}

static void applied(struct rsm_machine *machine, int64_t end_offset)
{
    assert_int_equal(container_of(machine, struct adder, machine)->end, end_offset);
}

static enum error append(
    struct rsm_log *log, const struct rsm_decision *decision, int64_t *out_base_offset)
{
    struct adder *self = container_of(log, struct adder, log);
    if (self->full)
        return ERROR_KAFKA_STORAGE_ERROR;
    *out_base_offset = self->end;
    self->end += decision->record_count;
    return ERROR_NONE;
}

static int64_t end_offset(struct rsm_log *log)
{
    return container_of(log, struct adder, log)->end;
}

static const struct rsm_machine_type machine_type = { decide, apply, applied };
static const struct rsm_log_type log_type = { append, end_offset };

static void done(struct rsm_request *request, enum error error)
{
    struct wish *wish = container_of(request, struct wish, rsm);
    wish->done_count++;
    wish->error = error;
}

static void submit(struct wish *wish, int number)
{
    *wish = (struct wish){ .number = number, .rsm = { .arena = &arena, .done = done } };
    rsm_submit(&rsm, &wish->rsm);
}

static void begin(void)
{
    adder = (struct adder){ .machine.type = &machine_type, .log.type = &log_type };
    arena_init(&arena);
    rsm_init(&rsm, &adder.machine, ERROR_NOT_CONTROLLER);
    rsm_gain(&rsm, &adder.log, 0);
}

/* The next decision sees what the one before decided; the answers wait for the commit, in order. */
void test_rsm__decides_at_once_and_answers_when_committed(void)
{
    struct wish first, second, read, refused;
    begin();
    submit(&first, 2);
    submit(&second, 3);
    submit(&read, 0);
    submit(&refused, -1);
    assert_int_equal(first.answer, 2);
    assert_int_equal(second.answer, 5);
    assert_int_equal(read.answer, 5);
    assert_int_equal(
        first.done_count + second.done_count + read.done_count + refused.done_count, 0);
    rsm_commit(&rsm, 2);
    assert_int_equal(first.done_count, 1);
    assert_int_equal(second.done_count + read.done_count, 0); /* a read waits for what it saw */
    rsm_commit(&rsm, 5);
    assert_int_equal(second.done_count + read.done_count + refused.done_count, 3);
    assert_int_equal(refused.error, ERROR_INVALID_REQUEST);
    submit(&read, 0);
    assert_int_equal(read.done_count, 1); /* nothing to wait for */
    arena_deinit(&arena);
}

/* A log that refuses changes nothing; a log that is lost fails what waits, once. */
void test_rsm__fails_what_waits_when_the_log_is_lost(void)
{
    struct wish kept, refused, late;
    begin();
    submit(&kept, 1);
    adder.full = true;
    submit(&refused, 4);
    assert_int_equal(adder.sum, 1);
    rsm_lose(&rsm);
    assert_int_equal(kept.done_count, 1);
    assert_int_equal(kept.error, ERROR_NOT_CONTROLLER);
    assert_int_equal(refused.done_count, 1);
    submit(&late, 1);
    assert_int_equal(late.error, ERROR_NOT_CONTROLLER);
    rsm_commit(&rsm, 100); /* of the log that is gone */
    assert_int_equal(kept.done_count, 1);
    arena_deinit(&arena);
}

/* A held request is answered with the decision that releases it, when that is committed. */
void test_rsm__holds_a_request_until_a_decision_releases_it(void)
{
    struct wish held, other;
    begin();
    submit(&held, HOLD);
    rsm_commit(&rsm, 1);
    assert_int_equal(held.done_count, 0);
    submit(&other, 2);
    assert_int_equal(held.done_count, 0); /* what released it is not committed */
    rsm_commit(&rsm, 2);
    assert_int_equal(other.done_count, 1);
    assert_int_equal(held.done_count, 1);
    assert_int_equal(held.error, ERROR_GROUP_ID_NOT_FOUND);
    arena_deinit(&arena);
}

/* One that adds records waits like any other; when they are not written, it hears that at once. */
void test_rsm__holds_a_request_that_adds_records(void)
{
    struct wish held, refused, other;
    begin();
    submit(&held, HOLD_AND_ADD);
    assert_int_equal(adder.sum, 1);
    rsm_commit(&rsm, 1);
    assert_int_equal(held.done_count, 0);
    submit(&other, 2);
    rsm_commit(&rsm, 3);
    assert_int_equal(held.done_count, 1);
    adder.full = true;
    submit(&refused, HOLD_AND_ADD);
    assert_int_equal(refused.done_count, 1);
    assert_int_equal(refused.error, ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(adder.sum, 3);
    rsm_lose(&rsm);
    assert_int_equal(refused.done_count, 1);
    arena_deinit(&arena);
}

/* Whoever was to hear of records hears that they were not written; and of a log that is lost. */
void test_rsm__tells_the_released_that_nothing_was_written(void)
{
    struct wish held, other;
    begin();
    submit(&held, HOLD);
    adder.full = true;
    submit(&other, 2);
    assert_int_equal(held.done_count, 1);
    assert_int_equal(held.error, ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(other.error, ERROR_KAFKA_STORAGE_ERROR);
    submit(&held, HOLD);
    rsm_lose(&rsm);
    assert_int_equal(held.done_count, 1);
    assert_int_equal(held.error, ERROR_NOT_CONTROLLER);
    arena_deinit(&arena);
}
