/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/admin.h"

#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "error.h"
#include "sim/sim.h"
#include "sim/topics.h"
#include "sim/workload.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/metadata.h"

enum { CONFIGS_MOST = 5 };

static struct admin *admin_of(struct actor *actor)
{
    return container_of(actor, struct admin, actor);
}

/* ---- Is it there? ---- */

static void look_for(struct admin *admin, struct topic *topic)
{
    admin->topic = topic;
    admin->must_look = true;
}

static void lose_look(struct actor *actor)
{
    admin_of(actor)->must_look = true;
}

static void find_absent(struct actor *actor, struct topic *topic)
{
    actor_note(actor, "ok", "get", topic->name_key, VALUE_NONE, OFFSET_NONE);
    if (topic->state == TOPIC_ASKED_FOR || topic->state == TOPIC_GOING)
        topic->state = TOPIC_GONE;
}

static void find_present(struct actor *actor, struct topic *newest, const struct metadata_response_topic *answer)
{
    struct topic *topic = topics_learn(&actor->workload->topics, newest->name, answer->topic_id);
    actor_note(actor, "ok", "get", newest->name_key, topic == NULL ? VALUE_DAMAGED : topic->value, OFFSET_NONE);
    if (topic == NULL)
        return;
    int32_t promised = admin_of(actor)->partitions_promised;
    if (topic == newest && answer->partitions_count < promised)
        recorder_violate(actor->workload->recorder, "partitions_are_lost", "topic=%s count=%d promised=%d", topic->name,
            answer->partitions_count, promised);
    topic->partition_count = answer->partitions_count;
    if (topic != newest && newest->state == TOPIC_ASKED_FOR)
        newest->state = TOPIC_GONE; /* an older one is in its place */
    topic->state = topic->is_unwanted ? TOPIC_GOING : TOPIC_THERE;
}

static void hear_look(struct actor *actor)
{
    struct admin *admin = admin_of(actor);
    const struct metadata_response *response = actor->client.response;
    struct topic *newest = topics_named(&actor->workload->topics, admin->topic->name);
    int16_t error = response->topics_count == 1 ? response->topics[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    if (error == ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
        find_absent(actor, newest);
    } else if (actor_succeeded(actor, error, "metadata")) {
        find_present(actor, newest, &response->topics[0]);
    } else {
        admin->must_look = true;
        return;
    }
    actor_wait(actor, 200000);
}

static void look(struct admin *admin)
{
    struct actor *actor = &admin->actor;
    struct metadata_request_topic topic;
    struct metadata_request request;
    struct topic *newest = admin->topic;
    admin->must_look = false;
    admin->partitions_promised = newest->partitions_promised;
    shape_set_defaults(&metadata_request_topic_shape, &topic);
    message_defaults(&metadata_request_schema, &request);
    topic.name = str_from(newest->name);
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    actor->hear = hear_look;
    actor->lose = lose_look;
    actor_note(actor, "invoke", "get", newest->name_key, VALUE_NONE, OFFSET_NONE);
    actor_ask(actor, API_METADATA, 10, INT16_MAX, &request);
}

/* Over another connection, so of another shard, or when it likes: who was told that something is done must see it. */
static void look_soon(struct actor *actor)
{
    bool is_soon = actor_draw(actor, 2) == 0;
    if (is_soon)
        client_hang_up(&actor->client);
    actor_wait(actor, is_soon ? 1 : 200000);
}

/* ---- Creation ---- */

static void lose_creation(struct actor *actor)
{
    struct admin *admin = admin_of(actor);
    actor_note(actor, "info", "set", admin->topic->name_key, admin->topic->value, OFFSET_NONE);
    look_for(admin, admin->topic);
}

static void hear_creation(struct actor *actor)
{
    struct admin *admin = admin_of(actor);
    const struct create_topics_response *response = actor->client.response;
    struct topic *topic = admin->topic;
    int16_t error = response->topics_count == 1 ? response->topics[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    bool exists = error == ERROR_TOPIC_ALREADY_EXISTS;
    look_for(admin, topic); /* finds out its id, or what is there instead */
    if (!exists && !actor_succeeded(actor, error, "create_topics") && !error_is_certain(error)) {
        actor_note(actor, "info", "set", topic->name_key, topic->value, OFFSET_NONE);
    } else if (error != ERROR_NONE) {
        actor_note(actor, "fail", "set", topic->name_key, topic->value, OFFSET_NONE);
        topic->state = TOPIC_REFUSED;
    } else {
        actor_note(actor, "ok", "set", topic->name_key, topic->value, OFFSET_NONE);
        topic->is_unsure = false;
        actor->workload->created_count++;
    }
    if (exists || error == ERROR_NONE)
        look_soon(actor);
}

/* So that within seconds there are segments that may go, and others that may not. */
static int32_t draw_retention(struct actor *actor, struct create_topics_creatable_topic_config *configs)
{
    static const char *const times[] = { "-1", "1000", "4000" }, *const sizes[] = { "-1", "3000", "20000" };
    configs[0].name = STR("segment.ms");
    configs[0].value = STR("100");
    configs[1].name = STR("retention.ms");
    configs[1].value = str_from(times[actor_draw(actor, 3)]);
    configs[2].name = STR("retention.bytes");
    configs[2].value = str_from(sizes[actor_draw(actor, 3)]);
    return 3;
}

static void create(struct admin *admin, const char *name)
{
    struct actor *actor = &admin->actor;
    struct workload *workload = actor->workload;
    struct topic *topic = topics_add(&workload->topics, name);
    struct create_topics_creatable_topic wish;
    struct create_topics_creatable_topic_config configs[CONFIGS_MOST];
    struct create_topics_request request;
    topic->value = recorder_value(workload->recorder);
    topic->is_unsure = true;
    shape_set_defaults(&create_topics_creatable_topic_shape, &wish);
    for (int i = 0; i < CONFIGS_MOST; i++)
        shape_set_defaults(&create_topics_creatable_topic_config_shape, &configs[i]);
    configs[0].name = STR("ack.durability");
    configs[0].value = topic->is_volatile ? STR("page-cache") : STR("disk");
    configs[1].name = STR("message.timestamp.type");
    configs[1].value = actor_draw(actor, 2) == 0 ? STR("CreateTime") : STR("LogAppendTime");
    wish.name = str_from(topic->name);
    wish.num_partitions = 1 + (int32_t)actor_draw(actor, PARTITIONS_MOST);
    wish.replication_factor = 1;
    wish.configs = configs;
    wish.configs_count = 2;
    if (topic->is_retained)
        wish.configs_count += draw_retention(actor, configs + 2);
    message_defaults(&create_topics_request_schema, &request);
    request.topics = &wish;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    admin->topic = topic;
    actor->hear = hear_creation;
    actor->lose = lose_creation;
    actor_note(actor, "invoke", "set", topic->name_key, topic->value, OFFSET_NONE);
    actor_ask(actor, API_CREATE_TOPICS, 0, INT16_MAX, &request);
}

/* ---- Deletion ---- */

static void lose_deletion(struct actor *actor)
{
    struct admin *admin = admin_of(actor);
    actor_note(actor, "info", "set", admin->topic->name_key, VALUE_NONE, OFFSET_NONE);
    look_for(admin, admin->topic);
}

static void hear_deletion(struct actor *actor)
{
    struct admin *admin = admin_of(actor);
    const struct delete_topics_response *response = actor->client.response;
    struct topic *topic = admin->topic;
    int16_t error = response->responses_count == 1 ? response->responses[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    bool is_absent = error == ERROR_UNKNOWN_TOPIC_ID || error == ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    const char *phase = error == ERROR_NONE ? "ok" : error_is_certain(error) ? "fail" : "info";
    actor_note(actor, phase, "set", topic->name_key, VALUE_NONE, OFFSET_NONE);
    for (int32_t i = 0; i < PARTITIONS_MOST && !is_absent && strcmp(phase, "fail") == 0; i++)
        actor_note(actor, phase, "delete", topic->keys[i], VALUE_NONE, INT64_MAX);
    if (!is_absent && !actor_succeeded(actor, error, "delete_topics")) {
        look_for(admin, topic);
        return;
    }
    topic->state = TOPIC_GONE;
    actor->workload->deleted_count += error == ERROR_NONE;
    admin->must_create = error == ERROR_NONE && !actor->workload->by_name && !actor->workload->draining && actor_draw(actor, 2) == 0;
    if (admin->must_create)
        look_soon(actor);
    else
        actor_wait(actor, 200000);
}

/* By its id: an old call that runs late cannot hit a newer topic of that name. */
static void delete(struct admin *admin, struct topic *topic)
{
    struct actor *actor = &admin->actor;
    struct delete_topics_request request;
    struct delete_topics_delete_topic_state wish;
    message_defaults(&delete_topics_request_schema, &request);
    shape_set_defaults(&delete_topics_delete_topic_state_shape, &wish);
    wish.name = (struct str){ 0 };
    wish.topic_id = topic->id;
    request.topics = &wish;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    topic->state = TOPIC_GOING;
    topic->is_unwanted = true;
    admin->topic = topic;
    actor->hear = hear_deletion;
    actor->lose = lose_deletion;
    actor_note(actor, "invoke", "set", topic->name_key, VALUE_NONE, OFFSET_NONE);
    for (int32_t i = 0; i < PARTITIONS_MOST; i++)
        actor_note(actor, "invoke", "delete", topic->keys[i], VALUE_NONE, INT64_MAX);
    actor_ask(actor, API_DELETE_TOPICS, 6, INT16_MAX, &request);
}

/* ---- What next? ---- */

static bool is_settled(const struct topic *topic)
{
    return topic == NULL || topic->state == TOPIC_THERE || topic_is_absent(topic);
}

/* At the end: every name whose topic is not known to be there or not. */
static void settle(struct admin *admin)
{
    struct workload *workload = admin->actor.workload;
    for (int i = 0; i < TOPIC_NAMES_BY_NAME; i++) {
        char name[TOPIC_NAME_SIZE];
        snprintf(name, sizeof(name), "t%d", i);
        struct topic *topic = topics_named(&workload->topics, name);
        if (is_settled(topic))
            continue;
        if (topic->state == TOPIC_GOING && actor_draw(&admin->actor, 2) == 0) {
            delete (admin, topic);
        } else {
            look_for(admin, topic);
            look(admin);
        }
        return;
    }
    admin->is_done = true;
    actor_set_idle(&admin->actor);
}

static void act_as_admin(struct actor *actor)
{
    struct admin *admin = admin_of(actor);
    struct workload *workload = actor->workload;
    char name[TOPIC_NAME_SIZE];
    if (admin->must_look) {
        look(admin);
        return;
    }
    if (workload->draining) {
        settle(admin);
        return;
    }
    if (admin->must_create) {
        admin->must_create = false;
        create(admin, admin->topic->name);
        return;
    }
    uint64_t newest = (uint64_t)(workload->names_used < TOPIC_NAMES ? workload->names_used : TOPIC_NAMES);
    uint64_t first = workload->by_name ? (uint64_t)workload->names_used - newest : 0;
    snprintf(name, sizeof(name), "t%llu", (unsigned long long)(first + actor_draw(actor, newest + 1)));
    struct topic *topic = topics_named(&workload->topics, name);
    if (topic == NULL && workload->names_used < (workload->by_name ? TOPIC_NAMES_BY_NAME : TOPIC_NAMES)) {
        workload->names_used++;
        create(admin, name);
    } else if (topic == NULL || (topic_is_absent(topic) && workload->by_name)) {
        actor_set_idle(actor);
    } else if (topic_is_absent(topic)) {
        create(admin, name);
    } else if ((topic->state == TOPIC_THERE && actor_draw(actor, 12) == 0) || topic->state == TOPIC_GOING) {
        delete (admin, topic);
    } else {
        look_for(admin, topic);
        look(admin);
    }
}

void admin_start(struct admin *admin, struct workload *workload)
{
    actor_start(&admin->actor, workload, "admin", 0, act_as_admin);
}
