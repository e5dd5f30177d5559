/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/checkpoint_file.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { LINE_EXTRA = 40, HEAD_SIZE = 32 };

const char *const checkpoint_file_name[CHECKPOINT_KIND_COUNT] = {
    "recovery-point-offset-checkpoint",
    "replication-offset-checkpoint",
    "log-start-offset-checkpoint",
    "cleaner-offset-checkpoint",
};

bool checkpoint_file_read(struct str text,
    void (*visit)(void *context, struct str topic, int32_t partition, int64_t offset),
    void *context)
{
    struct str line, topic, word;
    int64_t version, count, partition, offset, lines = 0;
    if (!str_split(&text, '\n', &line) || !str_to_int64(line, &version) || version != 0)
        return false;
    if (!str_split(&text, '\n', &line) || !str_to_int64(line, &count) || count < 0)
        return false;
    while (str_split(&text, '\n', &line)) {
        if (line.size == 0)
            continue;
        if (!str_split(&line, ' ', &topic) || !str_split(&line, ' ', &word) ||
            !str_to_int64(word, &partition) || !str_to_int64(line, &offset) || topic.size == 0 ||
            partition < 0 || partition > INT32_MAX || offset < -1)
            return false;
        visit(context, topic, (int32_t)partition, offset);
        lines++;
    }
    return lines == count;
}

static char *grow(struct checkpoint_text *text, size_t more)
{
    if (text->capacity - text->size < more) {
        text->capacity =
            text->capacity * 2 > text->size + more ? text->capacity * 2 : text->size + more;
        text->data = memory_resize(text->data, text->capacity);
    }
    return text->data + text->size;
}

void checkpoint_text_add(
    struct checkpoint_text *text, const char *topic, int32_t partition, int64_t offset)
{
    size_t most = strlen(topic) + LINE_EXTRA;
    char *at = grow(text, most);
    int used = snprintf(at, most, "%s %d %lld\n", topic, partition, (long long)offset);
    assert(used > 0 && (size_t)used < most);
    text->size += (size_t)used;
    text->count++;
}

void checkpoint_text_deinit(struct checkpoint_text *text)
{
    memory_give(text->data);
    *text = (struct checkpoint_text){ 0 };
}

void checkpoint_text_join(struct checkpoint_text *text, const struct checkpoint_text *more)
{
    if (more->size == 0)
        return;
    memcpy(grow(text, more->size), more->data, more->size);
    text->size += more->size;
    text->count += more->count;
}

uint8_t *checkpoint_file_print(const struct checkpoint_text *text, size_t *out_size)
{
    char *data = memory_take_raw(HEAD_SIZE + text->size);
    int head = snprintf(data, HEAD_SIZE, "0\n%d\n", text->count);
    if (text->size > 0)
        memcpy(data + head, text->data, text->size);
    *out_size = (size_t)head + text->size;
    return (uint8_t *)data;
}
