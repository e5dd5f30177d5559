/* SPDX-License-Identifier: Apache-2.0 */
/* ListConfigResources: what can have settings. Groups and client metrics subscriptions are listed
 * when they have some; topics and brokers always. */
#include "broker/apis.h"
#include "broker/request.h"
#include "broker/shard.h"
#include "broker/topic_view.h"
#include "wire/gen/list_config_resources.h"

static const enum setting_scope scopes[] = { SCOPE_GROUP, SCOPE_CLIENT_METRICS, SCOPE_BROKER_LOGGER,
    SCOPE_BROKER, SCOPE_TOPIC };
enum { SCOPES = sizeof(scopes) / sizeof(scopes[0]) };

/* The names of one scope, one after the other: pass a null name first. Broker names are written to
 * the arena. */
static bool name_after(
    struct request *request, enum setting_scope scope, struct str name, struct str *out_name)
{
    const struct image *image = request->shard->image;
    int64_t id = -1;
    if (scope == SCOPE_GROUP || scope == SCOPE_CLIENT_METRICS)
        return image_setting_resource_after(image, scope, name, out_name);
    if (scope == SCOPE_TOPIC) {
        const struct image_topic *topic = image_topic_after(image, name);
        *out_name = topic == NULL ? (struct str){ 0 } : topic->name;
        return topic != NULL;
    }
    str_to_int64(name, &id);
    const struct image_broker *broker = image_broker_after(image, (int32_t)id);
    while (broker != NULL && broker_view_endpoint(broker, request->desk->listener_name) == NULL)
        broker = image_broker_after(image, broker->id);
    if (broker != NULL)
        *out_name = str_from(arena_format(&request->arena, "%d", broker->id));
    return broker != NULL;
}

static bool is_wished(const struct list_config_resources_request *in, enum setting_scope scope)
{
    bool found = in->resource_types_count <= 0;
    for (int32_t i = 0; i < in->resource_types_count; i++)
        found |= in->resource_types[i] == (int8_t)scope;
    return found;
}

static bool is_each_known(const struct list_config_resources_request *in)
{
    for (int32_t i = 0; i < in->resource_types_count; i++) {
        bool found = false;
        for (int k = 0; k < SCOPES; k++)
            found |= in->resource_types[i] == (int8_t)scopes[k];
        if (!found)
            return false;
    }
    return true;
}

/* Counts when out is NULL. */
static int32_t list(struct request *request, struct list_config_resources_config_resource *out)
{
    const struct list_config_resources_request *in = request->in.list_config_resources;
    int32_t count = 0;
    for (int i = 0; i < SCOPES; i++) {
        struct str name = { 0 };
        bool is_meant =
            in->knows_types ? is_wished(in, scopes[i]) : scopes[i] == SCOPE_CLIENT_METRICS;
        while (is_meant && name_after(request, scopes[i], name, &name)) {
            if (out != NULL)
                out[count] = (struct list_config_resources_config_resource){ .resource_name = name,
                    .resource_type = (int8_t)scopes[i] };
            count++;
        }
    }
    return count;
}

enum step handle_list_config_resources(struct request *request)
{
    struct list_config_resources_response *out = request->out.list_config_resources;
    out->config_resources_count = 0;
    if (!is_each_known(request->in.list_config_resources)) {
        out->error_code = ERROR_UNSUPPORTED_VERSION;
        return STEP_ANSWER;
    }
    if (request->shard->image == NULL)
        return STEP_ANSWER;
    out->config_resources_count = list(request, NULL);
    out->config_resources = MESSAGE_TAKE(
        list_config_resources_config_resource, &request->arena, out->config_resources_count);
    list(request, out->config_resources);
    return STEP_ANSWER;
}
