/* SPDX-License-Identifier: Apache-2.0 */
/* From what was said to a node's settings. */
#include <assert.h>
#include <inttypes.h>

#include "base/memory.h"
#include "base/setting.h"
#include "broker/settings_input.h"
#include "broker/settings_rows.h"

/* Put together from several keys, in this file or in settings_listeners.c. */
static bool is_composite(struct str key)
{
    static const char *const keys[] = {
        "listeners",
        "advertised.listeners",
        "listener.security.protocol.map",
        "controller.listener.names",
        "inter.broker.listener.name",
        "process.roles",
        "node.id",
        "broker.id",
        "log.dir",
        "log.dirs",
        "metadata.log.dir",
        "cordoned.log.dirs",
        "controller.quorum.voters",
        "controller.quorum.bootstrap.servers",
        "ack.durability",
        "security.inter.broker.protocol",
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (str_is(key, keys[i]))
            return true;
    }
    return false;
}

static bool is_topic_fallback(struct str key)
{
    for (int i = 0; i < topic_setting_count; i++) {
        const struct setting_fallback *fallback = topic_setting_rows[i].fallbacks;
        for (; fallback != NULL && fallback->name != NULL; fallback++) {
            if (str_is(key, fallback->name))
                return true;
        }
    }
    return false;
}

static bool starts_with_any(struct str key, const char *const *prefixes)
{
    for (; *prefixes != NULL; prefixes++) {
        if (str_starts(key, str_from(*prefixes)))
            return true;
    }
    return false;
}

/* What people set to be protected. Ignoring such a key would leave them open, so it stops the
 * start. */
static bool is_security(struct str key)
{
    static const char *const prefixes[] = { "ssl.", "sasl.", "security.", "authorizer.",
        "super.users", "allow.everyone.if.no.acl.found", "delegation.token.", "principal.builder.",
        "alter.config.policy.", "create.topic.policy.", "client.quota.callback.",
        "connections.max.reauth.ms", "early.start.listeners", "config.providers", NULL };
    return starts_with_any(key, prefixes);
}

/* Sizes of pools and samples that another design does not have, and of topics that are not made
 * yet: nothing is lost by not obeying. */
static bool is_without_meaning(struct str key)
{
    static const char *const prefixes[] = { "num.", "background.threads", "queued.max.requests",
        "metric", "kafka.metrics.", 
        "auto.include.jmx.reporter", "group.coordinator.",
        "share.coordinator.", "transaction.state.log.", "offsets.commit.timeout.ms",
        "offsets.load.buffer.size", "auto.leader.rebalance.enable",
        "controlled.shutdown.", NULL };
    return starts_with_any(key, prefixes) ||
           (key.size > 36 && memmem(key.data, (size_t)key.size, ".purgatory.", 11) != NULL);
}

static bool differs_from_unset(const struct setting *row, struct str value)
{
    struct str unset = row->unset == NULL ? STR("") : str_from(row->unset);
    return !str_equal(str_trim(value), unset);
}

/* A key of one listener is the key itself behind `listener.name.NAME.` */
static struct str without_listener(struct str key)
{
    struct str rest = key, piece;
    if (!str_starts(key, STR("listener.name.")))
        return key;
    for (int i = 0; i < 3; i++)
        str_split(&rest, '.', &piece);
    return rest;
}

/* broker/connection_limits.c takes it from what was said. */
static bool is_listener_limit(struct str key)
{
    struct str own = without_listener(key);
    return own.size < key.size &&
           (str_is(own, "max.connections") || str_is(own, "max.connection.creation.rate"));
}

static void read_listener_limit(
    struct settings_input *input, const struct settings_said *said, struct node_settings *node)
{
    const struct setting *row = node_setting_find(without_listener(said->key));
    struct str message;
    if (!setting_parse(row, said->value, &node->arena, NULL, &message))
        settings_problem(
            input, said, "%s", setting_describe_fault(row, said->value, &input->arena));
}

static void read_unknown(
    struct settings_input *input, const struct settings_said *said, struct node_settings *node)
{
    if (is_security(without_listener(said->key))) {
        settings_problem(input, said,
            "a security setting that this version does not have; it is not ignored, so remove it");
        return;
    }
    if (is_listener_limit(said->key)) {
        read_listener_limit(input, said, node);
        return;
    }
    if (str_starts(said->key, STR("listener.name."))) {
        settings_warning(input, said, "settings of single listeners have no effect");
        return;
    }
    const struct setting *nearest = node_setting_nearest(said->key);
    if (topic_setting_find(said->key) != NULL && topic_setting_find(said->key)->fallbacks != NULL)
        settings_warning(input, said,
            "unknown: it is a topic setting; for all topics it is called %s",
            topic_setting_find(said->key)->fallbacks[0].name);
    else if (nearest != NULL)
        settings_warning(input, said, "unknown setting; did you mean %s?", nearest->name);
    else
        settings_warning(input, said, "unknown setting, ignored");
}

static void read_known(struct settings_input *input, const struct settings_said *said,
    const struct setting *row, struct node_settings *node)
{
    struct str message;
    if (!setting_parse(row, said->value, &node->arena, node, &message)) {
        settings_problem(
            input, said, "%s", setting_describe_fault(row, said->value, &input->arena));
        return;
    }
    if (row->offset != SETTING_NOWHERE || is_composite(said->key) || is_topic_fallback(said->key))
        return;
    if (!differs_from_unset(row, said->value) || is_without_meaning(said->key))
        return;
    if (is_security(said->key))
        settings_problem(input, said,
            "a security setting that this version does not have; it is not ignored, so remove it");
    else
        settings_warning(input, said, "has no effect in this version");
}

/* One fallback of a topic's row: its value, in the row's unit. */
static void read_fallback(struct settings_input *input, const struct settings_said *said,
    const struct setting *row, int64_t factor, struct node_settings *node)
{
    struct str text = said->value, message;
    int64_t value;
    if (row->type == SETTING_INT64 && row->fallbacks[1].name != NULL) {
        if (!str_to_int64(str_trim(text), &value))
            return; /* the broker's own row has refused it already */
        if (value < 0)
            value = -1; /* no bound, in any unit */
        else if (__builtin_mul_overflow(value, factor, &value))
            value = INT64_MAX;
        text = str_from(arena_format(&input->arena, "%" PRId64, value));
    }
    if (!setting_parse(row, text, &node->arena, &node->topic, &message) && !said->refused)
        settings_problem(input, said, "%s", setting_describe_fault(row, text, &input->arena));
}

static void read_topic_defaults(struct settings_input *input, struct node_settings *node)
{
    for (int i = 0; i < topic_setting_count; i++) {
        const struct setting *row = &topic_setting_rows[i];
        setting_parse_unset(row, &node->arena, &node->topic);
        const struct setting_fallback *fallback = row->fallbacks;
        for (; fallback != NULL && fallback->name != NULL; fallback++) {
            const struct settings_said *said = settings_input_find(input, str_from(fallback->name));
            if (said == NULL)
                continue;
            read_fallback(input, said, row, fallback->factor, node);
            break;
        }
    }
}

static void read_directories(struct settings_input *input, struct node_settings *node)
{
    struct str list = settings_value(input, "log.dirs", NULL), piece;
    if (str_is_null(list))
        list = settings_value(input, "log.dir", node_setting_find(STR("log.dir"))->unset);
    struct str rest = list;
    node->log_dirs = arena_take_array(&node->arena, (size_t)list.size + 1, sizeof(struct str));
    while (str_split(&rest, ',', &piece)) {
        piece = str_trim(piece);
        if (piece.size == 0)
            continue;
        bool is_twice = false;
        for (int i = 0; i < node->log_dir_count; i++)
            is_twice |= str_equal(node->log_dirs[i], piece);
        if (is_twice)
            settings_problem(input, NULL, "log.dirs names %.*s twice", STR_PRINT(piece));
        else
            node->log_dirs[node->log_dir_count++] = str_copy(&node->arena, piece);
    }
    if (node->log_dir_count == 0) {
        settings_problem(
            input, NULL, "log.dirs names no directory; write one, or several with commas");
        return;
    }
    struct str metadata = settings_value(input, "metadata.log.dir", NULL);
    node->metadata_log_dir = str_is_null(metadata) || metadata.size == 0
                                 ? node->log_dirs[0]
                                 : str_copy(&node->arena, metadata);
}

static void check_cordons(struct settings_input *input, const struct node_settings *node)
{
    const struct settings_said *said = settings_input_find(input, STR("cordoned.log.dirs"));
    struct str list = said == NULL ? (struct str){ 0 } : str_trim(said->value), piece;
    while (list.size > 0 && !str_is(list, "*") && str_split(&list, ',', &piece)) {
        bool is_there = false;
        piece = str_trim(piece);
        for (int i = 0; i < node->log_dir_count; i++)
            is_there |= str_equal(node->log_dirs[i], piece);
        if (!is_there)
            settings_problem(input, said, "%.*s does not stand in log.dirs", STR_PRINT(piece));
    }
}

/* What is no number, or is too large, was refused by the key's own row. */
static int32_t read_id(struct settings_input *input, const struct settings_said *said)
{
    int64_t id;
    if (said == NULL || said->refused || !str_to_int64(str_trim(said->value), &id))
        return 1;
    if (id < 0)
        settings_problem(input, said, "not valid; it must be a whole number, at least 0");
    return id < 0 ? 1 : (int32_t)id;
}

static void read_identity(struct settings_input *input, struct node_settings *node)
{
    const struct settings_said *own = settings_input_find(input, STR("node.id"));
    const struct settings_said *old = settings_input_find(input, STR("broker.id"));
    node->node_id = read_id(input, own != NULL ? own : old);
    if (own != NULL && old != NULL && !own->refused && !old->refused &&
        read_id(input, old) != node->node_id)
        settings_problem(input, old,
            "node.id is %d, and this is its old name: both must say the same", node->node_id);

    struct str roles = settings_value(
                   input, "process.roles", node_setting_find(STR("process.roles"))->unset),
               rest = roles, piece;
    while (str_split(&rest, ',', &piece)) {
        node->is_broker |= str_is(str_trim(piece), "broker");
        node->is_controller |= str_is(str_trim(piece), "controller");
    }
    const struct settings_said *said = settings_input_find(input, STR("process.roles"));
    if ((!node->is_broker || !node->is_controller) && (said == NULL || !said->refused))
        settings_problem(input, said,
            "this version runs nodes that are both: write process.roles=broker,controller");
    const struct settings_said *cluster = settings_input_find(input, STR("cluster.id"));
    if (cluster != NULL)
        node->cluster_id = str_copy(&node->arena, str_trim(cluster->value));
}

/* A topic may say 0; a node that says it would keep nothing of anybody. */
static void check_retention(struct settings_input *input, const struct node_settings *node)
{
    static const char *const keys[] = { "log.retention.ms", "log.retention.minutes",
        "log.retention.hours" };
    const struct settings_said *said = NULL;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && said == NULL; i++)
        said = settings_input_find(input, str_from(keys[i]));
    if (said != NULL && !said->refused && node->topic.retention_ms == 0)
        settings_problem(input, said, "0 keeps nothing; it must be -1 (for ever) or at least 1");
}

/* Kafka's rule. */
static void check_overrides_exist(struct settings_input *input, const struct settings_said *said,
    const struct node_settings *node)
{
    if (node->max_connections_per_ip_overrides.size == 0)
        settings_problem(input, said,
            "0 lets nobody in; it can be 0 only when max.connections.per.ip.overrides is set");
}

static void check_overrides(struct settings_input *input, const struct node_settings *node)
{
    const struct settings_said *said =
        settings_input_find(input, STR("max.connections.per.ip.overrides"));
    if (said != NULL && !connection_overrides_are_understood(node->max_connections_per_ip_overrides))
        settings_problem(input, said, "not understood; write host:count, with commas between");
}

/* As in Kafka, which would refuse every later change of a broker's setting as well. */
static void check_cleaner(struct settings_input *input, const struct node_settings *node)
{
    const struct settings_said *buffer = settings_input_find(input, STR("log.cleaner.dedupe.buffer.size"));
    const struct settings_said *threads = settings_input_find(input, STR("log.cleaner.threads"));
    if ((buffer != NULL && buffer->refused) || (threads != NULL && threads->refused))
        return;
    if (node->cleaner_threads == 0)
        settings_problem(input, threads, "must be at least 1; log.cleaner.enable says that nothing is cleaned");
    else if (node->cleaner_dedupe_bytes / node->cleaner_threads <= CLEANER_BUFFER_LEAST)
        settings_problem(input, buffer != NULL ? buffer : threads,
            "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread: more than %d bytes for each of %" PRId32,
            CLEANER_BUFFER_LEAST, node->cleaner_threads);
}

/* What the row of a single setting cannot say. */
static void check_together(struct settings_input *input, const struct node_settings *node)
{
    const struct settings_said *said = settings_input_find(input, STR("queued.max.request.bytes"));
    if (said != NULL && !said->refused && node->queued_max_request_bytes > 0 &&
        node->queued_max_request_bytes < node->socket_request_max_bytes)
        settings_problem(input, said,
            "too small for one request: socket.request.max.bytes is %" PRId32,
            node->socket_request_max_bytes);
    said = settings_input_find(input, STR("max.connections.per.ip"));
    if (said != NULL && !said->refused && node->max_connections_per_ip == 0)
        check_overrides_exist(input, said, node);
    check_overrides(input, node);
    check_retention(input, node);
    check_cleaner(input, node);
    settings_check_groups(input, node);
}

static void resolve_from_machine(const struct settings_machine *machine, struct node_settings *node)
{
    if (node->shards == 0)
        node->shards = machine->cpu_count < 4 ? 1 : machine->cpu_count / 2;
    if (node->workers == 0)
        node->workers = machine->cpu_count < 2 ? 2 : machine->cpu_count;
    if (node->queued_max_request_bytes < 0) {
        int64_t quarter = machine->memory_size / 4, most = INT64_C(1) << 30;
        node->queued_max_request_bytes = quarter < most ? quarter : most;
    }
    if (node->queued_max_request_bytes < 1 << 20)
        node->queued_max_request_bytes = 1 << 20;
    if (node->group_memory_bytes == 0)
        node->group_memory_bytes = machine->memory_size / 4;
    if (node->dirty_bytes < 0) {
        int64_t sixteenth = machine->memory_size / 16, least = INT64_C(256) << 20;
        node->dirty_bytes = sixteenth > least ? sixteenth : least;
    }
}

bool settings_read(struct settings_input *input, const struct settings_machine *machine,
    struct node_settings *node)
{
    *node = (struct node_settings){ .input = input };
    arena_init(&node->arena);

    for (int i = 0; i < node_setting_row_count; i++)
        setting_parse_unset(&node_setting_rows[i], &node->arena, node);
    for (int i = 0; i < input->count; i++) {
        const struct settings_said *said = &input->said[i];
        const struct setting *row = node_setting_find(said->key);
        if (row != NULL)
            read_known(input, said, row, node);
        else if (!str_is(said->key, "cluster.id"))
            read_unknown(input, said, node);
    }
    read_topic_defaults(input, node);
    read_directories(input, node);
    check_cordons(input, node);
    read_identity(input, node);
    settings_read_listeners(input, machine, node);
    settings_read_voters(input, node);
    check_together(input, node);
    resolve_from_machine(machine, node);
    return input->problems == NULL;
}

void node_settings_deinit(struct node_settings *node)
{
    arena_deinit(&node->arena);
    *node = (struct node_settings){ 0 };
}
