/* SPDX-License-Identifier: Apache-2.0 */
/* The partition directories that were found when a log directory was opened, in order of topic,
 * partition and whether they are the goal of a move (TOPIC-N.ID-future), with what the checkpoint
 * files said of them: a line there means the log of that name, else the future one. They do not
 * change after the start; only whether a flusher answers for one by now is kept beside. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "storage/log.h"
#include "storage/log_dir_mail.h"

struct io;

/* What the name of a directory in a log directory says: TOPIC-N, or with a mark of what it is about to
 * become, TOPIC-N.ID-delete. */
enum place_kind { PLACE_OTHER, PLACE_LOG, PLACE_DELETED, PLACE_FUTURE, PLACE_STRAY };
enum place_kind place_kind(struct str name, struct str *out_topic,
    int32_t *out_partition); /* out_…: of a PLACE_LOG and a PLACE_FUTURE; the topic points into name */
/* From partition.metadata; zero when that does not say it. 0 or -errno; -ENOENT: there is none. */
int place_topic_id(struct io *io, const char *path, struct uuid *out_topic_id);

struct places {
    struct log_place *items;
    bool *claimed;
    int32_t count, capacity;
};
struct places_reader {
    struct places *places;
    enum checkpoint_kind kind;
    bool met_unknown; /* an offset of a partition that is not here */
};

/* Lists the directory; also removes what a deletion left behind. On -errno *out_at is what could
 * not be read; places' own. */
int places_find(
    struct places *places, struct io *io, const char *path, bool clean, const char **out_at);
void places_deinit(struct places *places);
const struct log_place *places_lookup(
    const struct places *places, struct str topic, int32_t partition, bool is_future); /* or NULL */
void places_set_offset(
    struct places_reader *reader, struct str topic, int32_t partition, int64_t offset);
void places_forget_offsets(struct places_reader *reader); /* of that kind: not known */
/* The future log has its final name now: path, the places' own from here on. */
void places_finish_move(struct places *places, const struct log_place *place, char *path);
void places_claim(struct places *places, const struct log_place *place);
void places_set_aside(struct places *places, int32_t index); /* it was renamed */
/* Each log was opened, or is as the last clean stop left it: a stop now is a clean one of them all. */
bool places_are_settled(const struct places *places);
void places_add_unclaimed(
    const struct places *places, enum checkpoint_kind kind, struct checkpoint_text *text);
