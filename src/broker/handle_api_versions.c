/* SPDX-License-Identifier: Apache-2.0 */
/* ApiVersions: what is served on this listener, and the feature levels of node and cluster. A client that speaks a
 * version which is not known here is told so in the oldest layout. */
#include "broker/apis.h"
#include "broker/settings.h"
#include "broker/shard.h"
#include "metadata/feature.h"
#include "wire/gen/api_versions.h"
#include "wire/schema.h"

enum { PRODUCE_ADVERTISED_MIN = 0 }; /* versions below 3 are advertised and refused when used, as in Kafka */

static bool is_software_text(struct str text)
{
    if (text.size == 0)
        return false;
    for (int32_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool edge = i == 0 || i == text.size - 1;
        if (!letter && (edge || (c != '-' && c != '.')))
            return false;
    }
    return true;
}

/* Cluster and node are told together, or not at all (KIP-1242). */
static bool is_half_told(const struct api_versions_request *in)
{
    return str_is_null(in->cluster_id) != (in->node_id < 0);
}

/* A client that thinks it is talking to another cluster or node shall find its way anew (KIP-1242). */
static bool is_lost(const struct request *request)
{
    const struct api_versions_request *in = request->in.api_versions;
    const struct shard *shard = request->shard;

    if (!str_is_null(in->cluster_id) && in->cluster_id.size > 0 && !str_is(in->cluster_id, shard->cluster_id))
        return true;
    return in->node_id >= 0 && in->node_id != shard->settings->node_id;
}

static void list_apis(struct request *request, struct api_versions_response *out)
{
    out->api_keys = MESSAGE_TAKE(api_versions_api_version, &request->arena, api_count);
    out->api_keys_count = 0;
    for (int i = 0; i < api_count; i++) {
        if ((apis[i].listeners & request->desk->listener) == 0)
            continue;
        struct api_versions_api_version *row = &out->api_keys[out->api_keys_count++];
        row->api_key = apis[i].key;
        row->min_version = apis[i].key == API_PRODUCE ? PRODUCE_ADVERTISED_MIN : apis[i].version_min;
        row->max_version = apis[i].version_max;
    }
}

static void list_supported(struct request *request, struct api_versions_response *out)
{
    bool from_zero = request->in.api_versions->shows_features_from_zero;

    out->supported_features = MESSAGE_TAKE(api_versions_supported_feature_key, &request->arena, feature_range_count);
    out->supported_features_count = 0;
    for (int32_t i = 0; i < feature_range_count; i++) {
        if (feature_ranges[i].min == 0 && !from_zero)
            continue;
        struct api_versions_supported_feature_key *row = &out->supported_features[out->supported_features_count++];
        row->name = str_from(feature_ranges[i].name);
        row->min_version = feature_ranges[i].min;
        row->max_version = feature_ranges[i].max;
    }
}

static void list_finalized(struct request *request, struct api_versions_response *out)
{
    const struct image *image = request->shard->image;

    if (image == NULL)
        return;
    out->finalized_features_epoch = image->offset - 1;
    out->finalized_features = MESSAGE_TAKE(api_versions_finalized_feature_key, &request->arena, feature_range_count);
    out->finalized_features_count = 0;
    for (int32_t i = 0; i < feature_range_count; i++) {
        struct str name = str_from(feature_ranges[i].name);
        int16_t level = str_is(name, "kraft.version") ? request->shard->kraft_version : image_feature(image, name);
        if (level == 0)
            continue;
        struct api_versions_finalized_feature_key *row = &out->finalized_features[out->finalized_features_count++];
        row->name = name;
        row->min_version_level = row->max_version_level = level;
    }
}

static void refuse_version(struct request *request, struct api_versions_response *out)
{
    out->error_code = ERROR_UNSUPPORTED_VERSION;
    out->api_keys = MESSAGE_TAKE(api_versions_api_version, &request->arena, 1);
    out->api_keys_count = 1;
    out->api_keys[0].api_key = API_API_VERSIONS;
    out->api_keys[0].min_version = request->api->version_min;
    out->api_keys[0].max_version = request->api->version_max;
}

enum step handle_api_versions(struct request *request)
{
    const struct api_versions_request *in = request->in.api_versions;
    struct api_versions_response *out = request->out.api_versions;

    if (request->version_unsupported) {
        refuse_version(request, out);
        return STEP_ANSWER;
    }
    if (in->names_its_software && (!is_software_text(in->client_software_name) ||
                                      !is_software_text(in->client_software_version) || is_half_told(in))) {
        out->error_code = ERROR_INVALID_REQUEST;
        return STEP_ANSWER;
    }
    if (is_lost(request)) {
        out->error_code = ERROR_REBOOTSTRAP_REQUIRED;
        return STEP_ANSWER;
    }
    list_apis(request, out);
    list_supported(request, out);
    list_finalized(request, out);
    return STEP_ANSWER;
}
