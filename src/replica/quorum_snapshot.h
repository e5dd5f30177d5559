/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of the metadata log: OFFSET-EPOCH.checkpoint files of batches, a header batch first, a
 * footer batch last. One that lacks its footer is not whole and never gets its final name. 0-0 is
 * what formatting leaves: bootstrap records, which are not the state of the log but its first act.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "metadata/image.h"
#include "raft/raft.h"

struct buffer;
struct io;

struct snapshot_id {
    int64_t offset; /* end of what it holds */
    int32_t epoch;
};

struct snapshot_list {
    struct snapshot_id *ids; /* ascending; owned */
    int32_t count, capacity;
};

/* Also removes unfinished ones (*.part) and those marked .deleted. 0 or -errno. */
int snapshot_list_load(struct io *io, const char *directory, struct snapshot_list *out_list);
void snapshot_list_deinit(struct snapshot_list *list);
void snapshot_list_add(struct snapshot_list *list, struct snapshot_id id);
void snapshot_path(
    const char *directory, struct snapshot_id id, const char *suffix, char *path, size_t path_size);

/* Reads one; calls back per record of a data batch. -EBADMSG: damaged or not whole. */
struct snapshot_reader {
    bool (*record)(struct snapshot_reader *reader, int64_t index,
        struct bytes value); /* false: stop, -EBADMSG */
    bool (*control)(struct snapshot_reader *reader, int16_t type, struct bytes value);
    int64_t append_ms; /* of the last record it stands for */
};
int snapshot_read(struct io *io, const char *path, struct snapshot_reader *reader);

int snapshot_time(
    struct io *io, const char *path, int64_t *out_append_ms); /* its header's; 0 or -errno */

/* What stands between header and footer, gathered as batches of a bounded size. */
struct snapshot_builder {
    uint8_t *data; /* owned */
    size_t size, capacity;
    int64_t next_offset;
    int32_t epoch;
    int64_t wall_ms;
    uint8_t *bodies; /* of the records of the running batch */
    size_t body_size, body_capacity;
    int32_t *body_sizes;
    int32_t body_count, body_count_capacity;
};
struct control_record;
void snapshot_begin(struct snapshot_builder *builder, int32_t epoch, int64_t wall_ms,
    int64_t append_ms, const struct control_record *more,
    int32_t more_count); /* the header, and KRaftVersion, Voters */
void snapshot_add(struct snapshot_builder *builder, struct bytes record);
void snapshot_end(struct snapshot_builder *builder); /* data and size are the file */
void snapshot_deinit(struct snapshot_builder *builder);
