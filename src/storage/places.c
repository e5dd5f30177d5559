/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/places.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/broken.h"
#include "base/memory.h"
#include "io/file.h"
#include "storage/segment.h"
#include "storage/work.h"

enum { SMALL_FILE = 1 << 16, FUTURE_SUFFIX = 1 + 32 + 7 /* .ID-future */ };

struct finder {
    struct places *places;
    struct io *io;
    const char *path;
    struct work removals; /* of directories that were being deleted */
    bool clean;
};

/* TOPIC-N; the topic may hold dashes itself. */
static bool parse_name(struct str name, struct str *out_topic, int32_t *out_partition)
{
    int32_t dash = name.size - 1;
    int64_t partition;
    while (dash > 0 && name.data[dash] != '-')
        dash--;
    struct str number = { name.data + dash + 1, name.size - dash - 1 };
    if (dash <= 0 || number.size == 0 || number.data[0] < '0' || number.data[0] > '9' ||
        !str_to_int64(number, &partition) || partition > INT32_MAX)
        return false;
    *out_topic = (struct str){ name.data, dash };
    *out_partition = (int32_t)partition;
    return true;
}

/* …N.<32 hex digits>SUFFIX */
static bool is_marked(struct str name, const char *suffix)
{
    int32_t suffix_size = (int32_t)strlen(suffix);
    if (name.size < suffix_size + 34 ||
        memcmp(name.data + name.size - suffix_size, suffix, (size_t)suffix_size) != 0)
        return false;
    const char *id = name.data + name.size - suffix_size - 32;
    for (int i = 0; i < 32; i++)
        if (strchr("0123456789abcdef", id[i]) == NULL || id[i] == 0)
            return false;
    return id[-1] == '.';
}

enum place_kind place_kind(struct str name, struct str *out_topic, int32_t *out_partition)
{
    if (is_marked(name, "-delete"))
        return PLACE_DELETED;
    if (is_marked(name, "-future")) {
        name.size -= FUTURE_SUFFIX;
        return parse_name(name, out_topic, out_partition) ? PLACE_FUTURE : PLACE_OTHER;
    }
    if (is_marked(name, "-stray"))
        return PLACE_STRAY;
    return parse_name(name, out_topic, out_partition) ? PLACE_LOG : PLACE_OTHER;
}

static int visit(void *context, const char *name)
{
    struct finder *finder = context;
    struct places *places = finder->places;
    char path[SEGMENT_PATH_SIZE];
    struct str topic;
    int32_t partition;
    enum place_kind kind = place_kind(str_from(name), &topic, &partition);
    path_in(path, finder->path, name);
    if (kind == PLACE_DELETED)
        work_add_path(&finder->removals, WORK_REMOVE_TREE, path);
    if (kind != PLACE_LOG && kind != PLACE_FUTURE)
        return 0;
    if (places->count == places->capacity) {
        places->capacity = places->capacity == 0 ? 16 : places->capacity * 2;
        places->items =
            memory_resize(places->items, (size_t)places->capacity * sizeof(*places->items));
    }
    bool listed = !str_is(topic, "__cluster_metadata");
    places->items[places->count++] = (struct log_place){
        .path = memory_copy_text(path),
        .topic = str_copy_owned(topic),
        .partition = partition,
        .clean = finder->clean && listed,
        .stopped = finder->clean,
        .clean_end = -1,
        .is_listed = listed,
        .is_future = kind == PLACE_FUTURE,
    };
    return 0;
}

static int order_of(const struct log_place *place, struct str topic, int32_t partition, bool is_future)
{
    int order = str_compare(str_from(place->topic), topic);
    if (order == 0)
        order = (place->partition > partition) - (place->partition < partition);
    return order != 0 ? order : place->is_future - is_future;
}

static int compare(const void *a, const void *b)
{
    const struct log_place *right = b;
    return order_of(a, str_from(right->topic), right->partition, right->is_future);
}

int place_topic_id(struct io *io, const char *directory, struct uuid *out_topic_id)
{
    char path[SEGMENT_PATH_SIZE], *text;
    struct str rest, line, key;
    size_t size;
    *out_topic_id = UUID_ZERO;
    path_in(path, directory, "partition.metadata");
    int status = file_load(io, path, SMALL_FILE, &text, &size);
    if (status < 0)
        return status;
    rest = (struct str){ text, (int32_t)size };
    while (str_split(&rest, '\n', &line))
        if (str_split(&line, ':', &key) && str_is(key, "topic_id") && !str_is_null(line) &&
            !uuid_parse(str_trim(line), out_topic_id))
            *out_topic_id = UUID_ZERO;
    memory_give(text);
    return 0;
}

/* The id of a directory whose partition.metadata never became durable is not known: nothing in it
 * is, either. */
static int load_topic_id(struct io *io, struct log_place *place)
{
    int status = place_topic_id(io, place->path, &place->topic_id);
    return status == -ENOENT || status == -ENOTDIR ? 0 : status;
}

int places_find(
    struct places *places, struct io *io, const char *path, bool clean, const char **out_at)
{
    struct finder finder = { .places = places, .io = io, .path = path, .clean = clean };
    work_init(&finder.removals, io, NULL, NULL);
    int status = directory_list(io, path, visit, &finder);
    if (status == 0 && finder.removals.count > 0)
        status = work_run(&finder.removals);
    work_deinit(&finder.removals);
    if (places->count > 0)
        qsort(places->items, (size_t)places->count, sizeof(*places->items), compare);
    *out_at = path;
    for (int32_t i = 0; i < places->count && status == 0; i++) {
        *out_at = places->items[i].path;
        status = load_topic_id(io, &places->items[i]);
    }
    places->claimed = memory_take((size_t)places->count * sizeof(bool));
    return status;
}

void places_deinit(struct places *places)
{
    for (int32_t i = 0; i < places->count; i++) {
        memory_give(places->items[i].path);
        memory_give(places->items[i].topic);
    }
    memory_give(places->items);
    memory_give(places->claimed);
    *places = (struct places){ 0 };
}

static struct log_place *find(
    const struct places *places, struct str topic, int32_t partition, bool is_future)
{
    int32_t low = 0, high = places->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        struct log_place *place = &places->items[middle];
        int order = order_of(place, topic, partition, is_future);
        if (order == 0)
            return place->is_aside ? NULL : place;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct log_place *places_lookup(
    const struct places *places, struct str topic, int32_t partition, bool is_future)
{
    return find(places, topic, partition, is_future);
}

/* Whom the lines of the checkpoint files mean. */
static struct log_place *find_listed(
    const struct places *places, struct str topic, int32_t partition)
{
    struct log_place *place = find(places, topic, partition, false);
    return place != NULL ? place : find(places, topic, partition, true);
}

static bool is_listed(const struct places *places, const struct log_place *place)
{
    return !place->is_future ||
           find(places, str_from(place->topic), place->partition, false) == NULL;
}

void places_set_offset(
    struct places_reader *reader, struct str topic, int32_t partition, int64_t offset)
{
    struct log_place *place = find_listed(reader->places, topic, partition);
    if (place == NULL) {
        reader->met_unknown = true;
        return;
    }
    switch (reader->kind) {
    case CHECKPOINT_RECOVERY:
        place->recovery_point = offset;
        place->clean = place->clean && offset >= 0; /* it was refused before */
        break;
    case CHECKPOINT_HIGH_WATERMARK:
        place->high_watermark = offset < 0 ? 0 : offset;
        break;
    case CHECKPOINT_CLEANER:
        place->clean_end = offset;
        break;
    default:
        place->log_start = offset < 0 || broken(start_forgotten) ? 0 : offset;
        break;
    }
}

void places_forget_offsets(struct places_reader *reader)
{
    for (int32_t i = 0; i < reader->places->count; i++) {
        struct log_place *place = &reader->places->items[i];
        switch (reader->kind) {
        case CHECKPOINT_RECOVERY:
            place->recovery_point = -1;
            break;
        case CHECKPOINT_HIGH_WATERMARK:
            place->high_watermark = 0;
            break;
        case CHECKPOINT_CLEANER:
            place->clean_end = -1;
            break;
        default:
            place->log_start = 0;
            break;
        }
    }
}

void places_finish_move(struct places *places, const struct log_place *place, char *path)
{
    struct log_place *mine = &places->items[place - places->items];
    assert(place->is_future && is_listed(places, place)); /* the order stays as it is */
    memory_give(mine->path);
    mine->path = path;
    mine->is_future = false;
}

void places_set_aside(struct places *places, int32_t index)
{
    places->items[index].is_aside = true;
    places->claimed[index] = true;
}

void places_claim(struct places *places, const struct log_place *place)
{
    assert(place >= places->items && place < places->items + places->count);
    places->claimed[place - places->items] = true;
}

bool places_are_settled(const struct places *places)
{
    for (int32_t i = 0; i < places->count; i++) {
        const struct log_place *place = &places->items[i];
        if (place->is_listed && !place->stopped && !places->claimed[i])
            return broken(unopened_is_clean);
    }
    return true;
}

void places_add_unclaimed(
    const struct places *places, enum checkpoint_kind kind, struct checkpoint_text *text)
{
    for (int32_t i = 0; i < places->count; i++) {
        const struct log_place *place = &places->items[i];
        if (places->claimed[i] || !is_listed(places, place) ||
            (!place->is_listed && kind != CHECKPOINT_RECOVERY))
            continue;
        const int64_t offsets[CHECKPOINT_KIND_COUNT] = { place->recovery_point,
            place->high_watermark, place->log_start, place->clean_end };
        int64_t offset = offsets[kind];
        bool is_said = kind == CHECKPOINT_START     ? offset > 0
                       : kind == CHECKPOINT_CLEANER ? offset >= 0
                                                    : true;
        if (is_said)
            checkpoint_text_add(text, place->topic, place->partition, offset);
    }
}
