/* SPDX-License-Identifier: Apache-2.0 */
/* AlterClientQuotas: an entity changes as a whole or not at all. A value that is there already, and
 * the removal of one that is not, write no record. The messages are Kafka's. */
#include <arpa/inet.h>
#include <math.h>

#include "metadata/decide.h"
#include "metadata/quota.h"
#include "wire/gen/alter_client_quotas.h"
#include "wire/gen/client_quota_record.h"

enum number { NUMBER_INT, NUMBER_LONG, NUMBER_DOUBLE };

/* What the quotas of an entity may be called, and which numbers they take. */
struct quota_rule {
    const char *key;
    enum number number;
    bool of_address; /* else of users and clients */
};
static const struct quota_rule rules[] = {
    { "connection_creation_rate", NUMBER_INT, true },
    { "consumer_byte_rate", NUMBER_LONG, false },
    { "controller_mutation_rate", NUMBER_DOUBLE, false },
    { "producer_byte_rate", NUMBER_LONG, false },
    { "request_percentage", NUMBER_DOUBLE, false },
};

/* One entity on its way. */
struct quota_change {
    struct decider *decider;
    const struct alter_client_quotas_request_entry_data *wish;
    struct quota_entity entity;
    const struct str *unknown_type; /* NULL: none */
};

static const char *say(
    const struct quota_change *change, const char *before, struct str name, const char *after)
{
    return arena_format(change->decider->arena, "%s%.*s%s", before, STR_PRINT(name), after);
}

/* Of a type that stands twice the last name counts. */
static void read_entity(struct quota_change *change)
{
    for (int32_t i = 0; i < change->wish->entity_count; i++) {
        const struct alter_client_quotas_request_entity_data *part = &change->wish->entity[i];
        bool is_known = str_is(part->entity_type, "user") ||
                        str_is(part->entity_type, "client-id") || str_is(part->entity_type, "ip");
        if (is_known)
            quota_entity_add(&change->entity, part->entity_type, part->entity_name);
        else
            change->unknown_type = &part->entity_type;
    }
}

/* One to four numbers, the last of which fills what the others leave: 127.1 is 127.0.0.1. */
static bool is_ipv4(struct str text)
{
    enum { LENGTH_MAX = 15, NUMBERS_MAX = 4 };
    int64_t number;
    struct str piece;
    bool fits = text.size <= LENGTH_MAX;
    for (int count = 1; fits && str_split(&text, '.', &piece); count++) {
        int64_t limit = str_is_null(text) ? INT64_C(1) << 8 * (NUMBERS_MAX + 1 - count) : 256;
        fits = count <= NUMBERS_MAX && piece.size > 0 && piece.data[0] >= '0' &&
               piece.data[0] <= '9' && str_to_int64(piece, &number) && number < limit;
    }
    return fits;
}

/* May stand in brackets, and may name an interface by its number. */
static bool is_ipv6(struct decider *decider, struct str text)
{
    uint8_t address[16];
    int64_t interface;
    struct str plain;
    if (text.size > 2 && text.data[0] == '[' && text.data[text.size - 1] == ']')
        text = (struct str){ text.data + 1, text.size - 2 };
    if (!str_split(&text, '%', &plain) || (!str_is_null(text) && !str_to_int64(text, &interface)))
        return false;
    return memchr(plain.data, 0, (size_t)plain.size) == NULL &&
           inet_pton(AF_INET6, str_copy(decider->arena, plain).data, address) == 1;
}

/* Kafka asks a name server as well; a controller that decides may not wait for one. */
static bool is_address(struct decider *decider, struct str text)
{
    return is_ipv4(text) || is_ipv6(decider, text);
}

/* NULL, or why there can be no such entity. */
static const char *entity_fault(const struct quota_change *change)
{
    const struct quota_entity *entity = &change->entity;
    const struct quota_part *address = quota_entity_part(entity, "ip");
    if (change->unknown_type != NULL)
        return say(change, "Unhandled client quota entity type: ", *change->unknown_type, "");
    if (entity->part_count == 0)
        return "Invalid empty client quota entity";
    for (int32_t i = 0; i < entity->part_count; i++)
        if (!str_is_null(entity->parts[i].name) && entity->parts[i].name.size == 0)
            return say(change, "Empty ", entity->parts[i].type, " not supported");
    if (address != NULL && entity->part_count > 1)
        return "Invalid quota entity combination, IP entity shouldnot be combined with User or "
               "ClientId";
    if (address != NULL && !str_is_null(address->name) &&
        !is_address(change->decider, address->name))
        return say(change, "", address->name, " is not a valid IP or resolvable host.");
    return NULL;
}

static const struct quota_rule *find_rule(const struct quota_change *change, struct str key)
{
    bool of_address = quota_entity_part(&change->entity, "ip") != NULL;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].of_address == of_address && str_is(key, rules[i].key))
            return &rules[i];
    return NULL;
}

/* Of a positive number; from 2^53 on all are whole. */
static double fraction_of(double value)
{
    const double whole_from = 9007199254740992.0;
    return value >= whole_from ? 0 : value - (double)(int64_t)value;
}

static const char *value_fault(const struct quota_change *change, struct str key, double value)
{
    const double fraction_max = 1e-6, int_max = 2147483647.0, long_max = 9223372036854775807.0;
    const struct quota_rule *rule = find_rule(change, key);
    if (rule == NULL)
        return say(change, "Invalid configuration key ", key, "");
    if (!isfinite(value))
        return say(change, "Quota ", key, " must be a finite number");
    if (value <= 0)
        return say(change, "Quota ", key, " must be greater than 0");
    if (rule->number == NUMBER_INT && value > int_max)
        return say(change, "Proposed value for ", key, " is too large for an INT.");
    if (rule->number == NUMBER_LONG && value > long_max)
        return say(change, "Proposed value for ", key, " is too large for a LONG.");
    if (rule->number != NUMBER_DOUBLE && fraction_of(value) > fraction_max)
        return say(change, "", key, " cannot be a fractional value.");
    return NULL;
}

static void write_quota(
    struct quota_change *change, const struct alter_client_quotas_op_data *operation)
{
    struct decider *decider = change->decider;
    struct client_quota_record record = {
        .key = operation->key,
        .value = operation->remove ? 0 : operation->value,
        .remove = operation->remove,
        .entity_count = change->entity.part_count,
    };
    record.entity =
        MESSAGE_TAKE(client_quota_record_entity_data, decider->arena, record.entity_count);
    for (int32_t i = 0; i < record.entity_count; i++) {
        record.entity[i].entity_type = change->entity.parts[i].type;
        record.entity[i].entity_name = change->entity.parts[i].name;
    }
    decide_record(decider, &client_quota_record_schema, 0, &record);
}

static bool names_a_key_twice(
    struct arena *arena, const struct alter_client_quotas_request_entry_data *wish)
{
    struct str *keys = arena_take_array(arena, (size_t)wish->ops_count, sizeof(*keys));
    for (int32_t i = 0; i < wish->ops_count; i++)
        keys[i] = wish->ops[i].key;
    const int32_t *first = decide_first_of_name(arena, keys, wish->ops_count);
    for (int32_t i = 0; i < wish->ops_count; i++)
        if (first[i] >= 0)
            return true;
    return false;
}

/* NULL, or why nothing of it is done. */
static const char *alter_entity(struct quota_change *change)
{
    const struct alter_client_quotas_request_entry_data *wish = change->wish;
    struct rsm_decision before = *change->decider->decision;
    const char *fault = entity_fault(change);
    for (int32_t i = 0; fault == NULL && i < wish->ops_count; i++) {
        const struct alter_client_quotas_op_data *operation = &wish->ops[i];
        double now;
        bool is_there = image_quota(change->decider->image, &change->entity, operation->key, &now);
        if (!operation->remove)
            fault = value_fault(change, operation->key, operation->value);
        if (fault == NULL && (operation->remove ? is_there : !is_there || now != operation->value))
            write_quota(change, operation);
    }
    if (fault != NULL) {
        change->decider->decision->record_count = before.record_count;
        change->decider->decision->record_bytes = before.record_bytes;
    }
    return fault;
}

/* As Kafka prints it, "entries={client-id=c, user=null}" and the like. */
static const char *say_duplicate(const struct quota_change *change)
{
    struct arena *arena = change->decider->arena;
    const char *text = "";
    for (int32_t i = 0; i < change->entity.part_count; i++) {
        const struct quota_part *part = &change->entity.parts[i];
        text = arena_format(arena, "%s%s%.*s=%.*s", text, i > 0 ? ", " : "", STR_PRINT(part->type),
            STR_PRINT(str_is_null(part->name) ? STR("null") : part->name));
    }
    return arena_format(arena, "Ignoring duplicate entity ClientQuotaEntity(entries={%s})", text);
}

/* Entities that are the same get the same name. */
static struct str name_entity(const struct quota_change *change, int32_t index)
{
    struct arena *arena = change->decider->arena;
    struct item_key_text text;
    struct bytes key = quota_item_key(&text, &change->entity, STR(""));
    if (change->unknown_type != NULL || key.data == NULL)
        return str_from(arena_format(arena, "?%d", index));
    return (struct str){ arena_copy(arena, key.data, key.size), (int32_t)key.size };
}

static void tell_entity(
    const struct quota_change *change, struct alter_client_quotas_response_entry_data *answer)
{
    const struct alter_client_quotas_request_entry_data *wish = change->wish;
    int32_t capacity = wish->entity_count > 0 ? wish->entity_count : 0;
    answer->entity_count = 0;
    answer->entity =
        MESSAGE_TAKE(alter_client_quotas_response_entity_data, change->decider->arena, capacity);
    for (int32_t i = 0; change->unknown_type != NULL && i < capacity; i++) {
        answer->entity[answer->entity_count].entity_type = wish->entity[i].entity_type;
        answer->entity[answer->entity_count++].entity_name = wish->entity[i].entity_name;
    }
    for (int32_t i = 0; change->unknown_type == NULL && i < change->entity.part_count; i++) {
        answer->entity[answer->entity_count].entity_type = change->entity.parts[i].type;
        answer->entity[answer->entity_count++].entity_name = change->entity.parts[i].name;
    }
}

enum error decide_alter_client_quotas(struct decider *decider,
    const struct alter_client_quotas_request *request,
    struct alter_client_quotas_response *response)
{
    int32_t count = request->entries_count > 0 ? request->entries_count : 0;
    struct quota_change *changes =
        arena_take_array(decider->arena, (size_t)count, sizeof(*changes));
    struct str *names = arena_take_array(decider->arena, (size_t)count, sizeof(*names));
    for (int32_t i = 0; i < count; i++) {
        changes[i] = (struct quota_change){ .decider = decider, .wish = &request->entries[i] };
        read_entity(&changes[i]);
        names[i] = name_entity(&changes[i], i);
    }
    response->entries_count = 0;
    response->entries =
        MESSAGE_TAKE(alter_client_quotas_response_entry_data, decider->arena, count);
    const int32_t *first = decide_first_of_name(decider->arena, names, count);
    for (int32_t i = 0; i < count; i++) {
        if (first[i] >= 0 && first[i] != i)
            continue;
        struct alter_client_quotas_response_entry_data *answer =
            &response->entries[response->entries_count++];
        bool keys_clash = names_a_key_twice(decider->arena, changes[i].wish);
        const char *fault = keys_clash ? NULL : alter_entity(&changes[i]);
        if (keys_clash || first[i] == i)
            fault =
                say_duplicate(&changes[i]); /* of an entity that stands twice the first is done */
        tell_entity(&changes[i], answer);
        answer->error_code = fault == NULL ? ERROR_NONE : ERROR_INVALID_REQUEST;
        answer->error_message = fault == NULL ? (struct str){ 0 } : str_from(fault);
    }
    return decide_bounded(decider, request->validate_only);
}
