/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeClientQuotas: the quotas of the image whose entities match a filter. The messages are Kafka's. */
#include "broker/apis.h"
#include "broker/request.h"
#include "broker/shard.h"
#include "metadata/quota.h"
#include "wire/gen/describe_client_quotas.h"

enum match_type { MATCH_EXACT = 0, MATCH_DEFAULT = 1, MATCH_SPECIFIED = 2 };

static const struct describe_client_quotas_component_data *find_component(
    const struct describe_client_quotas_request *in, int32_t count, struct str type)
{
    for (int32_t i = 0; i < count; i++)
        if (str_equal(in->components[i].entity_type, type))
            return &in->components[i];
    return NULL;
}

static const char *match_fault(struct arena *arena, const struct describe_client_quotas_component_data *component)
{
    bool has_match = !str_is_null(component->match);
    switch (component->match_type) {
    case MATCH_EXACT:
        return has_match ? NULL : "Request specified MATCH_TYPE_EXACT, but set match string to null.";
    case MATCH_DEFAULT:
        return has_match ? "Request specified MATCH_TYPE_DEFAULT, but also specified a match string." : NULL;
    case MATCH_SPECIFIED:
        return has_match ? "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string." : NULL;
    default:
        return arena_format(arena, "Unknown match type %d", component->match_type);
    }
}

static enum error refuse(struct request *request, enum error error, const char *message)
{
    struct describe_client_quotas_response *out = request->out.describe_client_quotas;
    out->error_code = (int16_t)error;
    out->error_message = str_from(message);
    out->entries_count = -1;
    return error;
}

static enum error check_filter(struct request *request)
{
    const struct describe_client_quotas_request *in = request->in.describe_client_quotas;
    struct arena *arena = &request->arena;
    for (int32_t i = 0; i < in->components_count; i++) {
        struct str type = in->components[i].entity_type;
        if (type.size == 0)
            return refuse(request, ERROR_INVALID_REQUEST, "Invalid empty entity type.");
        if (find_component(in, i, type) != NULL) /* at most three came before: all others were refused */
            return refuse(request, ERROR_INVALID_REQUEST,
                arena_format(arena, "Entity type %.*s cannot appear more than once in the filter.", STR_PRINT(type)));
        if (!str_is(type, "user") && !str_is(type, "client-id") && !str_is(type, "ip"))
            return refuse(request, ERROR_UNSUPPORTED_VERSION,
                arena_format(arena, "Unsupported entity type %.*s", STR_PRINT(type)));
        const char *fault = match_fault(arena, &in->components[i]);
        if (fault != NULL)
            return refuse(request, ERROR_INVALID_REQUEST, fault);
    }
    if (in->components_count > 1 && find_component(in, in->components_count, STR("ip")) != NULL)
        return refuse(request, ERROR_INVALID_REQUEST,
            "Invalid entity filter component combination. IP filter component should not be used with user or "
            "clientId filter component.");
    return ERROR_NONE;
}

/* Every component must find its type; strict: and the entity has no other. */
static bool matches(const struct describe_client_quotas_request *in, const struct quota_entity *entity)
{
    int32_t found = 0;
    for (int32_t i = 0; i < entity->part_count; i++) {
        const struct describe_client_quotas_component_data *component =
            find_component(in, in->components_count, entity->parts[i].type);
        if (component == NULL)
            continue;
        found++;
        if (component->match_type != MATCH_SPECIFIED && !str_equal(entity->parts[i].name, component->match))
            return false;
    }
    return found == in->components_count && !(in->strict && found != entity->part_count);
}

static void fill_entity(
    struct request *request, const struct quota_entity *entity, struct describe_client_quotas_entry_data *entry)
{
    entry->entity_count = entity->part_count;
    entry->entity = MESSAGE_TAKE(describe_client_quotas_entity_data, &request->arena, entity->part_count);
    for (int32_t i = 0; i < entity->part_count; i++) {
        entry->entity[i].entity_type = entity->parts[i].type;
        entry->entity[i].entity_name = entity->parts[i].name;
    }
}

static void list_quotas(struct request *request, const struct image *image)
{
    const struct describe_client_quotas_request *in = request->in.describe_client_quotas;
    struct describe_client_quotas_response *out = request->out.describe_client_quotas;
    size_t capacity = (size_t)image->quotas.count;
    struct describe_client_quotas_value_data *values =
        arena_take_array(&request->arena, capacity, sizeof(*values));
    out->entries = arena_take_array(&request->arena, capacity, sizeof(*out->entries));
    struct describe_client_quotas_entry_data *entry = NULL;
    struct quota quota, before;
    for (bool more = image_quota_after(image, NULL, &quota); more; more = image_quota_after(image, &before, &quota)) {
        bool same_entity = entry != NULL && quota_entity_equal(&before.entity, &quota.entity);
        before = quota;
        if (!matches(in, &quota.entity))
            continue;
        if (!same_entity) {
            entry = &out->entries[out->entries_count++];
            fill_entity(request, &quota.entity, entry);
            entry->values = values;
        }
        entry->values[entry->values_count++] =
            (struct describe_client_quotas_value_data){ .key = quota.key, .value = quota.value };
        values++;
    }
}

enum step handle_describe_client_quotas(struct request *request)
{
    struct describe_client_quotas_response *out = request->out.describe_client_quotas;
    const struct image *image = request->shard->image;
    out->entries_count = 0;
    out->error_message = STR("");
    if (check_filter(request) == ERROR_NONE && image != NULL)
        list_quotas(request, image);
    return STEP_ANSWER;
}
