/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that a command line names: [FILE] [--override key=value]..., over the
 * environment. What is wrong with it is printed, all at once. */
#pragma once
#include "broker/settings_input.h"

struct arguments;
struct io;

struct configuration {
    struct settings_input input;
    struct node_settings node;
};

#define OVERRIDE_OPTION                                                                            \
    {                                                                                              \
        "override", 'O', "KEY=VALUE",                                                              \
            "Set one setting, over file and environment. May be repeated."                         \
    }

/* file NULL: none. False after the complaints; then, too, call configuration_deinit(). */
bool configuration_load(struct configuration *configuration, struct io *io, const char *file,
    const struct arguments *arguments);
void configuration_report_warnings(
    const struct configuration *configuration); /* what has no effect; once reports go out */
void configuration_deinit(struct configuration *configuration);
void configuration_print(
    const struct configuration *configuration); /* every effective setting, and who said it */
void configuration_print_known(
    void); /* docs/settings.md: every setting that means something here */
