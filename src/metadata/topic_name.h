/* SPDX-License-Identifier: Apache-2.0 */
/* Which names a topic may have. */
#pragma once
#include "base/str.h"

enum { TOPIC_NAME_MAX = 249 };

/* NULL when it is a name, else Kafka's sentence why not, in the arena or constant. */
const char *topic_name_fault(struct arena *arena, struct str name);
