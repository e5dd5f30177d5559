/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer's seat in a group: who it is there, and when it speaks next. A seat that was lost, for
 * it was silent for too long, holds no sources and joins again; that is told, and is no failure. */
#pragma once
#include "base/uuid.h"
#include "cli/consume.h"
#include "cli/group_call.h"

enum { EPOCH_JOIN = 0 };

struct seat {
    struct consumer *consumer;
    const struct place *place; /* where to begin what the group has not committed */
    struct group_call call;
    char member_id[UUID_TEXT_SIZE + 1];
    int32_t epoch;     /* EPOCH_JOIN: no member */
    bool acknowledges; /* the next heartbeat says what is held */
    int64_t beat_at_ms, commit_at_ms, interval_ms;
    int64_t held_at_ms; /* when it held a partition last */
    bool stopped;       /* by a signal */
};

int64_t seat_now_ms(const struct seat *seat);

/* Whether an answer says that the seat is lost. */
bool seat_is_lost(enum error error);
void seat_lose(struct seat *seat, enum error error);
int seat_complain(const struct seat *seat, enum error error, struct str text); /* the exit code */

/* EXIT_DONE, also when the seat was lost; or the exit code after a complaint. */

/* Everything that was printed and is not committed. */
int seat_commit(struct seat *seat);
/* Gives the sources from first on, which are new, their positions. */
int seat_place(struct seat *seat, int first);
