/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/placement.h"

#include <stdio.h>
#include <string.h>

#include "base/prng.h"
#include "metadata/controller.h"
#include "metadata/record.h"
#include "test.h"
#include "wire/gen/broker_registration_change_record.h"
#include "wire/gen/register_broker_record.h"
#include "wire/schema.h"

struct cluster {
    struct controller controller;
    struct arena arena;
    struct prng prng;
};

static void begin(struct cluster *cluster)
{
    struct controller_settings settings = { .default_partition_count = 1 };
    controller_init(&cluster->controller, &settings, 3);
    arena_init(&cluster->arena);
    prng_init(&cluster->prng, 11);
}

static void end(struct cluster *cluster)
{
    controller_deinit(&cluster->controller);
    arena_deinit(&cluster->arena);
}

static void add_broker(
    struct cluster *cluster, int32_t id, const char *rack, bool fenced, int directory_count)
{
    struct register_broker_record record;
    struct uuid directories[4];
    message_defaults(&register_broker_record_schema, &record);
    record.broker_id = id;
    record.rack = str_from(rack);
    record.fenced = fenced;
    for (int i = 0; i < directory_count; i++)
        directories[i] = (struct uuid){ { 9, (uint8_t)id, (uint8_t)(i + 1) } };
    record.log_dirs = directories;
    record.log_dirs_count = directory_count;
    controller_apply(&cluster->controller, 0,
        metadata_record_encode(&cluster->arena, &register_broker_record_schema, 4, &record));
    assert_null(cluster->controller.failure);
}

static struct placement *place(struct cluster *cluster)
{
    return placement_create(&cluster->arena, &cluster->prng, cluster->controller.working);
}

/* Racks in turn: three replicas in three racks, and leaders spread evenly over the brokers. */
void test_placement__spreads_over_racks_and_brokers(void)
{
    struct cluster cluster;
    int led[7] = { 0 }, held[7] = { 0 };
    begin(&cluster);
    for (int32_t id = 1; id <= 6; id++) {
        char rack[8];
        snprintf(rack, sizeof(rack), "rack-%d", id % 3);
        add_broker(&cluster, id, rack, false, 1);
    }
    struct placement *placement = place(&cluster);
    assert_null(placement_refusal(placement, 3));
    for (int i = 0; i < 600; i++) {
        int32_t ids[3];
        placement_next(placement, 3, ids);
        assert_true(
            ids[0] % 3 != ids[1] % 3 && ids[1] % 3 != ids[2] % 3 && ids[0] % 3 != ids[2] % 3);
        led[ids[0]]++;
        for (int replica = 0; replica < 3; replica++)
            held[ids[replica]]++;
    }
    for (int32_t id = 1; id <= 6; id++) {
        assert_true(led[id] >= 80 && led[id] <= 120);
        assert_true(held[id] >= 280 && held[id] <= 320);
    }
    end(&cluster);
}

/* More replicas than racks: all brokers are used, each once. A fenced broker follows, and never
 * leads. */
void test_placement__uses_fenced_brokers_last(void)
{
    struct cluster cluster;
    begin(&cluster);
    add_broker(&cluster, 1, NULL, false, 1);
    add_broker(&cluster, 2, NULL, true, 1);
    add_broker(&cluster, 3, NULL, false, 1);
    struct placement *placement = place(&cluster);
    for (int i = 0; i < 50; i++) {
        int32_t ids[3];
        placement_next(placement, 2, ids);
        assert_true(ids[0] != 2 && ids[1] != 2 && ids[0] != ids[1]);
        placement_next(placement, 3, ids);
        assert_true(ids[2] == 2 && ids[0] != ids[1]);
    }
    assert_null(placement_refusal(placement, 3));
    assert_non_null(strstr(placement_refusal(placement, 4), "only 3 broker(s) are registered"));
    end(&cluster);
}

void test_placement__refuses_when_everybody_is_fenced(void)
{
    struct cluster cluster;
    begin(&cluster);
    assert_non_null(placement_refusal(place(&cluster), 1));
    add_broker(&cluster, 1, "a", true, 1);
    assert_string_equal(placement_refusal(place(&cluster), 1),
        "Unable to replicate the partition 1 time(s): All brokers are currently fenced, or "
        "have all their log directories cordoned.");
    end(&cluster);
}

/* A cordoned directory gets nothing more, nor does a broker that has no other (KIP-1066). */
void test_placement__passes_over_what_is_cordoned(void)
{
    struct cluster cluster;
    struct broker_registration_change_record change;
    struct uuid cordoned = { { 9, 1, 1 } };
    int32_t id;
    begin(&cluster);
    add_broker(&cluster, 1, NULL, false, 1);
    add_broker(&cluster, 2, NULL, false, 1);
    message_defaults(&broker_registration_change_record_schema, &change);
    change.broker_id = 1;
    change.cordoned_log_dirs = &cordoned;
    change.cordoned_log_dirs_count = 1;
    controller_apply(&cluster.controller, 0,
        metadata_record_encode(
            &cluster.arena, &broker_registration_change_record_schema, 3, &change));
    assert_null(cluster.controller.failure);
    struct placement *placement = place(&cluster);
    for (int i = 0; i < 10; i++) {
        placement_next(placement, 1, &id);
        assert_int_equal(id, 2);
    }
    assert_non_null(strstr(placement_refusal(placement, 2), "only 1 broker(s) are registered"));
    end(&cluster);
}

/* Each replica goes to the directory that holds least, those of the same request counted. */
void test_placement__fills_directories_evenly(void)
{
    struct cluster cluster;
    int count[5] = { 0 };
    begin(&cluster);
    add_broker(&cluster, 1, NULL, false, 4);
    add_broker(&cluster, 2, NULL, false, 0);
    struct placement *placement = place(&cluster);
    for (int i = 0; i < 40; i++)
        count[placement_directory(placement, 1).bytes[2]]++;
    for (int i = 1; i <= 4; i++)
        assert_int_equal(count[i], 10);
    assert_true(uuid_equal(placement_directory(placement, 2), DIRECTORY_UNASSIGNED));
    assert_true(uuid_equal(placement_directory(placement, 77), DIRECTORY_UNASSIGNED));
    end(&cluster);
}
