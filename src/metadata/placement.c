/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/placement.h"

#include <assert.h>

#include "base/arena.h"
#include "base/prng.h"

/* Brokers of one rack in one state, given out in turn; each stripe begins one further. */
struct ring {
    int32_t *ids;
    int32_t count, index, offset, stripe;
};

struct rack {
    struct str name;
    struct ring active, fenced;
};

struct directory_count {
    struct uuid id;
    int64_t replica_count;
};
struct broker_directories {
    int32_t broker_id;
    struct directory_count *list;
    int32_t count;
};

struct placement {
    struct prng *prng;
    struct rack *racks; /* by name */
    int32_t rack_count, broker_count, active_count;
    int32_t usable_count; /* brokers that have a directory for more, or told of none */
    int32_t stripe, offset;
    struct broker_directories *directories; /* by broker id */
    struct arena *arena;
};

static void shuffle(struct prng *prng, int32_t *ids, int32_t count)
{
    for (int32_t i = count - 1; i > 0; i--) {
        int32_t other = (int32_t)prng_below(prng, (uint64_t)i + 1);
        int32_t id = ids[i];
        ids[i] = ids[other];
        ids[other] = id;
    }
}

static void ring_start(struct ring *ring, struct prng *prng)
{
    shuffle(prng, ring->ids, ring->count);
    ring->stripe = 0;
    ring->index = 0;
    ring->offset = ring->count == 0 ? 0 : (int32_t)prng_below(prng, (uint64_t)ring->count);
}

/* -1: this ring has nobody more for this stripe. */
static int32_t ring_next(struct ring *ring, int32_t stripe)
{
    if (ring->count == 0)
        return -1;
    if (ring->stripe != stripe) {
        ring->stripe = stripe;
        ring->index = 0;
        ring->offset = (ring->offset + 1) % ring->count;
    }
    if (ring->index >= ring->count)
        return -1;
    return ring->ids[(ring->index++ + ring->offset) % ring->count];
}

static int32_t rack_next(struct rack *rack, int32_t stripe)
{
    int32_t id = ring_next(&rack->active, stripe);
    return id >= 0 ? id : ring_next(&rack->fenced, stripe);
}

static struct rack *find_rack(struct placement *placement, struct str name)
{
    int32_t place = 0;
    while (place < placement->rack_count && str_compare(placement->racks[place].name, name) < 0)
        place++;
    if (place < placement->rack_count && str_equal(placement->racks[place].name, name))
        return &placement->racks[place];
    for (int32_t i = placement->rack_count; i > place; i--)
        placement->racks[i] = placement->racks[i - 1];
    placement->rack_count++;
    placement->racks[place] = (struct rack){ .name = name };
    placement->racks[place].active.ids =
        arena_take_array(placement->arena, (size_t)placement->broker_count, sizeof(int32_t));
    placement->racks[place].fenced.ids =
        arena_take_array(placement->arena, (size_t)placement->broker_count, sizeof(int32_t));
    return &placement->racks[place];
}

static void add_directories(struct placement *placement, int32_t place, const struct image *image,
    const struct image_broker *broker)
{
    struct broker_directories *directories = &placement->directories[place];
    directories->broker_id = broker->id;
    directories->list = arena_take_array(
        placement->arena, (size_t)broker->directory_count, sizeof(*directories->list));
    for (int32_t i = 0; i < broker->directory_count; i++) {
        struct uuid id = broker->directories[i];
        bool cordoned = false;
        for (int32_t j = 0; j < broker->cordoned_count; j++)
            cordoned = cordoned || uuid_equal(broker->cordoned[j], id);
        if (!cordoned)
            directories->list[directories->count++] =
                (struct directory_count){ id, image_directory_replicas(image, id) };
    }
}

struct placement *placement_create(
    struct arena *arena, struct prng *prng, const struct image *image)
{
    struct placement *placement = arena_take(arena, sizeof(*placement));
    placement->prng = prng;
    placement->arena = arena;
    placement->broker_count = (int32_t)image->brokers.count;
    placement->racks =
        arena_take_array(arena, (size_t)placement->broker_count + 1, sizeof(*placement->racks));
    placement->directories = arena_take_array(
        arena, (size_t)placement->broker_count + 1, sizeof(*placement->directories));

    int32_t place = 0;
    const struct image_broker *broker = image_broker_after(image, -1);
    for (; broker != NULL; broker = image_broker_after(image, broker->id)) {
        const struct broker_directories *directories = &placement->directories[place];
        add_directories(placement, place++, image, broker);
        if (broker->directory_count > 0 && directories->count == 0)
            continue;
        struct rack *rack =
            find_rack(placement, str_is_null(broker->rack) ? STR("") : broker->rack);
        struct ring *ring = broker->fenced ? &rack->fenced : &rack->active;
        ring->ids[ring->count++] = broker->id;
        placement->active_count += !broker->fenced;
        placement->usable_count++;
    }
    for (int32_t i = 0; i < placement->rack_count; i++) {
        ring_start(&placement->racks[i].active, prng);
        ring_start(&placement->racks[i].fenced, prng);
    }
    if (placement->rack_count > 0)
        placement->offset = (int32_t)prng_below(prng, (uint64_t)placement->rack_count);
    return placement;
}

const char *placement_refusal(const struct placement *placement, int16_t replication_factor)
{
    if (placement->active_count == 0)
        return arena_format(placement->arena,
            "Unable to replicate the partition %d time(s): All brokers are currently fenced, or have "
            "all their log directories cordoned.",
            replication_factor);
    if (placement->usable_count < replication_factor)
        return arena_format(placement->arena,
            "Unable to replicate the partition %d time(s): The target replication factor of %d "
            "cannot be "
            "reached because only %d broker(s) are registered or some brokers have all their log "
            "directories "
            "cordoned.",
            replication_factor, replication_factor, placement->usable_count);
    return NULL;
}

void placement_next(
    struct placement *placement, int16_t replication_factor, int32_t *out_broker_ids)
{
    assert(placement->active_count > 0 && replication_factor <= placement->usable_count);
    /* After as many stripes as there are brokers the pattern would repeat: shuffle and begin anew.
     */
    if (placement->stripe == placement->active_count && placement->active_count > 1) {
        for (int32_t i = 0; i < placement->rack_count; i++) {
            ring_start(&placement->racks[i].active, placement->prng);
            ring_start(&placement->racks[i].fenced, placement->prng);
        }
        placement->stripe = 0;
    }
    int32_t stripe = placement->stripe++;
    int32_t rack_index = placement->offset++ % placement->rack_count;
    placement->offset %= placement->rack_count;

    int32_t first_rack = rack_index;
    int32_t leader = -1;
    while ((leader = ring_next(&placement->racks[first_rack].active, stripe)) < 0)
        first_rack = (first_rack + 1) % placement->rack_count;
    out_broker_ids[0] = leader;

    for (int16_t replica = 1; replica < replication_factor; replica++) {
        int32_t id = -1;
        while (id < 0) {
            if (rack_index == first_rack)
                first_rack = -1; /* the leader's rack is passed over once */
            else
                id = rack_next(&placement->racks[rack_index], stripe);
            rack_index = (rack_index + 1) % placement->rack_count;
        }
        out_broker_ids[replica] = id;
    }
}

struct uuid placement_directory(struct placement *placement, int32_t broker_id)
{
    struct directory_count *best = NULL;
    for (int32_t i = 0; i < placement->broker_count; i++) {
        struct broker_directories *directories = &placement->directories[i];
        if (directories->broker_id != broker_id)
            continue;
        for (int32_t j = 0; j < directories->count; j++)
            if (best == NULL || directories->list[j].replica_count < best->replica_count)
                best = &directories->list[j];
    }
    if (best == NULL)
        return DIRECTORY_UNASSIGNED;
    best->replica_count++;
    return best->id;
}
