/* SPDX-License-Identifier: Apache-2.0 */
/* Giving log directories their identity: meta.properties in each, the bootstrap snapshot of the
 * metadata log in one. That snapshot is written first, and says that a format was begun; the
 * meta.properties beside it last. So a directory is formatted or not, and a format goes on where it
 * was, whenever the machine stops. */
#pragma once
#include "broker/settings.h"
#include "replica/quorum.h"

struct io;

enum format_state {
    FORMAT_NONE, /* missing, empty, or a format that did not end */
    FORMAT_DONE,
    FORMAT_FOREIGN, /* not ours to write into: files without meta.properties, or one that cannot be
                       read */
    FORMAT_UNREADABLE, /* its disk or rights keep us out: a node may go on without it */
};

/* reason is set for the last two. */
enum format_state format_state_of(
    struct io *io, const char *directory, char *reason, int reason_size);

/* Whether a format of this metadata directory was begun and did not end: then it is the right disk,
 * and no node has used it yet. */
bool format_was_begun(struct io *io, const char *metadata_directory);

struct format_wish {
    const char *cluster_id;            /* NULL: a new one */
    bool ignore_formatted;             /* formats only the directories that are not */
    bool without_voters;               /* static voters, or an observer that joins later */
    int16_t metadata_version;          /* 0: newest */
    const struct quorum_voter *voters; /* NULL: this node alone */
    int32_t voter_count;
    const struct quorum_feature *features;
    int32_t feature_count;
    const struct quorum_scram *scram; /* credentials of the first users */
    int32_t scram_count;
};

/* Formats all log directories. 0, or -1 with a sentence in reason. Blocking, before the node
 * starts. */
int format_directories(struct io *io, const struct node_settings *node,
    const struct format_wish *wish, char *reason, int reason_size);
void format_random_uuid(struct io *io, char text[UUID_TEXT_SIZE + 1]);

/* All directories of a node, the metadata directory first, each once; memory of the arena. */
int format_list_directories(
    const struct node_settings *node, struct arena *arena, const char ***out_paths);
