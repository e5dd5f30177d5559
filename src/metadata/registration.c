/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/registration.h"

#include <assert.h>

#include "base/memory.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/gen/register_broker_record.h"

struct bytes broker_key(const struct tree_value *value)
{
    return (struct bytes){ ((const struct image_broker *)value)->key, 4 };
}

static void broker_destroy(struct tree_value *value)
{
    struct image_broker *broker = (struct image_broker *)value;
    arena_deinit(&broker->arena);
    memory_give(broker);
}

/* Everything in it, unknown tags too: through its own bytes. */
static struct register_broker_record *copy_record(
    struct arena *arena, const struct register_broker_record *record)
{
    const struct message_schema *schema = &register_broker_record_schema;
    struct bytes bytes =
        message_in_arena(arena, (struct bytes){ 0 }, schema, schema->max_version, record);
    struct register_broker_record *copy = arena_take(arena, sizeof(*copy));
    bool decoded = message_decode(schema, schema->max_version, bytes, arena, copy, NULL);
    assert(decoded);
    return copy;
}

static const struct uuid *sorted_ids(struct arena *arena, const struct uuid *ids, int32_t count)
{
    struct uuid *sorted = arena_take_array(arena, (size_t)(count > 0 ? count : 0), sizeof(*sorted));
    for (int32_t i = 0; i < count; i++) {
        int32_t place = i;
        for (; place > 0 && memcmp(sorted[place - 1].bytes, ids[i].bytes, sizeof(ids[i].bytes)) > 0;
             place--)
            sorted[place] = sorted[place - 1];
        sorted[place] = ids[i];
    }
    return sorted;
}

struct image_broker *broker_create(const struct register_broker_record *record)
{
    struct image_broker *broker = memory_take(sizeof(*broker));
    atomic_init(&broker->value.references, 1);
    broker->value.destroy = broker_destroy;
    arena_init(&broker->arena);
    struct register_broker_record *copy = copy_record(&broker->arena, record);

    broker->record = copy;
    broker->id = copy->broker_id;
    store_i32(broker->key, broker->id);
    broker->incarnation_id = copy->incarnation_id;
    broker->epoch = copy->broker_epoch;
    broker->fenced = copy->fenced;
    broker->in_controlled_shutdown = copy->in_controlled_shutdown;
    broker->rack = copy->rack;
    broker->directory_count = copy->log_dirs_count > 0 ? copy->log_dirs_count : 0;
    broker->directories = sorted_ids(&broker->arena, copy->log_dirs, copy->log_dirs_count);
    broker->cordoned = copy->cordoned_log_dirs;
    broker->cordoned_count = copy->cordoned_log_dirs_count;

    struct image_endpoint *endpoints = arena_take_array(&broker->arena,
        (size_t)(copy->end_points_count > 0 ? copy->end_points_count : 0), sizeof(*endpoints));
    for (int32_t i = 0; i < copy->end_points_count; i++)
        endpoints[i] = (struct image_endpoint){ copy->end_points[i].name, copy->end_points[i].host,
            copy->end_points[i].port, copy->end_points[i].security_protocol };
    broker->endpoints = endpoints;
    broker->endpoint_count = copy->end_points_count > 0 ? copy->end_points_count : 0;
    return broker;
}
