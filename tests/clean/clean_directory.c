/* SPDX-License-Identifier: Apache-2.0 */
/* usage: clean_directory DIR [NAME=VALUE]...
 * Cleans the directory of a partition that no server holds: all of it below its last segment, in as
 * many passes as its memory for keys needs. NAME is one of first_dirty, dirty_end, wall_ms,
 * delete_retention_ms, segment_bytes, map_bytes, bytes_per_second, index_interval_bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "clean/directory.h"
#include "io/io.h"

static bool take_option(struct directory_wish *wish, const char *option)
{
    int64_t value;
    const char *text = strchr(option, '=');
    if (text == NULL || !str_to_int64((struct str){ text + 1, (int32_t)strlen(text + 1) }, &value))
        return false;
    struct str name = { option, (int32_t)(text - option) };
    if (str_is(name, "first_dirty"))
        wish->first_dirty = value;
    else if (str_is(name, "dirty_end"))
        wish->dirty_end = value;
    else if (str_is(name, "wall_ms"))
        wish->wall_ms = value;
    else if (str_is(name, "delete_retention_ms"))
        wish->delete_retention_ms = value;
    else if (str_is(name, "segment_bytes"))
        wish->max_segment_bytes = value;
    else if (str_is(name, "map_bytes"))
        wish->map_bytes = value;
    else if (str_is(name, "bytes_per_second"))
        wish->bytes_per_second = value;
    else if (str_is(name, "index_interval_bytes"))
        wish->index_interval_bytes = (int32_t)value;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    struct directory_wish wish = directory_wish_defaults();
    struct directory_outcome outcome;
    for (int i = 2; i < argc; i++)
        if (!take_option(&wish, argv[i])) {
            fprintf(stderr, "clean_directory: %s is no option\n", argv[i]);
            return 2;
        }
    if (argc < 2) {
        fprintf(stderr, "usage: clean_directory DIR [NAME=VALUE]...\n");
        return 2;
    }
    struct io *io = io_create(1);
    int64_t before;
    do {
        before = wish.first_dirty;
        directory_clean(io, argv[1], &wish, NULL, &outcome);
        wish.first_dirty = outcome.end;
        printf(
            "end=%lld groups=%d read=%lld written=%lld records=%lld kept=%lld without_key=%lld\n",
            (long long)outcome.end, outcome.group_count, (long long)outcome.statistics.bytes_read,
            (long long)outcome.statistics.bytes_written, (long long)outcome.statistics.records_read,
            (long long)outcome.statistics.records_kept,
            (long long)outcome.statistics.records_without_key);
    } while (outcome.status == 0 && outcome.end > before && wish.map_bytes < (1 << 20));
    io_destroy(io);
    if (outcome.status < 0)
        fprintf(stderr, "clean_directory: %s (%s)\n", outcome.reason, strerror(-outcome.status));
    return outcome.status < 0;
}
