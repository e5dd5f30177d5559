/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/partition_machine.h"

#include <assert.h>
#include <errno.h>
#include <utlist.h>

#include "base/arena.h"
#include "base/broken.h"
#include "base/buffer.h"
#include "base/container.h"
#include "storage/flusher.h"
#include "wire/record.h"

/* Each failed write costs a load: on a full disk that is not to happen with every request, and what
 * only reads is to be answered meanwhile. */
enum { REFUSE_MS = 1000 };

/* ---- Appending. ---- */

/* Built, and not staged yet; memory from the decision's arena. */
struct built_batch {
    struct buffer *buffer;
    struct built_batch *next;
};

/* What the partition and the machine together say of batches. */
struct batch_form {
    struct batch_options options;
    int64_t timestamp_ms;
    size_t most; /* bytes */
    enum error too_large;
};

static struct batch_form batch_form(const struct partition_machine *machine)
{
    const struct partition_settings *settings = &machine->watch.partition->settings;
    bool segments_are_small = settings->segment_bytes < settings->rules.max_message_bytes;
    struct batch_form form = {
        .options = batch_options_plain(),
        .timestamp_ms = loop_wall_ms(machine->watch.partition->loop),
        .most = segments_are_small ? (size_t)settings->segment_bytes
                                   : (size_t)settings->rules.max_message_bytes,
        .too_large = segments_are_small ? ERROR_RECORD_LIST_TOO_LARGE : ERROR_MESSAGE_TOO_LARGE,
    };
    form.options.codec = settings->codec >= 0 ? (enum codec)settings->codec : machine->codec;
    form.options.level = settings->codec >= 0 ? settings->level : CODEC_LEVEL_DEFAULT;
    form.options.log_append_time = settings->rules.log_append_time;
    form.options.append_time_ms = form.timestamp_ms;
    return form;
}

size_t partition_machine_record_most(const struct partition_machine *machine)
{
    if (machine->watch.partition == NULL)
        return 0;
    struct batch_form form = batch_form(machine);
    return form.options.codec == CODEC_NONE ? form.most : 0;
}

/* How many of the records fit into one batch as they are, and at least one. */
static int32_t count_fitting(
    const struct batch_form *form, const struct record *records, int32_t count, size_t *out_size)
{
    int32_t fitting = 0;
    *out_size = BATCH_HEADER_SIZE;
    while (fitting < count) {
        size_t size = record_encoded_size(&records[fitting], fitting, 0);
        if (fitting > 0 && *out_size + size > form->most)
            break;
        *out_size += size;
        fitting++;
    }
    return fitting;
}

/* NULL: too large. Compression may make a batch fit that does not as it is, or the reverse. */
static struct buffer *build(
    const struct batch_form *form, const struct record *records, int32_t count, size_t plain_size)
{
    struct buffer *buffer = batch_build(&form->options, records, count);
    if (buffer->size > form->most && plain_size <= form->most) {
        struct batch_options plain = form->options;
        plain.codec = CODEC_NONE;
        buffer_unref(buffer);
        buffer = batch_build(&plain, records, count);
    }
    if (buffer->size <= form->most)
        return buffer;
    buffer_unref(buffer);
    return NULL;
}

static struct record *make_records(
    const struct rsm_decision *decision, const struct batch_form *form)
{
    struct record *records =
        arena_take_array(decision->arena, (size_t)decision->record_count, sizeof(*records));
    for (int32_t i = 0; i < decision->record_count; i++) {
        records[i].timestamp = form->timestamp_ms;
        records[i].key = decision->records[i].key;
        records[i].value = decision->records[i].value;
    }
    return records;
}

/* The batches in order; false when one of the records is too large. */
static bool build_all(const struct rsm_decision *decision, const struct batch_form *form,
    struct built_batch **out_batches)
{
    const struct record *records = make_records(decision, form);
    for (int32_t first = 0, count; first < decision->record_count; first += count) {
        size_t plain_size;
        count = count_fitting(form, records + first, decision->record_count - first, &plain_size);
        struct buffer *buffer = build(form, records + first, count, plain_size);
        if (buffer == NULL)
            return false;
        struct built_batch *batch = arena_take(decision->arena, sizeof(*batch));
        batch->buffer = buffer;
        LL_APPEND(*out_batches, batch);
    }
    return true;
}

static int64_t stage_all(struct partition *partition, const struct built_batch *batches)
{
    int64_t first_offset = log_staged_end(partition->log);
    for (const struct built_batch *batch = batches; batch != NULL; batch = batch->next) {
        struct bytes bytes = { batch->buffer->data, batch->buffer->size };
        struct batch_header header;
        enum batch_status parsed = batch_parse(bytes, &header);
        assert(parsed == BATCH_OK);
        partition_stage(partition, batch->buffer, batch->buffer->data, &header);
    }
    return first_offset;
}

static struct partition_machine *machine_of(struct rsm_log *log)
{
    return container_of(log, struct partition_machine, log);
}

/* As for a producer with acks=all. min.insync.replicas has nothing to refuse: it never counts for
 * more than there are replicas, and of those there is one. */
static enum error append(
    struct rsm_log *log, const struct rsm_decision *decision, int64_t *out_base_offset)
{
    struct partition_machine *machine = machine_of(log);
    struct partition *partition = machine->watch.partition;
    struct built_batch *batches = NULL, *batch;
    assert(decision->record_count > 0 && !decision->upgrades_log);
    enum error error = partition_check(partition, -1);
    if (error != ERROR_NONE)
        return error;
    if (loop_now_ms(partition->loop) < machine->refuse_until_ms)
        return ERROR_KAFKA_STORAGE_ERROR;
    struct batch_form form = batch_form(machine);
    if (build_all(decision, &form, &batches))
        *out_base_offset = stage_all(partition, batches);
    else
        error = form.too_large;
    LL_FOREACH(batches, batch)
    buffer_unref(batch->buffer);
    return error;
}

static int64_t end_offset(struct rsm_log *log)
{
    return log_staged_end(machine_of(log)->watch.partition->log);
}

static const struct rsm_log_type log_type = { append, end_offset };

/* ---- States. ---- */

/* Also of a page-cache topic: what a coordinator answers is durable. */
static int64_t committed(const struct partition_machine *machine)
{
    const struct partition *partition = machine->watch.partition;
    int64_t durable = log_durable_end(partition->log);
    if (broken(offsets_before_durable))
        return machine->rsm.seen;
    return partition->high_watermark < durable ? partition->high_watermark : durable;
}

static void turn_off(struct partition_machine *machine, enum error error)
{
    enum partition_machine_state before = machine->state;
    machine->state = MACHINE_OFF;
    machine->rsm.lost_error = error;
    if (before == MACHINE_READY)
        rsm_lose(&machine->rsm);
    replay_destroy(machine->replay);
    machine->replay = NULL;
    timer_cancel(machine->turns->loop, &machine->prepare);
    if (before != MACHINE_OFF)
        machine->type->lost(machine);
}

static void begin_to_load(struct partition_machine *machine)
{
    struct partition *partition = machine->watch.partition;
    machine->state = MACHINE_LOADING;
    machine->leader_epoch = partition->leader_epoch;
    machine->rsm.lost_error = ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    machine->replay = replay_start(partition, machine->turns, &machine->reader);
}

static enum error why_off(const struct partition_machine *machine)
{
    const struct partition *partition = machine->watch.partition;
    if (partition == NULL)
        return ERROR_NOT_LEADER_OR_FOLLOWER;
    if (partition->log != NULL && flusher_is_failed(log_flusher(partition->log)))
        return ERROR_KAFKA_STORAGE_ERROR;
    return partition_check(partition, -1);
}

static void commit(struct partition_machine *machine)
{
    const struct partition *partition = machine->watch.partition;
    rsm_commit(&machine->rsm, committed(machine));
    if (machine->rsm.committed < machine->rsm.seen &&
        log_durable_end(partition->log) < log_end(partition->log))
        log_want_flush(partition->log);
}

/* Something has changed. Records that were applied and then not written show by the log's end. */
static void look(struct partition_watch *watch)
{
    struct partition_machine *machine = container_of(watch, struct partition_machine, watch);
    const struct partition *partition = watch->partition;
    enum error error = why_off(machine);
    if (error != ERROR_NONE) {
        turn_off(machine, error);
        return;
    }
    if (machine->state == MACHINE_READY && log_staged_end(partition->log) < machine->rsm.seen &&
        !broken(unwritten_offsets_kept)) {
        machine->refuse_until_ms = loop_now_ms(partition->loop) + REFUSE_MS;
        turn_off(machine, ERROR_KAFKA_STORAGE_ERROR);
    } else if (machine->leader_epoch != partition->leader_epoch) {
        turn_off(machine, ERROR_NOT_LEADER_OR_FOLLOWER);
    }
    if (machine->state == MACHINE_OFF)
        begin_to_load(machine);
    else if (machine->state == MACHINE_READY)
        commit(machine);
}

/* ---- Loading. ---- */

static struct partition_machine *reads_for(struct replay_reader *reader)
{
    return container_of(reader, struct partition_machine, reader);
}

static bool replay_record(
    struct replay_reader *reader, int64_t offset, struct rsm_record record, int64_t producer_id)
{
    struct partition_machine *machine = reads_for(reader);
    return machine->type->replay(machine, offset, record, producer_id);
}

static void replay_marker(struct replay_reader *reader, int64_t producer_id, bool is_committed)
{
    struct partition_machine *machine = reads_for(reader);
    machine->type->replay_marker(machine, producer_id, is_committed);
}

/* A timer that is set at once runs in the next pass. */
static void prepare(struct timer *timer)
{
    struct partition_machine *machine = container_of(timer, struct partition_machine, prepare);
    if (!machine->type->prepare(machine)) {
        timer_set(machine->turns->loop, timer, loop_now_us(machine->turns->loop));
        return;
    }
    machine->state = MACHINE_READY;
    rsm_gain(&machine->rsm, &machine->log, committed(machine));
    commit(machine); /* what a killed process left is to be durable as well */
    machine->type->loaded(machine);
}

static void replay_ended(
    struct replay_reader *reader, int status, int64_t segment_base, int64_t position)
{
    struct partition_machine *machine = reads_for(reader);
    if (status == -EUCLEAN) { /* which ends the replay */
        partition_note_damage(machine->watch.partition, segment_base, position);
        return;
    }
    if (status < 0) {
        turn_off(machine, ERROR_NOT_LEADER_OR_FOLLOWER);
        begin_to_load(machine);
        return;
    }
    replay_destroy(machine->replay);
    machine->replay = NULL;
    prepare(&machine->prepare);
}

/* ---- Life. ---- */

void partition_machine_init(struct partition_machine *machine,
    const struct partition_machine_type *type, struct rsm_machine *rsm_machine,
    struct partition *partition, struct replay_turns *turns)
{
    assert(partition->machine == NULL);
    *machine = (struct partition_machine){ .type = type,
        .log.type = &log_type,
        .watch = { .partition = partition, .moved = look },
        .turns = turns,
        .prepare.run = prepare,
        .reader = { replay_record, replay_marker, replay_ended } };
    rsm_init(&machine->rsm, rsm_machine, ERROR_NOT_LEADER_OR_FOLLOWER);
    partition->machine = &machine->watch;
    look(&machine->watch);
}

void partition_machine_deinit(struct partition_machine *machine)
{
    struct partition *partition = machine->watch.partition;
    if (partition != NULL)
        partition->machine = NULL;
    turn_off(machine, ERROR_NOT_LEADER_OR_FOLLOWER);
}
