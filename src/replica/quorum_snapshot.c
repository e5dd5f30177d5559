/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/quorum_snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "io/file.h"
#include "replica/batches.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/gen/snapshot_footer_record.h"
#include "wire/gen/snapshot_header_record.h"
#include "wire/record.h"

enum { PATH_SIZE = 4096, BATCH_BYTES = 1024 * 1024, BATCH_RECORDS = 10000, NAME_SIZE = 42 };

void snapshot_path(
    const char *directory, struct snapshot_id id, const char *suffix, char *path, size_t path_size)
{
    snprintf(path, path_size, "%s/%020lld-%010d.checkpoint%s", directory, (long long)id.offset,
        id.epoch, suffix);
}

void snapshot_list_deinit(struct snapshot_list *list)
{
    memory_give(list->ids);
    *list = (struct snapshot_list){ 0 };
}

void snapshot_list_add(struct snapshot_list *list, struct snapshot_id id)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        list->ids = memory_resize(list->ids, (size_t)list->capacity * sizeof(*list->ids));
    }
    int32_t place = list->count++;
    for (; place > 0 && list->ids[place - 1].offset > id.offset; place--)
        list->ids[place] = list->ids[place - 1];
    list->ids[place] = id;
}

static bool parse_digits(const char *text, int count, int64_t *out_value)
{
    return str_to_int64((struct str){ text, count }, out_value) && text[0] >= '0' && text[0] <= '9';
}

/* "00000000000000000609-0000000002.checkpoint" */
static bool parse_name(const char *name, struct snapshot_id *out_id)
{
    int64_t epoch;
    if (strlen(name) != NAME_SIZE || name[20] != '-' || strcmp(name + 31, ".checkpoint") != 0)
        return false;
    if (!parse_digits(name, 20, &out_id->offset) || !parse_digits(name + 21, 10, &epoch) ||
        epoch > INT32_MAX)
        return false;
    out_id->epoch = (int32_t)epoch;
    return true;
}

struct listing {
    struct snapshot_list *list;
    struct arena leavings; /* names to remove */
    const char *names[256];
    int count;
};

static int visit_name(void *context, const char *name)
{
    struct listing *listing = context;
    struct snapshot_id id;
    size_t size = strlen(name);
    bool unfinished = size > 16 && strcmp(name + size - 16, ".checkpoint.part") == 0;
    bool deleted = size > 19 && strcmp(name + size - 19, ".checkpoint.deleted") == 0;
    if (parse_name(name, &id))
        snapshot_list_add(listing->list, id);
    else if ((unfinished || deleted) && listing->count < 256)
        listing->names[listing->count++] = arena_copy(&listing->leavings, name, size + 1);
    return 0;
}

int snapshot_list_load(struct io *io, const char *directory, struct snapshot_list *out_list)
{
    struct listing listing = { .list = out_list };
    *out_list = (struct snapshot_list){ 0 };
    arena_init(&listing.leavings);
    int status = directory_list(io, directory, visit_name, &listing);
    for (int i = 0; status == 0 && i < listing.count; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof(path), "%s/%s", directory, listing.names[i]);
        status = file_unlink(io, path);
    }
    arena_deinit(&listing.leavings);
    if (status < 0)
        snapshot_list_deinit(out_list);
    return status;
}

/* Reading. */

struct snapshot_walk {
    struct batch_walk walk;
    struct snapshot_reader *reader;
    bool has_header, has_footer;
};

static struct snapshot_walk *walk_of(struct batch_walk *walk)
{
    return container_of(walk, struct snapshot_walk, walk);
}

static bool read_record(struct batch_walk *walk, int64_t offset, struct bytes value)
{
    struct snapshot_walk *snapshot = walk_of(walk);
    return snapshot->has_header && !snapshot->has_footer &&
           snapshot->reader->record(snapshot->reader, offset, value);
}

static bool read_control(struct batch_walk *walk, int64_t offset, int16_t type, struct bytes value)
{
    struct snapshot_walk *snapshot = walk_of(walk);
    (void)offset;
    if (type == CONTROL_SNAPSHOT_FOOTER) {
        snapshot->has_footer = true;
        return snapshot->has_header;
    }
    if (type != CONTROL_SNAPSHOT_HEADER)
        return snapshot->reader->control == NULL ||
               snapshot->reader->control(snapshot->reader, type, value);
    struct snapshot_header_record header;
    struct arena arena;
    arena_init(&arena);
    bool good = message_decode(&snapshot_header_record_schema, 0, value, &arena, &header, NULL);
    arena_deinit(&arena);
    snapshot->reader->append_ms = header.last_contained_log_timestamp;
    snapshot->has_header = true;
    return good;
}

int snapshot_read(struct io *io, const char *path, struct snapshot_reader *reader)
{
    struct file *file;
    int status = file_open(io, path, FILE_READ, &file);
    if (status < 0)
        return status;
    struct snapshot_walk snapshot = {
        .walk = { .record = read_record,
            .control = read_control,
            .decompressor = decompressor_create() },
        .reader = reader,
    };
    int64_t size = file_size(file);
    status = size < 0 ? (int)size : batches_walk(file, 0, size, &snapshot.walk);
    if (status == 0 && (!snapshot.has_footer || snapshot.walk.batch_bytes != size))
        status = -EBADMSG;
    decompressor_destroy(snapshot.walk.decompressor);
    file_unref(file);
    return status;
}

/* Ends the walk behind the header. */
static bool skip_record(struct snapshot_reader *reader, int64_t index, struct bytes value)
{
    (void)reader, (void)index, (void)value;
    return false;
}

int snapshot_time(struct io *io, const char *path, int64_t *out_append_ms)
{
    struct snapshot_reader reader = { .record = skip_record, .append_ms = -1 };
    int status = snapshot_read(io, path, &reader);
    *out_append_ms = reader.append_ms;
    return reader.append_ms >= 0 ? 0 : status < 0 ? status : -EBADMSG;
}

/* Building. */

static void append_bytes(struct snapshot_builder *builder, const void *data, size_t size)
{
    if (builder->capacity - builder->size < size) {
        size_t doubled = builder->capacity * 2;
        builder->capacity = builder->size + size > doubled ? builder->size + size : doubled;
        builder->data = memory_resize(builder->data, builder->capacity);
    }
    memcpy(builder->data + builder->size, data, size);
    builder->size += size;
}

static struct batch_options options_of(const struct snapshot_builder *builder)
{
    struct batch_options options = batch_options_plain();
    options.base_offset = builder->next_offset;
    options.leader_epoch = builder->epoch;
    return options;
}

static void append_batch(struct snapshot_builder *builder, struct buffer *batch, int32_t count)
{
    append_bytes(builder, batch->data, batch->size);
    builder->next_offset += count;
    buffer_unref(batch);
}

static void append_control(
    struct snapshot_builder *builder, const struct control_record *records, int32_t count)
{
    struct batch_options options = options_of(builder);
    options.control = true;
    append_batch(builder, batch_build_control(&options, builder->wall_ms, records, count), count);
}

void snapshot_begin(struct snapshot_builder *builder, int32_t epoch, int64_t wall_ms,
    int64_t append_ms, const struct control_record *more, int32_t more_count)
{
    struct control_record records[4];
    uint8_t data[64];
    struct snapshot_header_record header = { .last_contained_log_timestamp = append_ms };
    assert(more_count <= 3);
    *builder = (struct snapshot_builder){ .epoch = epoch, .wall_ms = wall_ms };
    size_t size =
        message_encode(&snapshot_header_record_schema, 0, &header, data, sizeof(data), NULL);
    records[0] = (struct control_record){ CONTROL_SNAPSHOT_HEADER, { data, size } };
    for (int32_t i = 0; i < more_count; i++)
        records[i + 1] = more[i];
    append_control(builder, records, more_count + 1);
}

static void end_batch(struct snapshot_builder *builder)
{
    if (builder->body_count == 0)
        return;
    struct record *records = memory_take((size_t)builder->body_count * sizeof(*records));
    size_t at = 0;
    for (int32_t i = 0; i < builder->body_count; i++) {
        records[i].offset = builder->next_offset + i;
        records[i].timestamp = builder->wall_ms;
        records[i].value = (struct bytes){ builder->bodies + at, (size_t)builder->body_sizes[i] };
        at += (size_t)builder->body_sizes[i];
    }
    struct batch_options options = options_of(builder);
    append_batch(builder, batch_build(&options, records, builder->body_count), builder->body_count);
    memory_give(records);
    builder->body_count = 0;
    builder->body_size = 0;
}

void snapshot_add(struct snapshot_builder *builder, struct bytes record)
{
    if (builder->body_count == BATCH_RECORDS || builder->body_size + record.size > BATCH_BYTES)
        end_batch(builder);
    if (builder->body_capacity - builder->body_size < record.size) {
        size_t doubled = builder->body_capacity * 2;
        builder->body_capacity =
            builder->body_size + record.size > doubled ? builder->body_size + record.size : doubled;
        builder->bodies = memory_resize(builder->bodies, builder->body_capacity);
    }
    if (builder->body_count == builder->body_count_capacity) {
        builder->body_count_capacity =
            builder->body_count_capacity == 0 ? 256 : builder->body_count_capacity * 2;
        builder->body_sizes = memory_resize(builder->body_sizes,
            (size_t)builder->body_count_capacity * sizeof(*builder->body_sizes));
    }
    memcpy(builder->bodies + builder->body_size, record.data, record.size);
    builder->body_size += record.size;
    builder->body_sizes[builder->body_count++] = (int32_t)record.size;
}

void snapshot_end(struct snapshot_builder *builder)
{
    uint8_t data[16];
    struct snapshot_footer_record footer = { 0 };
    end_batch(builder);
    size_t size =
        message_encode(&snapshot_footer_record_schema, 0, &footer, data, sizeof(data), NULL);
    append_control(builder, &(struct control_record){ CONTROL_SNAPSHOT_FOOTER, { data, size } }, 1);
}

void snapshot_deinit(struct snapshot_builder *builder)
{
    memory_give(builder->data);
    memory_give(builder->bodies);
    memory_give(builder->body_sizes);
}
