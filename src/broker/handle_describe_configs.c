/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeConfigs, from the image and what the node was started with. */
#include "broker/apis.h"
#include "broker/describe_settings.h"
#include "broker/request.h"
#include "broker/shard.h"
#include "wire/gen/describe_configs.h"

/* An answer is larger than its request, so it has an end of its own; and each key that is asked for
 * is looked for. */
enum { TOLD_MAX = 500000, KEYS_MAX = 1000000 };
/* Who says a broker's setting is found for each, what topics inherit once for all: it takes so much
 * longer. */
enum { BROKER_WEIGHT = 5 };

static bool is_known(int8_t type)
{
    return type == SCOPE_TOPIC || type == SCOPE_BROKER || type == SCOPE_BROKER_LOGGER ||
           type == SCOPE_CLIENT_METRICS || type == SCOPE_GROUP;
}

static bool is_each_known(const struct describe_configs_request *in)
{
    for (int32_t i = 0; i < in->resources_count; i++) {
        if (!is_known(in->resources[i].resource_type))
            return false;
    }
    return true;
}

static enum error describe(struct settings_description *description)
{
    switch ((enum setting_scope)description->wish->resource_type) {
    case SCOPE_TOPIC:
        return describe_topic(description);
    case SCOPE_BROKER:
        return describe_broker(description);
    case SCOPE_BROKER_LOGGER:
        return describe_logger(description);
    case SCOPE_CLIENT_METRICS:
        return describe_client_metrics(description);
    case SCOPE_GROUP:
        break;
    }
    return describe_group(description);
}

enum step handle_describe_configs(struct request *request)
{
    const struct describe_configs_request *in = request->in.describe_configs;
    struct describe_configs_response *out = request->out.describe_configs;
    struct settings_description description = { .with_synonyms = in->include_synonyms,
        .with_documentation = in->include_documentation };
    bool each_is_known = is_each_known(in);
    int64_t told = 0, keys = 0;
    setting_view_init(
        &description.view, request->shard->settings, request->shard->image, &request->arena);
    out->results_count = in->resources_count > 0 ? in->resources_count : 0;
    out->results = MESSAGE_TAKE(describe_configs_result, &request->arena, out->results_count);
    for (int32_t i = 0; i < out->results_count; i++) {
        struct describe_configs_result *result = &out->results[i];
        result->resource_type = in->resources[i].resource_type;
        result->resource_name = in->resources[i].resource_name;
        result->error_message = STR("");
        result->configs_count = 0;
        description.wish = &in->resources[i];
        description.result = result;
        description.capacity = 0;
        if (!each_is_known) {
            result->error_code = ERROR_INVALID_REQUEST;
            result->error_message = STR("The request asks for a resource of unknown type.");
        } else if (told > TOLD_MAX || keys + in->resources[i].configuration_keys_count > KEYS_MAX) {
            result->error_code = ERROR_POLICY_VIOLATION;
            result->error_message =
                STR("Too many settings in one answer: ask for these resources in another request.");
        } else {
            result->error_code = (int16_t)describe(&description);
        }
        told += (int64_t)result->configs_count *
                (result->resource_type == SCOPE_TOPIC ? 1 : BROKER_WEIGHT);
        if (in->resources[i].configuration_keys_count > 0)
            keys += in->resources[i].configuration_keys_count;
    }
    return STEP_ANSWER;
}
