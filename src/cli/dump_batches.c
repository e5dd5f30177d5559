/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "cli/dump.h"
#include "cli/record_json.h"
#include "io/file.h"
#include "wire/batch.h"
#include "wire/record.h"
#include "wire/stored.h"

enum { RECORDS_LIMIT = 1 << 30 };

static json_t *batch_line(const struct batch_header *header, int64_t position, bool crc_is_right)
{
    json_t *line = json_object();
    json_object_set_new(line, "position", json_integer(position));
    json_object_set_new(line, "base_offset", json_integer(header->base_offset));
    json_object_set_new(line, "last_offset", json_integer(batch_last_offset(header)));
    json_object_set_new(line, "count", json_integer(header->record_count));
    json_object_set_new(line, "leader_epoch", json_integer(header->leader_epoch));
    json_object_set_new(line, "size", json_integer((json_int_t)header->size));
    int codec = batch_codec(header);
    json_object_set_new(line, "codec",
        codec < CODEC_COUNT ? json_string(codec_name((enum codec)codec)) : json_integer(codec));
    json_object_set_new(line, "timestamp_type",
        json_string(batch_is_log_append_time(header) ? "LogAppendTime" : "CreateTime"));
    bool has_horizon = (header->attributes & BATCH_DELETE_HORIZON) != 0;
    json_object_set_new(line, has_horizon ? "delete_horizon" : "base_timestamp",
        json_integer(header->base_timestamp));
    json_object_set_new(line, "max_timestamp", json_integer(header->max_timestamp));
    json_object_set_new(line, "producer_id", json_integer(header->producer_id));
    json_object_set_new(line, "producer_epoch", json_integer(header->producer_epoch));
    json_object_set_new(line, "base_sequence", json_integer(header->base_sequence));
    json_object_set_new(line, "last_sequence", json_integer(batch_last_sequence(header)));
    json_object_set_new(line, "transactional", json_boolean(batch_is_transactional(header)));
    json_object_set_new(line, "control", json_boolean(batch_is_control(header)));
    json_object_set_new(line, "crc", json_integer(header->crc));
    json_object_set_new(line, "crc_is_right", json_boolean(crc_is_right));
    return line;
}

/* A record of a user's topic as it is; of Kafka's own topics and of control batches, what it means.
 */
static json_t *record_line(
    struct dump *dump, const struct batch_header *header, struct record *record)
{
    json_t *line = record_to_json(record, (struct str){ 0 }, -1, &dump->arena);
    enum record_topic topic = stored_topic(dump->topic);
    json_t *key = NULL, *value = NULL;
    if (batch_is_control(header)) {
        value = stored_control_to_json(record->key, record->value);
    } else if (topic != RECORDS_OTHER) {
        key = stored_key_to_json(topic, record->key);
        value = stored_value_to_json(topic, record->key, record->value);
    }
    if (key != NULL) {
        json_object_del(line, "key_base64");
        json_object_set_new(line, "key", key);
    }
    if (value != NULL) {
        json_object_del(line, "value_base64");
        json_object_set_new(line, "value", value);
        if (batch_is_control(header)) {
            json_object_del(line, "key_base64");
            json_object_del(line, "key");
        }
    }
    return line;
}

static json_t *record_lines(
    struct dump *dump, const uint8_t *batch, const struct batch_header *header, int64_t position)
{
    struct bytes bytes;
    struct buffer *owner;
    struct record_reader reader;
    struct record record;
    enum record_status status;
    json_t *lines = json_array();
    if (batch_records(dump->decompressor, batch, header, RECORDS_LIMIT, &bytes, &owner) < 0) {
        dump_damage(dump, position, "the records cannot be decompressed");
        return lines;
    }
    records_begin(&reader, header, bytes);
    while ((status = records_next(&reader, &record)) == RECORD_OK) {
        arena_reset(&dump->arena);
        json_array_append_new(lines, record_line(dump, header, &record));
    }
    if (status == RECORD_CORRUPT)
        dump_damage(dump, position, "a record is malformed");
    buffer_unref(owner);
    return lines;
}

static void print_records(const json_t *records)
{
    size_t index;
    json_t *record;
    json_array_foreach(records, index, record)
    {
        char *text = json_dumps(record, JSON_COMPACT);
        printf("  %s\n", text);
        memory_give(text);
    }
}

static void dump_batch(
    struct dump *dump, const uint8_t *batch, const struct batch_header *header, int64_t position)
{
    bool crc_is_right = batch_crc_is_right(batch, header);
    json_t *line = batch_line(header, position, crc_is_right), *records = NULL;
    if (!crc_is_right)
        dump_damage(dump, position, "the CRC is wrong");
    else if (dump->with_records)
        records = record_lines(dump, batch, header, position);
    if (records != NULL && dump->as_json)
        json_object_set(line, "records", records);
    dump_line(dump, line);
    if (records != NULL && !dump->as_json)
        print_records(records);
    json_decref(records);
}

/* The next batch's bytes, owned by the caller; NULL at the end or at damage, which is said. */
static uint8_t *read_batch(struct dump *dump, struct file *file, int64_t position, int64_t size,
    struct batch_header *out_header)
{
    uint8_t head[BATCH_HEADER_SIZE];
    int64_t got = file_pread(file, head, sizeof(head), position);
    if (got <= 0)
        return NULL;
    enum batch_status status =
        batch_parse_header(head, (size_t)got, (uint64_t)(size - position), out_header);
    if (status == BATCH_CORRUPT) {
        bool is_zero = true; /* space reserved ahead */
        for (int64_t i = 0; i < got; i++)
            is_zero &= head[i] == 0;
        dump_damage(dump, position, is_zero ? "only zeroes from here" : "no batch begins here");
    } else if (status == BATCH_INCOMPLETE) {
        dump_damage(dump, position, "the file ends within a batch");
    } else if (status == BATCH_OLD_MAGIC) {
        dump_damage(dump, position, "a batch of format 0 or 1, which nothing reads any more");
    }
    if (status != BATCH_OK)
        return NULL;
    uint8_t *batch = memory_take_raw(out_header->size);
    if (file_pread(file, batch, out_header->size, position) != (int64_t)out_header->size) {
        dump_damage(dump, position, "cannot be read");
        memory_give(batch);
        return NULL;
    }
    return batch;
}

int dump_batches(struct dump *dump, const char *path)
{
    struct file *file;
    struct batch_header header;
    int status = file_open(dump->io, path, FILE_READ, &file);
    if (status < 0)
        return status;
    int64_t size = file_size(file), position = 0, next_offset = INT64_MIN;
    uint8_t *batch;
    while (position < size && (batch = read_batch(dump, file, position, size, &header)) != NULL) {
        if (header.base_offset < next_offset)
            dump_damage(dump, position, "offsets go back");
        dump_batch(dump, batch, &header, position);
        memory_give(batch);
        next_offset = batch_next_offset(&header);
        position += (int64_t)header.size;
    }
    file_unref(file);
    return size < 0 ? (int)size : 0;
}
