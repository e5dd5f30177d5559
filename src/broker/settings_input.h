/* SPDX-License-Identifier: Apache-2.0 */
/* What was said to a node before it starts, and by whom: a file of Java properties, the
 * environment, --override; a later one takes the place of an earlier. Reading it checks everything
 * and tells all that is wrong at once. */
#pragma once
#include "broker/settings.h"

enum settings_source { SETTINGS_FILE, SETTINGS_ENVIRONMENT, SETTINGS_OVERRIDE };

struct settings_said {
    struct str key, value;
    enum settings_source source;
    struct str where; /* the file, or the variable's name */
    int line;         /* in the file */
    bool refused;     /* a problem names it: what follows from it is no further problem */
};

struct settings_text {
    struct settings_text *next;
    const char *text;
};

struct settings_input {
    struct arena arena;
    struct settings_said *said;
    int count, capacity;
    struct settings_text *problems, **problems_end; /* the node must not start */
    struct settings_text *warnings, **warnings_end;
};

/* What the machine says where nobody else does. */
struct settings_machine {
    int cpu_count;
    int64_t memory_size;
    struct str host_name; /* advertised for listeners on all interfaces */
};

void settings_input_init(struct settings_input *input);
void settings_input_deinit(struct settings_input *input);

void settings_input_file(struct settings_input *input, struct str path, struct str text);
/* KAFKA_NUM_PARTITIONS or STROM_NUM_PARTITIONS say num.partitions; `__` is a `_` and `___` a `-`.
 */
void settings_input_environment(struct settings_input *input, char *const *environment);
void settings_input_override(struct settings_input *input, struct str pair); /* key=value */

const struct settings_said *settings_input_find(
    const struct settings_input *input, struct str key); /* NULL: silent */

/* Fills a node's settings, which keep pointing to input. False when there are problems. */
bool settings_read(struct settings_input *input, const struct settings_machine *machine,
    struct node_settings *node);
void node_settings_deinit(struct node_settings *node);

/* For the files of settings: adds a sentence about what was said (NULL: nothing in particular). */
void settings_problem(struct settings_input *input, const struct settings_said *said,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
void settings_warning(struct settings_input *input, const struct settings_said *said,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Listeners, roles, voters: what takes several keys. settings_listeners.c */
void settings_read_listeners(struct settings_input *input, const struct settings_machine *machine,
    struct node_settings *node);
void settings_read_voters(struct settings_input *input, struct node_settings *node);
void settings_check_groups(struct settings_input *input, const struct node_settings *node);
struct str settings_value(const struct settings_input *input, const char *key, const char *unset);
