/* SPDX-License-Identifier: Apache-2.0 */
/* Who says a setting, and what: DescribeConfigs tells the value that holds and, behind it, all that
 * would hold without it. A broker's key is said by this broker's and then by all brokers' settings
 * in the metadata log, then by what the node was started with, then by its default; a key of hours
 * is behind that of minutes, this behind that of milliseconds. Numbers of sources are the
 * protocol's. */
#pragma once
#include "base/arena.h"
#include "base/setting.h"
#include "base/str.h"

struct image;
struct node_settings;

enum setting_source {
    SOURCE_TOPIC = 1,
    SOURCE_BROKER = 2,
    SOURCE_CLUSTER = 3, /* the default of all brokers */
    SOURCE_FILE = 4,
    SOURCE_DEFAULT = 5,
    SOURCE_LOGGER = 6,
    SOURCE_CLIENT_METRICS = 7,
    SOURCE_GROUP = 8,
};

/* A key and what is said under it, as it was written. */
struct setting_voice {
    struct str name, value;
    enum setting_source source;
};

struct setting_voices {
    struct setting_voice *list; /* the first holds */
    int32_t count;
};

struct setting_view {
    const struct node_settings *node;
    const struct image *image; /* NULL: nothing is said while running */
    struct arena *arena;
    struct str own; /* this broker's name */
};

void setting_view_init(struct setting_view *view, const struct node_settings *node,
    const struct image *image, struct arena *arena);

/* The row of a broker's key; of `listener.name.NAME.key` that of key. NULL: nobody knows it. */
const struct setting *broker_setting_row(struct str key);
/* `listener.name.NAME.key` gives key, else the key itself. */
struct str broker_setting_base(struct str key);
bool broker_setting_is_live(struct str key); /* may change while the node runs */

/* A limit of connections that would let nobody in, so that nobody could take it back. Of a file it is
 * taken, which can be changed. */
bool broker_limit_locks_out(struct str key, struct str text);

struct setting_voices broker_setting_voices(const struct setting_view *view, struct str key);
/* What holds for exactly this key, in normal form; what does not parse is passed over. Null:
 * nothing, or the key is unknown. */
struct str broker_setting_value(const struct setting_view *view, struct str key);

/* What a topic gets that does not say the row's key, in normal form and the row's unit; and who
 * says it. */
struct str topic_setting_inherited(const struct setting_view *view, const struct setting *row);
struct setting_voices topic_setting_inherited_voices(
    const struct setting_view *view, const struct setting *row);

/* What a resource itself says, in normal form; null: nothing, or it does not parse. */
struct str resource_setting_value(const struct setting_view *view, int8_t resource_type,
    struct str name, const struct setting *row);
struct setting_voices setting_voices_behind(
    const struct setting_view *view, struct setting_voice first, struct setting_voices rest);
