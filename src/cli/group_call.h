/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the coordinator of one group: finds it, waits while it loads, finds it again when it moved.
 * What it answers besides is the caller's to judge. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "error.h"

struct client;

struct group_call {
    struct client *client;
    const char *group;
    int32_t node_id; /* -1: not found yet */
};

struct group_call group_call_to(struct client *client, const char *group);

/* EXIT_DONE with what the answer says of the group in *out_error, or the exit code after a
 * complaint. The request must be about this group alone; of OffsetCommit the error of the first
 * partition counts. */
int group_call(struct group_call *call, int16_t api, const void *request, struct arena *arena,
    void *out_response, enum error *out_error);

/* Complains of an error in words for people; text (may be null) is the coordinator's own. The exit
 * code that fits. */
int group_complain(const char *group, enum error error, struct str text);
