/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/wisher.h"

#include "base/container.h"
#include "error.h"
#include "sim/topics.h"
#include "sim/workload.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/metadata.h"

struct wish {
    const char *name; /* NULL: one that is taken */
    int32_t partitions;
    int16_t replicas;
    const char *key; /* of a setting; NULL: none */
    bool validate_only;
    int16_t error;
};

static const struct wish wishes[] = {
    { NULL, 1, 1, NULL, true, ERROR_TOPIC_ALREADY_EXISTS }, /* it may go before the wish is heard */
    { "not a name", 1, 1, NULL, false, ERROR_INVALID_TOPIC_EXCEPTION },
    { "..", 1, 1, NULL, false, ERROR_INVALID_TOPIC_EXCEPTION },
    { "wish-without-partitions", 0, 1, NULL, false, ERROR_INVALID_PARTITIONS },
    { "wish-of-less-than-none", -7, 1, NULL, false, ERROR_INVALID_PARTITIONS },
    { "wish-of-three-replicas", 1, 3, NULL, false, ERROR_INVALID_REPLICATION_FACTOR },
    { "wish-of-no-replicas", 1, 0, NULL, false, ERROR_INVALID_REPLICATION_FACTOR },
    { "wish-with-settings", 1, 1, "no.such.setting", false, ERROR_INVALID_CONFIG },
    { "wish-to-validate", 1, 1, NULL, true, ERROR_NONE },
};
enum { WISH_COUNT = sizeof(wishes) / sizeof(wishes[0]) };

static struct wisher *wisher_of(struct actor *actor)
{
    return container_of(actor, struct wisher, actor);
}

static void hear_creation(struct actor *actor)
{
    struct wisher *wisher = wisher_of(actor);
    const struct create_topics_response *response = actor->client.response;
    int16_t error = response->topics_count == 1 ? response->topics[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    bool is_gone = wisher->taken != NULL && wisher->taken->state != TOPIC_THERE;
    if (error != wisher->wish->error && !is_gone && (error == ERROR_NONE || !error_is_passing(error)))
        recorder_violate(actor->workload->recorder, "wish_is_answered_otherwise", "actor=%s topic=%s error=%d right=%d", actor->name,
            wisher->taken != NULL ? wisher->taken->name : wisher->wish->name, error, wisher->wish->error);
    actor_wait(actor, 1000000);
}

static void wish_for(struct wisher *wisher)
{
    struct actor *actor = &wisher->actor;
    const struct wish *wish = wisher->wish;
    struct create_topics_creatable_topic topic;
    struct create_topics_creatable_topic_config config;
    struct create_topics_request request;
    message_defaults(&create_topics_request_schema, &request);
    shape_set_defaults(&create_topics_creatable_topic_shape, &topic);
    shape_set_defaults(&create_topics_creatable_topic_config_shape, &config);
    config.name = str_from(wish->key != NULL ? wish->key : "");
    config.value = STR("1");
    topic.name = str_from(wisher->taken != NULL ? wisher->taken->name : wish->name);
    topic.num_partitions = wish->partitions;
    topic.replication_factor = wish->replicas;
    topic.configs = &config;
    topic.configs_count = wish->key != NULL;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    request.validate_only = wish->validate_only;
    actor->hear = hear_creation;
    actor_ask(actor, API_CREATE_TOPICS, 1, INT16_MAX, &request);
}

static void hear_topics(struct actor *actor)
{
    const struct metadata_response *response = actor->client.response;
    for (int32_t i = 0; i < response->topics_count; i++)
        for (int wish = 0; wish < WISH_COUNT; wish++)
            if (wishes[wish].name != NULL && str_is(response->topics[i].name, wishes[wish].name))
                recorder_violate(actor->workload->recorder, "wish_came_true", "topic=%s", wishes[wish].name);
    actor_wait(actor, 1000000);
}

static void look(struct actor *actor)
{
    struct metadata_request request;
    message_defaults(&metadata_request_schema, &request);
    request.topics = NULL;
    request.topics_count = -1;
    actor->hear = hear_topics;
    actor_ask(actor, API_METADATA, 1, INT16_MAX, &request);
}

static void act_as_wisher(struct actor *actor)
{
    struct wisher *wisher = wisher_of(actor);
    const struct topics *topics = &actor->workload->topics;
    wisher->wish = &wishes[actor_draw(actor, WISH_COUNT)];
    wisher->taken = wisher->wish->name == NULL ? topics_there(topics, actor_draw(actor, topics_count_there(topics) + 1)) : NULL;
    if (actor->workload->draining || (wisher->wish->name == NULL && wisher->taken == NULL))
        actor_set_idle(actor);
    else if (actor_draw(actor, 5) == 0)
        look(actor);
    else
        wish_for(wisher);
}

void wisher_start(struct wisher *wisher, struct workload *workload)
{
    actor_start(&wisher->actor, workload, "wisher", 0, act_as_wisher);
}
