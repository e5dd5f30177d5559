/* SPDX-License-Identifier: Apache-2.0 */
/* Prints for `strom consume` what a fetch brought, and writes it as fast as its reader takes it: in
 * pieces, so that little lies between what is printed and what is written. */
#include "cli/consume.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/client.h"
#include "cli/verb.h"
#include "io/io.h"
#include "io/outlet.h"
#include "wire/compress.h"

enum { PIECE_BYTES = 16 << 10, RECORDS_LIMIT = 1 << 30 };
enum { REFRESH_PAUSE_MS = 100 };
enum {
    STORAGE_ERRORS_MAX = 3
}; /* in a row, then --until-end gives up: it will not get to the end */

/* The producer's transaction that holds offset was aborted: it began at or before it, and no later
 * marker ended it, for markers drop their entry. */
static bool is_aborted(const struct fetch_partition_data *data, const struct batch_header *batch)
{
    for (int32_t i = 0; i < data->aborted_transactions_count; i++) {
        const struct fetch_aborted_transaction *aborted = &data->aborted_transactions[i];
        if (aborted->producer_id == batch->producer_id &&
            aborted->first_offset <= batch->base_offset)
            return true;
    }
    return false;
}

static void end_transaction(struct fetch_partition_data *data, const struct batch_header *marker)
{
    for (int32_t i = 0; i < data->aborted_transactions_count; i++) {
        struct fetch_aborted_transaction *aborted = &data->aborted_transactions[i];
        if (aborted->producer_id == marker->producer_id &&
            aborted->first_offset <= marker->base_offset)
            aborted->first_offset = INT64_MAX;
    }
}

/* Leaders may have moved. */
static int refresh_leaders(struct consumer *consumer)
{
    client_pause(consumer->client, REFRESH_PAUSE_MS);
    return consumer_refresh(consumer);
}

static int take_refusal(struct consumer *consumer, struct source *source, enum error error)
{
    source->storage_errors += error == ERROR_KAFKA_STORAGE_ERROR;
    if (source->storage_errors >= STORAGE_ERRORS_MAX && consumer->until_end) {
        complain("%.*s partition %" PRId32 " cannot be read from offset %" PRId64
                 " on: KAFKA_STORAGE_ERROR. The broker's log says which disk or file it is",
            STR_PRINT(consumer->topic.name), source->partition, source->position);
        return EXIT_FAILED;
    }
    return error_means_stale_metadata(error)
               ? refresh_leaders(consumer)
               : client_complain(consumer->topic.name.data, (int16_t)error, (struct str){ 0 });
}

static void leave_batch(struct fetched *fetched)
{
    buffer_unref(fetched->owner);
    fetched->owner = NULL;
    fetched->in_batch = false;
    fetched->batches.data += fetched->batch.size;
    fetched->batches.size -= fetched->batch.size;
}

static void pass_batch(struct fetched *fetched, struct source *source)
{
    int64_t next = batch_next_offset(&fetched->batch);
    if (next > source->position)
        source->position = next;
    leave_batch(fetched);
}

static int enter_batch(
    struct consumer *consumer, struct source *source, struct fetch_partition_data *data)
{
    struct fetched *fetched = &consumer->fetched;
    const uint8_t *bytes = fetched->batches.data;
    struct bytes records;
    bool is_control = batch_is_control(&fetched->batch);
    if (is_control)
        end_transaction(data, &fetched->batch);
    if (is_control || (consumer->committed && batch_is_transactional(&fetched->batch) &&
                          is_aborted(data, &fetched->batch))) {
        pass_batch(fetched, source);
        return EXIT_DONE;
    }
    int status = batch_crc_is_right(bytes, &fetched->batch)
                     ? batch_records(consumer->decompressor, bytes, &fetched->batch, RECORDS_LIMIT,
                           &records, &fetched->owner)
                     : -EBADMSG;
    if (status < 0) {
        complain("partition %" PRId32 " offset %" PRId64 ": the batch is damaged",
            source->partition, fetched->batch.base_offset);
        return EXIT_FAILED;
    }
    records_begin(&fetched->records, &fetched->batch, records);
    fetched->in_batch = true;
    return EXIT_DONE;
}

static bool is_enough(const struct consumer *consumer, const struct source *source)
{
    return consumer->left == 0 || consumer_is_finished(source) ||
           outlet_printed(consumer->outlet) >= PIECE_BYTES;
}

static void print_records(struct consumer *consumer, struct source *source)
{
    struct fetched *fetched = &consumer->fetched;
    struct record record;
    while (!is_enough(consumer, source)) {
        if (records_next(&fetched->records, &record) != RECORD_OK) {
            pass_batch(fetched, source);
            return;
        }
        if (record.offset < source->position)
            continue;
        source->position = record.offset;
        if (consumer_is_finished(source))
            return;
        record_print(&consumer->printer, &record, consumer->topic.name, source->partition);
        source->position++;
        if (consumer->left > 0)
            consumer->left--;
    }
}

/* NULL: it is let go, or was and came back, and stands elsewhere now. */
static struct source *find_source(struct consumer *consumer, int32_t partition)
{
    for (int i = 0; i < consumer->source_count; i++) {
        if (consumer->sources[i].partition == partition)
            return consumer->sources[i].fetched ? &consumer->sources[i] : NULL;
    }
    return NULL;
}

/* The partition that is being printed; NULL: everything is. */
static struct fetch_partition_data *current_data(struct fetched *fetched)
{
    const struct fetch_response *response = &fetched->response;
    while (fetched->topic_index < response->responses_count) {
        const struct fetch_fetchable_topic_response *topic =
            &response->responses[fetched->topic_index];
        if (fetched->partition_index < topic->partitions_count)
            return &topic->partitions[fetched->partition_index];
        fetched->topic_index++;
        fetched->partition_index = 0;
    }
    return NULL;
}

static void leave_partition(struct fetched *fetched)
{
    if (fetched->in_batch)
        leave_batch(fetched);
    fetched->has_begun = false;
    fetched->partition_index++;
}

static int enter_partition(
    struct consumer *consumer, struct source *source, const struct fetch_partition_data *data)
{
    struct fetched *fetched = &consumer->fetched;
    if (data->error_code != ERROR_NONE) {
        leave_partition(fetched);
        return take_refusal(consumer, source, (enum error)data->error_code);
    }
    source->storage_errors = 0;
    fetched->has_begun = true;
    fetched->batches = (struct bytes){ data->records.data,
        data->records.size < 0 ? 0 : (size_t)data->records.size };
    return EXIT_DONE;
}

int consumer_print(struct consumer *consumer)
{
    struct fetched *fetched = &consumer->fetched;
    int code = EXIT_DONE;
    while (code == EXIT_DONE && outlet_printed(consumer->outlet) < PIECE_BYTES) {
        struct fetch_partition_data *data = current_data(fetched);
        if (data == NULL || consumer->left == 0) {
            consumer_drop(consumer);
            break;
        }
        struct source *source = find_source(consumer, data->partition_index);
        if (source == NULL || consumer_is_finished(source))
            leave_partition(fetched);
        else if (!fetched->has_begun)
            code = enter_partition(consumer, source, data);
        else if (fetched->in_batch)
            print_records(consumer, source);
        else if (batch_parse(fetched->batches, &fetched->batch) == BATCH_OK)
            code = enter_batch(consumer, source, data);
        else
            leave_partition(fetched);
    }
    return code;
}

void consumer_drop(struct consumer *consumer)
{
    struct fetched *fetched = &consumer->fetched;
    if (!fetched->is_open)
        return;
    buffer_unref(fetched->owner);
    arena_deinit(&fetched->arena);
    *fetched = (struct fetched){ 0 };
}

bool consumer_owes(const struct consumer *consumer)
{
    return outlet_unsent(consumer->outlet) > 0;
}

/* Who reads what is printed may have gone: that is told by the exit code alone. */
static int fail_to_write(struct consumer *consumer, int status)
{
    if (status != -EPIPE)
        complain("cannot write what was read: %s", strerror(-status));
    consumer->output_failed = true;
    return EXIT_FAILED;
}

int consumer_write(struct consumer *consumer, int64_t wait_ms)
{
    int64_t until_us = io_monotonic_us(client_io(consumer->client)) + wait_ms * 1000, left_us = 0;
    int status;
    if (consumer->output_failed)
        return EXIT_FAILED;
    while ((status = outlet_send(consumer->outlet)) == -EAGAIN && !consumer->given_up) {
        if (wait_ms >= 0)
            left_us = until_us - io_monotonic_us(client_io(consumer->client));
        if (wait_ms >= 0 && left_us <= 0)
            break;
        client_turn(consumer->client, wait_ms < 0 ? -1 : left_us / 1000 + 1);
    }
    if (status == -EAGAIN)
        return EXIT_DONE;
    if (status < 0)
        return fail_to_write(consumer, status);
    for (int i = 0; i < consumer->source_count; i++)
        consumer->sources[i].written = consumer->sources[i].position;
    return EXIT_DONE;
}
