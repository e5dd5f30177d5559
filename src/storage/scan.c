/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/scan.h"

#include <errno.h>

#include "base/memory.h"
#include "base/odd.h"
#include "io/file.h"

void scan_begin(struct scan *scan, struct file *file, int64_t position, int64_t end, size_t chunk)
{
    *scan = (struct scan){ .file = file, .position = position, .end = end, .chunk = chunk };
}

void scan_end(struct scan *scan)
{
    memory_give(scan->data);
    scan->data = NULL;
}

/* Brings [position, position + size) into the buffer, as far as the range goes; returns what there
 * is, or -errno. */
static int64_t fill(struct scan *scan, size_t size)
{
    int64_t offset = scan->position - scan->data_position;
    if (scan->data != NULL && offset >= 0 && offset + (int64_t)size <= (int64_t)scan->size)
        return (int64_t)size;
    size_t wanted = size > scan->chunk || odd(small_scan) ? size : scan->chunk;
    if ((int64_t)wanted > scan->end - scan->position)
        wanted = (size_t)(scan->end - scan->position);
    if (wanted > scan->capacity) {
        scan->data = memory_resize(scan->data, wanted);
        scan->capacity = wanted;
    }
    scan->size = 0;
    int64_t got = file_pread(scan->file, scan->data, wanted, scan->position);
    if (got < 0)
        return got;
    scan->data_position = scan->position;
    scan->size = (size_t)got;
    return got < (int64_t)size ? got : (int64_t)size;
}

int scan_header(struct scan *scan, struct batch_header *out_header)
{
    if (scan->position >= scan->end)
        return 0;
    int64_t got = fill(scan, BATCH_HEADER_SIZE);
    if (got < 0)
        return (int)got;
    const uint8_t *at = scan->data + (scan->position - scan->data_position);
    enum batch_status status =
        batch_parse_header(at, (size_t)got, (uint64_t)(scan->end - scan->position), out_header);
    return status == BATCH_OK ? 1 : -EBADMSG;
}

const uint8_t *scan_batch(struct scan *scan, const struct batch_header *header, int *status)
{
    int64_t got = fill(scan, header->size);
    *status = got < 0 ? (int)got : got < (int64_t)header->size ? -EBADMSG : 0;
    return *status == 0 ? scan->data + (scan->position - scan->data_position) : NULL;
}

int scan_find_batch(struct scan *scan, int64_t least_offset, struct batch_header *out_header)
{
    for (; scan->position < scan->end; scan->position++) {
        int status = scan_header(scan, out_header);
        if (status == 1 && out_header->base_offset >= least_offset) {
            const uint8_t *batch = scan_batch(scan, out_header, &status);
            if (batch != NULL && batch_crc_is_right(batch, out_header))
                return 1;
        }
        if (status < 0 && status != -EBADMSG)
            return status;
    }
    return 0;
}

void scan_skip(struct scan *scan, const struct batch_header *header)
{
    scan->position += (int64_t)header->size;
}
