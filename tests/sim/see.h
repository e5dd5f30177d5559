/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the disk of a machine from outside, whether a process runs there or not. Nothing is
 * changed, and no random number is drawn. What is handed out is good until the next event. */
#pragma once
#include <stdbool.h>

#include "base/bytes.h"

struct machine;

/* The bytes of a file as the system sees them, or as they are durable, under a durable name
 * or (synced) the one that the system sees; data NULL: there is none. */
struct bytes see_file(const struct machine *machine, const char *path);
struct bytes see_durable_file(const struct machine *machine, const char *path);
struct bytes see_synced_file(const struct machine *machine, const char *path);

/* Calls for each name in a directory, as the system sees it, or as it is durable. False: there is no such directory. */
bool see_names(const struct machine *machine, const char *path,
    void (*visit)(void *context, const char *name), void *context);
bool see_durable_names(const struct machine *machine, const char *path,
    void (*visit)(void *context, const char *name), void *context);
