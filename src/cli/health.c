/* SPDX-License-Identifier: Apache-2.0 */
/* strom health: does the cluster answer, and has every partition a leader? For people and for
 * probes. A leader on a full disk still leads: that it refuses appends is in its reports. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/client.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "wire/gen/metadata.h"

static const struct option options[] = { OUTPUT_OPTION, BOOTSTRAP_OPTION, { NULL } };

struct health {
    int32_t nodes, topics, controller_id;
    int64_t partitions, leaderless, under_replicated;
};

static struct health look(const struct metadata_response *metadata)
{
    struct health health = { .nodes = metadata->brokers_count,
        .topics = metadata->topics_count,
        .controller_id = metadata->controller_id };
    for (int32_t i = 0; i < metadata->topics_count; i++) {
        for (int32_t j = 0; j < metadata->topics[i].partitions_count; j++) {
            const struct metadata_response_partition *partition =
                &metadata->topics[i].partitions[j];
            health.partitions++;
            health.leaderless += partition->leader_id < 0;
            health.under_replicated += partition->isr_nodes_count < partition->replica_nodes_count;
        }
    }
    return health;
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

static int print_health(const struct metadata_response *metadata, bool as_json)
{
    struct health health = look(metadata);
    bool is_healthy = health.leaderless == 0 && health.nodes > 0;
    if (as_json) {
        output_json(
            json_pack("{s:b, s:s%, s:i, s:i, s:i, s:I, s:I, s:I}", "healthy", (int)is_healthy,
                "cluster", metadata->cluster_id.size > 0 ? metadata->cluster_id.data : "",
                (size_t)metadata->cluster_id.size, "controller", health.controller_id, "nodes",
                health.nodes, "topics", health.topics, "partitions", (json_int_t)health.partitions,
                "without_leader", (json_int_t)health.leaderless, "under_replicated",
                (json_int_t)health.under_replicated));
    } else {
        printf("%s: cluster %.*s, %" PRId32 " node%s, %" PRId32 " topic%s, %" PRId64
               " partition%s, %" PRId64 " without leader, %" PRId64 " under-replicated\n",
            is_healthy ? "healthy" : "not healthy", STR_PRINT(metadata->cluster_id), health.nodes,
            plural(health.nodes), health.topics, plural(health.topics), health.partitions,
            plural(health.partitions), health.leaderless, health.under_replicated);
    }
    return is_healthy ? EXIT_DONE : EXIT_FAILED;
}

static int run(const struct arguments *arguments)
{
    struct metadata_response metadata;
    struct arena arena;
    bool as_json;
    int code;
    if (!output_wants_json(arguments, &as_json))
        return EXIT_MISUSED;
    arena_init(&arena);
    struct client *client = client_create(arguments, &code);
    if (client != NULL)
        code = client_metadata(client, NULL, &arena, &metadata) < 0
                   ? EXIT_UNREACHABLE
                   : print_health(&metadata, as_json);
    client_destroy(client);
    arena_deinit(&arena);
    return code;
}

const struct verb health_verbs[] = {
    { "health", "", 0, 0, "Say whether a cluster answers and every partition has a leader.",
        "Exit code 0: yes. 1: it answers, but something is wrong. 3: it does not answer.\n"
        "A full disk is not seen here: its partitions keep their leaders and serve reads, and the "
        "server reports append_failed.\n\n"
        "examples:\n  strom health\n  strom health -b node1:9092 --timeout 2 -o json\n",
        options, run },
    { NULL },
};
