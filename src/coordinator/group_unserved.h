/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of share and streams consumers, which are not served yet. Their id stays taken, and the
 * newest record of every key is kept as it stands in the log; the group is there while one is kept.
 * All that is told of such a group is read from those records when it is asked for. */
#pragma once
#include "coordinator/group.h"

struct coordinator_record;

bool unserved_group_knows(int16_t type); /* a record type ShareGroup... or StreamsGroup... */
/* Of one of those. False: the id belongs to a group of another kind that is there. */
bool unserved_group_apply(struct coordinator *coordinator, const struct coordinator_record *record);
