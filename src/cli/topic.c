/* SPDX-License-Identifier: Apache-2.0 */
/* strom topic: create, list, describe, alter, delete. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/metadata.h"

static const struct option create_options[] = {
    { "partitions", 'p', "N", "How many. Default: the cluster's num.partitions." },
    { "replication-factor", 'r', "N",
        "Replicas of each. Default: the cluster's default.replication.factor." },
    { "config", 'c', "KEY=VALUE",
        "A topic setting, such as retention.ms=3600000. May be repeated." },
    { "if-not-exists", 0, NULL, "It is fine when the topic is there." },
    { "validate-only", 0, NULL, "Only say whether it would work." },
    BOOTSTRAP_OPTION,
    { NULL },
};

static bool read_configs(const struct arguments *arguments, struct arena *arena,
    struct create_topics_creatable_topic *topic)
{
    const char *text;
    topic->configs =
        MESSAGE_TAKE(create_topics_creatable_topic_config, arena, arguments->value_count + 1);
    topic->configs_count = 0;
    for (int position = 0; (text = argument_after(arguments, "config", &position)) != NULL;) {
        struct str value = str_from(text), name;
        str_split(&value, '=', &name);
        if (str_is_null(value)) {
            complain("--config %s: write KEY=VALUE", text);
            return false;
        }
        topic->configs[topic->configs_count].name = str_trim(name);
        topic->configs[topic->configs_count++].value = value;
    }
    return true;
}

static int create(struct client *client, const struct arguments *arguments,
    struct create_topics_request *request, struct arena *arena)
{
    struct create_topics_response response;
    const char *name = arguments->words[0];
    if (client_call(client, -1, API_CREATE_TOPICS, request, arena, &response) < 0)
        return EXIT_UNREACHABLE;
    if (response.topics_count != 1) {
        complain("the answer says nothing about topic %s", name);
        return EXIT_FAILED;
    }
    const struct create_topics_creatable_topic_result *result = &response.topics[0];
    if (result->error_code == ERROR_TOPIC_ALREADY_EXISTS &&
        argument_given(arguments, "if-not-exists")) {
        printf("topic %s is there already\n", name);
        return EXIT_DONE;
    }
    if (result->error_code != ERROR_NONE)
        return client_complain(name, result->error_code, result->error_message);
    printf("%s topic %s", request->validate_only ? "could create" : "created", name);
    if (result->num_partitions > 0)
        printf(" with %" PRId32 " partition%s, %d replica%s each", result->num_partitions,
            result->num_partitions == 1 ? "" : "s", result->replication_factor,
            result->replication_factor == 1 ? "" : "s");
    putchar('\n');
    return EXIT_DONE;
}

static int run_create(const struct arguments *arguments)
{
    int64_t partitions = -1, replicas = -1;
    if (!argument_number(arguments, "partitions", 1, INT32_MAX, &partitions) ||
        !argument_number(arguments, "replication-factor", 1, INT16_MAX, &replicas))
        return EXIT_MISUSED;
    struct arena arena;
    arena_init(&arena);
    struct create_topics_request request;
    message_defaults(&create_topics_request_schema, &request);
    request.topics = MESSAGE_TAKE(create_topics_creatable_topic, &arena, 1);
    request.topics_count = 1;
    request.topics[0].name = str_from(arguments->words[0]);
    request.topics[0].num_partitions = (int32_t)partitions;
    request.topics[0].replication_factor = (int16_t)replicas;
    request.timeout_ms = 30000;
    request.validate_only = argument_given(arguments, "validate-only");

    int code = EXIT_MISUSED;
    struct client *client = NULL;
    if (read_configs(arguments, &arena, &request.topics[0]))
        client = client_create(arguments, &code);
    if (client != NULL)
        code = create(client, arguments, &request, &arena);
    client_destroy(client);
    arena_deinit(&arena);
    return code;
}

static const struct option list_options[] = {
    { "internal", 0, NULL, "Also those of the cluster itself." },
    OUTPUT_OPTION,
    BOOTSTRAP_OPTION,
    { NULL },
};

static json_t *topic_row(const struct metadata_response_topic *topic)
{
    int32_t replicas = topic->partitions_count > 0 ? topic->partitions[0].replica_nodes_count : 0;
    char id[UUID_TEXT_SIZE + 1];
    uuid_print(topic->topic_id, id);
    return json_pack("{s:s%, s:i, s:i, s:s}", "topic", topic->name.data, (size_t)topic->name.size,
        "partitions", topic->partitions_count, "replicas", replicas, "id", id);
}

static int list(struct client *client, const struct arguments *arguments, bool as_json)
{
    struct metadata_response metadata;
    struct arena arena;
    arena_init(&arena);
    int code = EXIT_UNREACHABLE;
    if (client_metadata(client, NULL, &arena, &metadata) == 0) {
        json_t *rows = json_array();
        for (int32_t i = 0; i < metadata.topics_count; i++) {
            if (!metadata.topics[i].is_internal || argument_given(arguments, "internal"))
                json_array_append_new(rows, topic_row(&metadata.topics[i]));
        }
        output_rows(rows, as_json);
        code = EXIT_DONE;
    }
    arena_deinit(&arena);
    return code;
}

static int run_list(const struct arguments *arguments)
{
    return client_run_table(arguments, list);
}

static const struct option describe_options[] = { OUTPUT_OPTION, BOOTSTRAP_OPTION, { NULL } };

static json_t *node_array(const int32_t *ids, int32_t count)
{
    json_t *array = json_array();
    for (int32_t i = 0; i < count; i++)
        json_array_append_new(array, json_integer(ids[i]));
    return array;
}

static int describe(struct client *client, const struct arguments *arguments, bool as_json)
{
    const char *name = arguments->words[0];
    struct metadata_response_topic topic;
    struct arena arena;
    arena_init(&arena);
    int code = client_topic(client, name, &arena, &topic);
    if (code == EXIT_DONE) {
        json_t *rows = json_array();
        for (int32_t i = 0; i < topic.partitions_count; i++) {
            const struct metadata_response_partition *partition = &topic.partitions[i];
            json_array_append_new(rows,
                json_pack("{s:s, s:i, s:i, s:i, s:o, s:o, s:o}", "topic", name, "partition",
                    partition->partition_index, "leader", partition->leader_id, "epoch",
                    partition->leader_epoch, "replicas",
                    node_array(partition->replica_nodes, partition->replica_nodes_count), "isr",
                    node_array(partition->isr_nodes, partition->isr_nodes_count), "offline",
                    node_array(partition->offline_replicas, partition->offline_replicas_count)));
        }
        output_rows(rows, as_json);
    }
    arena_deinit(&arena);
    return code;
}

static int run_describe(const struct arguments *arguments)
{
    return client_run_table(arguments, describe);
}

static const struct option alter_options[] = {
    { "partitions", 'p', "N",
        "How many it shall have; more than now. Keys may then go elsewhere." },
    { "validate-only", 0, NULL, "Only say whether it would work." },
    BOOTSTRAP_OPTION,
    { NULL },
};

static int alter(struct client *client, const struct arguments *arguments, int32_t partitions)
{
    const char *name = arguments->words[0];
    struct create_partitions_topic topic = {
        .name = str_from(name), .count = partitions, .assignments_count = -1
    };
    struct create_partitions_request request = { .topics = &topic,
        .topics_count = 1,
        .timeout_ms = 30000,
        .validate_only = argument_given(arguments, "validate-only") };
    struct create_partitions_response response;
    struct arena arena;
    arena_init(&arena);

    int code = EXIT_UNREACHABLE;
    if (client_call(client, -1, API_CREATE_PARTITIONS, &request, &arena, &response) == 0 &&
        response.results_count == 1) {
        const struct create_partitions_topic_result *result = &response.results[0];
        code = result->error_code == ERROR_NONE
                   ? EXIT_DONE
                   : client_complain(name, result->error_code, result->error_message);
        if (code == EXIT_DONE)
            printf("topic %s %s %" PRId32 " partition%s\n", name,
                request.validate_only ? "could have" : "has now", partitions,
                partitions == 1 ? "" : "s");
    }
    arena_deinit(&arena);
    return code;
}

static int run_alter(const struct arguments *arguments)
{
    int64_t partitions = 0;
    if (!argument_number(arguments, "partitions", 1, INT32_MAX, &partitions))
        return EXIT_MISUSED;
    if (partitions == 0) {
        complain("say what to change: --partitions N");
        return EXIT_MISUSED;
    }
    int code;
    struct client *client = client_create(arguments, &code);
    if (client != NULL)
        code = alter(client, arguments, (int32_t)partitions);
    client_destroy(client);
    return code;
}

static const struct option delete_options[] = {
    { "if-exists", 0, NULL, "It is fine when the topic is not there." },
    BOOTSTRAP_OPTION,
    { NULL },
};

static int delete_topic(struct client *client, const struct arguments *arguments)
{
    const char *name = arguments->words[0];
    struct delete_topics_request request;
    struct delete_topics_response response;
    struct arena arena;
    arena_init(&arena);
    message_defaults(&delete_topics_request_schema, &request);
    struct str plain = str_from(name);
    request.topics = MESSAGE_TAKE(delete_topics_delete_topic_state, &arena, 1);
    request.topics[0].name = plain;
    request.topics_count = 1;
    request.topic_names = &plain; /* older versions name topics only */
    request.topic_names_count = 1;
    request.timeout_ms = 30000;

    int code = EXIT_UNREACHABLE;
    if (client_call(client, -1, API_DELETE_TOPICS, &request, &arena, &response) == 0 &&
        response.responses_count == 1) {
        const struct delete_topics_deletable_topic_result *result = &response.responses[0];
        bool is_fine = result->error_code == ERROR_NONE ||
                       (result->error_code == ERROR_UNKNOWN_TOPIC_OR_PARTITION &&
                           argument_given(arguments, "if-exists"));
        code =
            is_fine ? EXIT_DONE : client_complain(name, result->error_code, result->error_message);
        if (code == EXIT_DONE)
            printf(
                result->error_code == ERROR_NONE ? "deleted topic %s\n" : "there is no topic %s\n",
                name);
    }
    arena_deinit(&arena);
    return code;
}

static int run_delete(const struct arguments *arguments)
{
    int code;
    struct client *client = client_create(arguments, &code);
    if (client != NULL)
        code = delete_topic(client, arguments);
    client_destroy(client);
    return code;
}

const struct verb topic_verbs[] = {
    { "topic create", "NAME", 1, 1, "Create a topic.",
        "examples:\n"
        "  strom topic create hello --partitions 3\n"
        "  strom topic create events --partitions 12 --config retention.ms=3600000 "
        "--bootstrap-server node1:9092\n",
        create_options, run_create },
    { "topic list", "", 0, 0, "List the topics.", "examples:\n  strom topic list -o json\n",
        list_options, run_list },
    { "topic describe", "NAME", 1, 1,
        "Show a topic's partitions, who leads them and who is in sync.",
        "examples:\n  strom topic describe hello\n", describe_options, run_describe },
    { "topic alter", "NAME", 1, 1, "Give a topic more partitions.",
        "examples:\n  strom topic alter hello --partitions 6\n", alter_options, run_alter },
    { "topic delete", "NAME", 1, 1, "Delete a topic and its records.",
        "examples:\n  strom topic delete hello\n", delete_options, run_delete },
    { NULL },
};
