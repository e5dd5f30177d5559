/* SPDX-License-Identifier: Apache-2.0 */
/* IncrementalAlterConfigs: single settings are set, deleted, or changed as lists. */
#include "broker/alter_settings.h"
#include "broker/apis.h"
#include "broker/request.h"
#include "wire/gen/incremental_alter_configs.h"

static struct alter_settings_work *begin(struct request *request)
{
    const struct incremental_alter_configs_request *in = request->in.incremental_alter_configs;
    struct alter_settings_work *work = arena_take(&request->arena, sizeof(*work));
    struct settings_change *change = &work->change;
    change->validate_only = in->validate_only;
    change->count = in->resources_count > 0 ? in->resources_count : 0;
    change->resources =
        arena_take_array(&request->arena, (size_t)change->count, sizeof(*change->resources));
    for (int32_t i = 0; i < change->count; i++) {
        const struct incremental_alter_configs_alter_configs_resource *from = &in->resources[i];
        struct resource_change *resource = &change->resources[i];
        resource->type = from->resource_type;
        resource->name = from->resource_name;
        resource->wish_count = from->configs_count > 0 ? from->configs_count : 0;
        resource->wishes = arena_take_array(
            &request->arena, (size_t)resource->wish_count, sizeof(*resource->wishes));
        for (int32_t k = 0; k < resource->wish_count; k++)
            resource->wishes[k] = (struct setting_wish){ from->configs[k].name,
                from->configs[k].value, from->configs[k].config_operation };
    }
    return work;
}

enum step handle_incremental_alter_configs(struct request *request)
{
    struct incremental_alter_configs_response *out = request->out.incremental_alter_configs;
    if (request->work.alter_settings == NULL)
        request->work.alter_settings = begin(request);
    struct settings_change *change = &request->work.alter_settings->change;
    if (!alter_settings(request, request->work.alter_settings))
        return STEP_PARK;
    out->responses_count = change->count;
    out->responses = MESSAGE_TAKE(
        incremental_alter_configs_alter_configs_resource_response, &request->arena, change->count);
    for (int32_t i = 0; i < change->count; i++) {
        out->responses[i].resource_type = change->resources[i].type;
        out->responses[i].resource_name = change->resources[i].name;
        out->responses[i].error_code = (int16_t)change->resources[i].error;
        out->responses[i].error_message = change->resources[i].message;
    }
    return STEP_ANSWER;
}
