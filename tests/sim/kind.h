/* SPDX-License-Identifier: Apache-2.0 */
/* What kind of node a seed has: its settings, of which some are drawn. They are small where that makes things happen in a minute
 * that take a production node a week. */
#pragma once
#include <stdbool.h>

#include "broker/settings.h"
#include "broker/settings_input.h"

struct sim;

struct kind {
    struct settings_input input; /* what the settings point to */
    struct node_settings settings;
    bool has_two_directories;
};

/* False: they are refused, and standard error says why. */
bool kind_draw(struct kind *kind, struct sim *sim, bool has_groups);
void kind_deinit(struct kind *kind);
