/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "cli/dump.h"
#include "io/file.h"
#include "wire/decode.h"
#include "wire/gen/producer_snapshot_record.h"

enum { FILE_LIMIT = 64 << 20 };

static void print_member(const char *key, const json_t *value)
{
    if (json_is_string(value)) {
        printf(" %s: %s", key, json_string_value(value));
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    printf(" %s: %s", key, text);
    memory_give(text);
}

void dump_line(struct dump *dump, json_t *line)
{
    const char *key;
    json_t *value;
    if (dump->as_json) {
        json_t *named = json_pack("{s:s}", "file", dump->path);
        json_object_update(named, line);
        char *text = json_dumps(named, JSON_COMPACT);
        puts(text);
        memory_give(text);
        json_decref(named);
    } else {
        fputs(dump->path, stdout);
        json_object_foreach(line, key, value) print_member(key, value);
        putchar('\n');
    }
    json_decref(line);
}

void dump_damage(struct dump *dump, int64_t position, const char *what)
{
    dump->damages++;
    dump_line(dump, json_pack("{s:I, s:s}", "position", (json_int_t)position, "damage", what));
}

/* The whole file as entries of one size; what is left at the end is damage. */
static int load_entries(
    struct dump *dump, const char *path, size_t entry_size, uint8_t **out_data, size_t *out_count)
{
    char *data;
    size_t size;
    int status = file_load(dump->io, path, FILE_LIMIT, &data, &size);
    if (status < 0)
        return status;
    *out_data = (uint8_t *)data;
    *out_count = size / entry_size;
    if (size % entry_size != 0)
        dump_damage(dump, (int64_t)(size - size % entry_size), "the file ends within an entry");
    return 0;
}

/* NNNNNNNNNNNNNNNNNNNN.index */
static int64_t base_offset_of(const struct dump *dump)
{
    return strtoll(dump->file, NULL, 10);
}

int dump_offset_index(struct dump *dump, const char *path)
{
    uint8_t *data;
    size_t count;
    int status = load_entries(dump, path, 8, &data, &count);
    if (status < 0)
        return status;
    int64_t base = base_offset_of(dump), before = -1;
    for (size_t i = 0; i < count; i++) {
        int64_t offset = base + load_u32(data + 8 * i), position = load_u32(data + 8 * i + 4);
        if (offset == base && position == 0)
            break; /* room for entries to come; the first batch of a segment has none */
        if (offset <= before)
            dump_damage(dump, (int64_t)(8 * i), "offsets do not ascend");
        before = offset;
        dump_line(dump, json_pack("{s:I, s:I}", "offset", (json_int_t)offset, "position",
                            (json_int_t)position));
    }
    memory_give(data);
    return 0;
}

int dump_time_index(struct dump *dump, const char *path)
{
    uint8_t *data;
    size_t count;
    int status = load_entries(dump, path, 12, &data, &count);
    if (status < 0)
        return status;
    int64_t base = base_offset_of(dump), before = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        int64_t timestamp = load_i64(data + 12 * i), offset = base + load_u32(data + 12 * i + 8);
        if (timestamp == 0 && offset == base)
            break;
        if (timestamp < before)
            dump_damage(dump, (int64_t)(12 * i), "timestamps go back");
        before = timestamp;
        dump_line(dump, json_pack("{s:I, s:I}", "timestamp", (json_int_t)timestamp, "offset",
                            (json_int_t)offset));
    }
    memory_give(data);
    return 0;
}

int dump_aborted_index(struct dump *dump, const char *path)
{
    uint8_t *data;
    size_t count;
    int status = load_entries(dump, path, 34, &data, &count);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = data + 34 * i;
        if (load_i16(at) != 0)
            dump_damage(dump, (int64_t)(34 * i), "an entry of an unknown version");
        else
            dump_line(
                dump, json_pack("{s:I, s:I, s:I, s:I}", "producer_id", (json_int_t)load_i64(at + 2),
                          "first_offset", (json_int_t)load_i64(at + 10), "last_offset",
                          (json_int_t)load_i64(at + 18), "last_stable_offset",
                          (json_int_t)load_i64(at + 26)));
    }
    memory_give(data);
    return 0;
}

static void dump_producer(
    struct dump *dump, const struct producer_snapshot_record_producer_entry *entry)
{
    dump_line(
        dump, json_pack("{s:I, s:i, s:i, s:I, s:i, s:I, s:i, s:I}", "producer_id",
                  (json_int_t)entry->producer_id, "producer_epoch", entry->epoch, "last_sequence",
                  entry->last_sequence, "last_offset", (json_int_t)entry->last_offset,
                  "offset_delta", entry->offset_delta, "timestamp", (json_int_t)entry->timestamp,
                  "coordinator_epoch", entry->coordinator_epoch, "transaction_first_offset",
                  (json_int_t)entry->current_txn_first_offset));
}

int dump_producers(struct dump *dump, const char *path)
{
    enum { CRC_AT = 2, CRC_END = 6 };
    char *data;
    size_t size;
    struct producer_snapshot_record snapshot;
    int status = file_load(dump->io, path, FILE_LIMIT, &data, &size);
    if (status < 0)
        return status;
    struct bytes all = { (const uint8_t *)data, size };
    struct arena arena;
    arena_init(&arena);
    if (size < CRC_END ||
        crc32c(0, all.data + CRC_END, size - CRC_END) != load_u32(all.data + CRC_AT)) {
        dump_damage(dump, 0, "the CRC is wrong");
    } else {
        int16_t version = load_i16(all.data);
        struct bytes fields = { all.data + 2, size - 2 };
        if (!schema_has_version(&producer_snapshot_record_schema, version) ||
            !message_decode(
                &producer_snapshot_record_schema, version, fields, &arena, &snapshot, NULL))
            dump_damage(dump, 0, "the entries cannot be decoded");
        else
            for (int32_t i = 0; i < snapshot.producer_entries_count; i++)
                dump_producer(dump, &snapshot.producer_entries[i]);
    }
    arena_deinit(&arena);
    memory_give(data);
    return 0;
}

int dump_text(struct dump *dump, const char *path)
{
    char *data;
    size_t size;
    int status = file_load(dump->io, path, FILE_LIMIT, &data, &size);
    if (status < 0)
        return status;
    struct str rest = { data, (int32_t)size }, text;
    while (str_split(&rest, '\n', &text)) {
        if (text.size > 0)
            dump_line(dump, json_pack("{s:s%}", "text", text.data, (size_t)text.size));
    }
    memory_give(data);
    return 0;
}
