/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/epochs.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

void epochs_deinit(struct epochs *epochs)
{
    memory_give(epochs->entries);
    *epochs = (struct epochs){ 0 };
}

static void push(struct epochs *epochs, int32_t epoch, int64_t start_offset)
{
    if (epochs->count == epochs->capacity) {
        epochs->capacity = epochs->capacity == 0 ? 2 : epochs->capacity * 2;
        epochs->entries =
            memory_resize(epochs->entries, (size_t)epochs->capacity * sizeof(*epochs->entries));
    }
    epochs->entries[epochs->count++] = (struct epoch_entry){ epoch, start_offset };
}

void epochs_assign(struct epochs *epochs, int32_t epoch, int64_t start_offset)
{
    if (epoch < 0 || epoch <= epochs_latest(epochs))
        return;
    epochs_truncate_from(epochs, start_offset);
    push(epochs, epoch, start_offset);
    epochs->dirty = true;
}

void epochs_truncate_from(struct epochs *epochs, int64_t offset)
{
    while (epochs->count > 0 && epochs->entries[epochs->count - 1].start_offset >= offset) {
        epochs->count--;
        epochs->dirty = true;
    }
}

void epochs_start_at(struct epochs *epochs, int64_t offset)
{
    int32_t gone = 0; /* entries that end at or below offset */
    while (gone + 1 < epochs->count && epochs->entries[gone + 1].start_offset <= offset)
        gone++;
    if (epochs->count == 0 || epochs->entries[0].start_offset >= offset)
        return;
    epochs->count -= gone;
    memmove(
        epochs->entries, epochs->entries + gone, (size_t)epochs->count * sizeof(*epochs->entries));
    if (epochs->entries[0].start_offset < offset)
        epochs->entries[0].start_offset = offset;
    epochs->dirty = true;
}

int32_t epochs_latest(const struct epochs *epochs)
{
    return epochs->count == 0 ? -1 : epochs->entries[epochs->count - 1].epoch;
}

int32_t epochs_at(const struct epochs *epochs, int64_t offset)
{
    for (int32_t i = epochs->count - 1; i >= 0; i--)
        if (epochs->entries[i].start_offset <= offset)
            return epochs->entries[i].epoch;
    return -1;
}

void epochs_end(const struct epochs *epochs, int32_t epoch, int64_t log_end, int32_t *out_epoch,
    int64_t *out_end)
{
    *out_epoch = -1;
    *out_end = -1;
    if (epoch == -1 || epochs->count == 0 || epoch > epochs_latest(epochs))
        return;
    if (epoch <
        epochs->entries[0].epoch) { /* older than all we know: it ended where the oldest begins */
        *out_epoch = epoch;
        *out_end = epochs->entries[0].start_offset;
        return;
    }
    int32_t i = epochs->count - 1;
    while (epochs->entries[i].epoch > epoch)
        i--;
    *out_epoch = epochs->entries[i].epoch;
    *out_end = i == epochs->count - 1 ? log_end : epochs->entries[i + 1].start_offset;
}

bool epochs_parse(struct epochs *epochs, struct str text)
{
    struct str line, word;
    int64_t version, count, epoch, offset;
    epochs_deinit(epochs);
    if (!str_split(&text, '\n', &line) || !str_to_int64(line, &version) || version != 0)
        return false;
    if (!str_split(&text, '\n', &line) || !str_to_int64(line, &count) || count < 0)
        return false;
    for (int64_t i = 0; i < count; i++) {
        if (!str_split(&text, '\n', &line) || !str_split(&line, ' ', &word) ||
            !str_to_int64(word, &epoch) || !str_to_int64(line, &offset) ||
            epoch <= epochs_latest(epochs) || epoch > INT32_MAX || offset < 0 ||
            (epochs->count > 0 && offset <= epochs->entries[epochs->count - 1].start_offset)) {
            epochs_deinit(epochs);
            return false;
        }
        push(epochs, (int32_t)epoch, offset);
    }
    if (text.size > 0) { /* more than it counts */
        epochs_deinit(epochs);
        return false;
    }
    epochs->dirty = false;
    return true;
}

char *epochs_print(const struct epochs *epochs, int32_t *out_size)
{
    size_t capacity = 32 + (size_t)epochs->count * 34;
    char *text = memory_take_raw(capacity);
    int used = snprintf(text, capacity, "0\n%d\n", epochs->count);
    for (int32_t i = 0; i < epochs->count; i++)
        used += snprintf(text + used, capacity - (size_t)used, "%d %lld\n",
            epochs->entries[i].epoch, (long long)epochs->entries[i].start_offset);
    assert((size_t)used < capacity);
    *out_size = used;
    return text;
}
