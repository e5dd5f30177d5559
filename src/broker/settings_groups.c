/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of the settings of groups together. Rules and words are Kafka's, which checks
 * those of kinds that are not served here as well: a file that starts one must start the other. */
#include <inttypes.h>

#include "base/setting.h"
#include "broker/settings_input.h"
#include "wire/compress.h"

#define AT_LEAST "greater than or equal to"
#define AT_MOST "less than or equal to"
#define LESS "less than"

struct rule {
    const char *key, *relation, *other;
};

static const char *const kinds[] = { "consumer", "share", "streams" };
static const struct rule rules_of_each[] = {
    { "max.heartbeat.interval.ms", AT_LEAST, "min.heartbeat.interval.ms" },
    { "heartbeat.interval.ms", AT_LEAST, "min.heartbeat.interval.ms" },
    { "heartbeat.interval.ms", AT_MOST, "max.heartbeat.interval.ms" },
    { "max.session.timeout.ms", AT_LEAST, "min.session.timeout.ms" },
    { "session.timeout.ms", AT_LEAST, "min.session.timeout.ms" },
    { "session.timeout.ms", AT_MOST, "max.session.timeout.ms" },
    { "heartbeat.interval.ms", LESS, "session.timeout.ms" },
    { "max.assignment.interval.ms", AT_LEAST, "min.assignment.interval.ms" },
    { "assignment.interval.ms", AT_LEAST, "min.assignment.interval.ms" },
    { "assignment.interval.ms", AT_MOST, "max.assignment.interval.ms" },
};
static const struct rule rules_of_share[] = {
    { "max.delivery.count.limit", AT_LEAST, "delivery.count.limit" },
    { "delivery.count.limit", AT_LEAST, "min.delivery.count.limit" },
    { "max.partition.max.record.locks", AT_LEAST, "partition.max.record.locks" },
    { "partition.max.record.locks", AT_LEAST, "min.partition.max.record.locks" },
    { "record.lock.duration.ms", AT_LEAST, "min.record.lock.duration.ms" },
    { "max.record.lock.duration.ms", AT_LEAST, "record.lock.duration.ms" },
    { "max.share.sessions", AT_LEAST, "max.size" },
};
static const struct rule rules_of_streams[] = {
    { "num.standby.replicas", AT_MOST, "max.standby.replicas" },
    { "task.offset.interval.ms", AT_LEAST, "min.task.offset.interval.ms" },
    { "num.warmup.replicas", AT_MOST, "max.warmup.replicas" },
};

/* False: a problem names the key already. */
static bool read_number(const struct settings_said *said, const char *key, int64_t *out)
{
    struct str unset = str_from(node_setting_find(str_from(key))->unset);
    return (said == NULL || !said->refused) &&
           str_to_int64(said == NULL ? unset : str_trim(said->value), out);
}

static void check(struct settings_input *input, const char *kind, const struct rule *rule)
{
    const char *key = arena_format(&input->arena, "group.%s.%s", kind, rule->key);
    const char *other_key = arena_format(&input->arena, "group.%s.%s", kind, rule->other);
    const struct settings_said *said = settings_input_find(input, str_from(key));
    const struct settings_said *other_said = settings_input_find(input, str_from(other_key));
    int64_t value, other;
    if (!read_number(said, key, &value) || !read_number(other_said, other_key, &other))
        return;
    bool holds = strcmp(rule->relation, AT_LEAST) == 0  ? value >= other
                 : strcmp(rule->relation, AT_MOST) == 0 ? value <= other
                                                        : value < other;
    if (!holds)
        settings_problem(input, said != NULL ? said : other_said,
            "%s must be %s %s: they are %" PRId64 " and %" PRId64, key, rule->relation, other_key,
            value, other);
}

static void check_all(
    struct settings_input *input, const char *kind, const struct rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(input, kind, &rules[i]);
}

#define COUNT(rules) (sizeof(rules) / sizeof((rules)[0]))

void settings_check_groups(struct settings_input *input, const struct node_settings *node)
{
    const struct settings_said *codec =
        settings_input_find(input, STR("offsets.topic.compression.codec"));
    if (node->offsets_topic_codec < 0 || node->offsets_topic_codec >= CODEC_COUNT)
        settings_problem(input, codec,
            "Unknown compression type id: %" PRId32 "; it must be from 0 to %d",
            node->offsets_topic_codec, CODEC_COUNT - 1);
    if ((node->group_protocols & GROUP_PROTOCOL_CLASSIC) == 0)
        settings_problem(input,
            settings_input_find(input, STR("group.coordinator.rebalance.protocols")),
            "Disabling the 'classic' protocol is not supported.");
    for (size_t i = 0; i < COUNT(kinds); i++)
        check_all(input, kinds[i], rules_of_each, COUNT(rules_of_each));
    check_all(input, "share", rules_of_share, COUNT(rules_of_share));
    check_all(input, "streams", rules_of_streams, COUNT(rules_of_streams));
}
