/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/kind.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "sim/sim.h"

static const char fixed_settings[] =
    "process.roles=broker,controller\n"
    "node.id=1\n"
    "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
    "advertised.listeners=PLAINTEXT://node:9092,CONTROLLER://node:9093\n"
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
    "controller.listener.names=CONTROLLER\n"
    "controller.quorum.bootstrap.servers=node:9093\n"
    "log.cleaner.backoff.ms=100\n"
    "log.segment.bytes=1048576\n"
    "log.retention.ms=-1\n"
    "log.initial.task.delay.ms=600\n"
    "log.message.timestamp.after.max.ms=9223372036854775807\n"
    "socket.request.max.bytes=1048576\n"
    "offsets.topic.replication.factor=1\n";

enum { VALUES_MOST = 4 };

struct drawn_setting {
    const char *name, *values[VALUES_MOST]; /* NULL: no more */
};

static const struct drawn_setting drawn_settings[] = {
    { "log.dirs", { "/data", "/data,/disk" } },
    { "strom.shards", { "1", "2", "3" } },
    { "strom.cache.bytes", { "67108864", "-1" } },
    { "strom.dirty.bytes", { "-1", "-1", "20000", "1" } },
    { "log.roll.ms", { "3000", "500", "100000", "60" } },
    { "log.index.interval.bytes", { "1000", "1", "4096" } },
    { "log.segment.delete.delay.ms", { "60000", "200" } },
    { "log.retention.check.interval.ms", { "300000", "700", "150" } },
    { "max.incremental.fetch.session.cache.slots", { "1000", "1" } },
    { "queued.max.request.bytes", { "-1", "4194304" } },
    { "metadata.log.max.snapshot.interval.ms", { "3600000", "900" } },
    { "metadata.log.max.record.bytes.between.snapshots", { "20971520", "2000" } },
    { "metadata.log.segment.ms", { "604800000", "1500" } },
    { "metadata.max.retention.bytes", { "104857600", "5000" } },
};
enum { DRAWN_SETTING_COUNT = sizeof(drawn_settings) / sizeof(drawn_settings[0]) };

/* The clock of the node may jump by years, and no offset is to go for that. */
static const struct drawn_setting group_settings[] = {
    { "offsets.topic.num.partitions", { "1", "2", "5" } },
    { "offsets.topic.segment.bytes", { "104857600", "1048576" } },
    { "offsets.topic.compression.codec", { "0", "0", "1", "4" } },
    { "offsets.retention.minutes", { "21038400" } },
    { "offsets.retention.check.interval.ms", { "600000", "700" } },
    { "group.initial.rebalance.delay.ms", { "3000", "0", "200" } },
    { "strom.group.assign.at.once", { "1000000", "0", "8" } },
    { "group.consumer.assignment.interval.ms", { "1000", "0", "200" } },
};
enum { GROUP_SETTING_COUNT = sizeof(group_settings) / sizeof(group_settings[0]) };

static void draw_settings(struct sim *sim, const struct drawn_setting *settings, size_t setting_count, char *text, size_t size)
{
    int used = (int)strlen(text);
    for (size_t i = 0; i < setting_count; i++) {
        uint64_t count = 0;
        while (count < VALUES_MOST && settings[i].values[count] != NULL)
            count++;
        used += snprintf(text + used, size - (size_t)used, "%s=%s\n", settings[i].name, settings[i].values[sim_draw(sim, count)]);
    }
}

bool kind_draw(struct kind *kind, struct sim *sim, bool has_groups)
{
    const struct settings_machine machine = {
        .cpu_count = 4, .memory_size = INT64_C(1) << 30, .host_name = STR("node")
    };
    char drawn[3000] = "";
    draw_settings(sim, drawn_settings, DRAWN_SETTING_COUNT, drawn, sizeof(drawn));
    if (has_groups)
        draw_settings(sim, group_settings, GROUP_SETTING_COUNT, drawn, sizeof(drawn));
    kind->has_two_directories = strstr(drawn, "/disk") != NULL;
    settings_input_init(&kind->input);
    settings_input_file(&kind->input, STR("fixed.properties"), str_from(fixed_settings));
    settings_input_file(&kind->input, STR("drawn.properties"), str_from(drawn));
    if (settings_read(&kind->input, &machine, &kind->settings))
        return true;
    for (const struct settings_text *problem = kind->input.problems; problem != NULL;
         problem = problem->next)
        fprintf(stderr, "%s\n", problem->text);
    return false;
}

void kind_deinit(struct kind *kind)
{
    node_settings_deinit(&kind->settings);
    settings_input_deinit(&kind->input);
}
