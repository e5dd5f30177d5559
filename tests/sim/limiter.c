/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/limiter.h"

#include "base/container.h"
#include "error.h"
#include "sim/workload.h"
#include "wire/gen/alter_client_quotas.h"
#include "wire/gen/describe_client_quotas.h"

enum { PARTS_MOST = 2, QUOTAS_MOST = 2, MATCH_EXACT = 0, MATCH_DEFAULT = 1 };
static const double base_rate = 1000000000; /* so high that nobody is held up */

struct part {
    const char *type, *name; /* name NULL: all that have none of their own */
};

/* An entity and the quotas that it gets. The history knows it by its key. */
struct limited {
    const char *key;
    struct part parts[PARTS_MOST];
    int part_count;
    const char *quotas[QUOTAS_MOST];
    int quota_count;
};

static const struct limited all[] = {
    { "settings/quota-user", { { "user", "ann" } }, 1, { "producer_byte_rate", "consumer_byte_rate" }, 2 },
    { "settings/quota-client", { { "client-id", "loader" } }, 1, { "consumer_byte_rate", "producer_byte_rate" }, 2 },
    { "settings/quota-both", { { "user", "ann" }, { "client-id", "loader" } }, 2, { "producer_byte_rate", "consumer_byte_rate" }, 2 },
    { "settings/quota-others", { { "client-id", NULL } }, 1, { "consumer_byte_rate", "producer_byte_rate" }, 2 },
    { "settings/quota-address", { { "ip", "10.9.9.9" } }, 1, { "connection_creation_rate" }, 1 },
};
enum { LIMITED_COUNT = sizeof(all) / sizeof(all[0]) };

static struct limiter *limiter_of(struct actor *actor)
{
    return container_of(actor, struct limiter, actor);
}

static void note(struct limiter *limiter, const char *phase, const char *operation, int64_t value)
{
    actor_note(&limiter->actor, phase, operation, limiter->limited->key, value, OFFSET_NONE);
}

static void violate(const struct limiter *limiter, const char *name, int64_t answer, int64_t known)
{
    recorder_violate(limiter->actor.workload->recorder, name, "actor=%s key=%s answer=%lld known=%lld", limiter->actor.name,
        limiter->limited->key, (long long)answer, (long long)known);
}

static struct str part_name(const struct part *part)
{
    return part->name == NULL ? (struct str){ 0 } : str_from(part->name);
}

/* ---- Reading ---- */

static bool is_entity(const struct limited *limited, const struct describe_client_quotas_entry_data *entry)
{
    bool has_all = entry->entity_count == limited->part_count;
    for (int i = 0; i < limited->part_count; i++) {
        bool has_part = false;
        for (int32_t k = 0; k < entry->entity_count; k++)
            has_part |= str_is(entry->entity[k].entity_type, limited->parts[i].type) &&
                        str_equal(entry->entity[k].entity_name, part_name(&limited->parts[i]));
        has_all &= has_part;
    }
    return has_all;
}

/* The number that all the entity's quotas follow from. */
static int64_t number_of(const struct limiter *limiter, const struct describe_client_quotas_entry_data *entry)
{
    const struct limited *limited = limiter->limited;
    if (entry->values_count != limited->quota_count)
        violate(limiter, "quotas_changed_by_half", entry->values_count, limited->quota_count);
    for (int32_t i = 0; i < entry->values_count; i++) {
        bool is_set_here = false;
        for (int k = 0; k < limited->quota_count; k++)
            is_set_here |= str_is(entry->values[i].key, limited->quotas[k]);
        if (!is_set_here || entry->values[i].value != entry->values[0].value)
            violate(limiter, "quotas_changed_by_half", i, entry->values_count);
    }
    return entry->values_count == 0 ? VALUE_DAMAGED : (int64_t)(entry->values[0].value - base_rate);
}

static void hear_quotas(struct actor *actor)
{
    struct limiter *limiter = limiter_of(actor);
    const struct describe_client_quotas_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "describe_client_quotas"))
        return;
    if (response->entries_count > 1 || (response->entries_count == 1 && !is_entity(limiter->limited, &response->entries[0])))
        violate(limiter, "describe_client_quotas_answers_other", response->entries_count, 1);
    note(limiter, "ok", "get", response->entries_count < 1 ? VALUE_NONE : number_of(limiter, &response->entries[0]));
    actor_wait(actor, 300000);
}

static void read_quotas(struct limiter *limiter)
{
    const struct limited *limited = limiter->limited;
    struct describe_client_quotas_component_data components[PARTS_MOST];
    struct describe_client_quotas_request request;
    message_defaults(&describe_client_quotas_request_schema, &request);
    for (int i = 0; i < limited->part_count; i++) {
        shape_set_defaults(&describe_client_quotas_component_data_shape, &components[i]);
        components[i].entity_type = str_from(limited->parts[i].type);
        components[i].match_type = limited->parts[i].name == NULL ? MATCH_DEFAULT : MATCH_EXACT;
        components[i].match = part_name(&limited->parts[i]);
    }
    request.components = components;
    request.components_count = limited->part_count;
    request.strict = true;
    limiter->actor.hear = hear_quotas;
    limiter->actor.lose = NULL;
    note(limiter, "invoke", "get", VALUE_NONE);
    actor_ask(&limiter->actor, API_DESCRIBE_CLIENT_QUOTAS, 0, INT16_MAX, &request);
}

/* ---- Writing ---- */

static void lose_change(struct actor *actor)
{
    struct limiter *limiter = limiter_of(actor);
    note(limiter, limiter->is_void ? "fail" : "info", "set", limiter->value);
}

static void hear_change(struct actor *actor)
{
    struct limiter *limiter = limiter_of(actor);
    const struct alter_client_quotas_response *response = actor->client.response;
    int16_t error = response->entries_count == 1 ? response->entries[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    bool is_done = error == ERROR_NONE && !limiter->is_void;
    note(limiter, is_done ? "ok" : limiter->is_void || error_is_certain(error) ? "fail" : "info", "set", limiter->value);
    if (actor_succeeded(actor, error, "alter_client_quotas"))
        actor_wait(actor, 300000);
}

static void change(struct limiter *limiter)
{
    const struct limited *limited = limiter->limited;
    struct actor *actor = &limiter->actor;
    struct alter_client_quotas_request_entity_data entity[PARTS_MOST];
    struct alter_client_quotas_op_data operations[QUOTAS_MOST];
    struct alter_client_quotas_request_entry_data entry;
    struct alter_client_quotas_request request;
    message_defaults(&alter_client_quotas_request_schema, &request);
    shape_set_defaults(&alter_client_quotas_request_entry_data_shape, &entry);
    for (int i = 0; i < limited->part_count; i++) {
        shape_set_defaults(&alter_client_quotas_request_entity_data_shape, &entity[i]);
        entity[i].entity_type = str_from(limited->parts[i].type);
        entity[i].entity_name = part_name(&limited->parts[i]);
    }
    for (int i = 0; i < limited->quota_count; i++) {
        shape_set_defaults(&alter_client_quotas_op_data_shape, &operations[i]);
        operations[i].key = str_from(limited->quotas[i]);
        operations[i].value = base_rate + (double)limiter->value;
        operations[i].remove = limiter->value == VALUE_NONE;
    }
    entry.entity = entity;
    entry.entity_count = limited->part_count;
    entry.ops = operations;
    entry.ops_count = limited->quota_count;
    request.entries = &entry;
    request.entries_count = 1;
    request.validate_only = limiter->is_void;
    actor->hear = hear_change;
    actor->lose = lose_change;
    note(limiter, "invoke", "set", limiter->value);
    actor_ask(actor, API_ALTER_CLIENT_QUOTAS, 0, INT16_MAX, &request);
}

static void act_as_limiter(struct actor *actor)
{
    struct limiter *limiter = limiter_of(actor);
    if (actor->workload->draining) {
        actor_set_idle(actor);
        return;
    }
    limiter->limited = &all[actor_draw(actor, LIMITED_COUNT)];
    if (actor_draw(actor, 2) == 0) {
        read_quotas(limiter);
        return;
    }
    limiter->is_void = actor_draw(actor, 6) == 0;
    bool is_removed = !limiter->is_void && actor_draw(actor, 4) == 0;
    limiter->value = is_removed ? VALUE_NONE : recorder_value(actor->workload->recorder);
    change(limiter);
}

void limiter_start(struct limiter *limiter, struct workload *workload, int number)
{
    actor_start(&limiter->actor, workload, "limiter", number, act_as_limiter);
}
