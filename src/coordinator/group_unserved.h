/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of share and streams consumers, which are not served yet: their records stay in the log
 * untouched, and their ids stay taken. */
#pragma once
#include "coordinator/group.h"

struct coordinator_record;

/* A record of one of the types ShareGroup* and StreamsGroup*. */
void unserved_group_apply(struct coordinator *coordinator, const struct coordinator_record *record);
