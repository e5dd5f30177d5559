/* SPDX-License-Identifier: Apache-2.0 */
/* A group, whose members and topics a test makes, assigns, changes and assigns again. Everything
 * lies in its arena. A member keeps its number while others come and go. */
#pragma once
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/prng.h"
#include "coordinator/assign.h"
#include "test.h"

enum { CROWD_MEMBERS = 64, CROWD_TOPICS = 12, CROWD_PARTITIONS = 64 };

struct crowd {
    struct arena arena;
    struct prng prng;
    struct assign_member members[CROWD_MEMBERS];
    int32_t numbers[CROWD_MEMBERS];
    int32_t partition_counts[CROWD_TOPICS];
    int32_t member_count, topic_count, next_number;
    int64_t steps_most;
};

/* The number of the member that has each partition; -1: nobody. */
struct owners {
    int32_t of[CROWD_TOPICS][CROWD_PARTITIONS];
};

static void crowd_init(struct crowd *crowd, uint64_t seed)
{
    memset(crowd, 0, sizeof(*crowd));
    arena_init(&crowd->arena);
    prng_init(&crowd->prng, seed);
}

static void crowd_deinit(struct crowd *crowd)
{
    arena_deinit(&crowd->arena);
}

static int32_t crowd_draw(struct crowd *crowd, int32_t low, int32_t high)
{
    return low + (int32_t)prng_below(&crowd->prng, (uint64_t)(high - low + 1));
}

/* Topics are a set of bits. */
static struct assign_member *crowd_add(struct crowd *crowd, const char *id, unsigned topics)
{
    assert_true(crowd->member_count < CROWD_MEMBERS);
    struct assign_member *member = &crowd->members[crowd->member_count];
    int32_t *list = arena_take_array(&crowd->arena, CROWD_TOPICS, sizeof(*list));
    *member = (struct assign_member){ .topics = list };
    crowd->numbers[crowd->member_count++] = crowd->next_number++;
    member->id =
        str_from(id != NULL ? id : arena_format(&crowd->arena, "member-%d", crowd->next_number));
    for (int32_t topic = 0; topic < CROWD_TOPICS; topic++)
        if (topics >> topic & 1)
            list[member->topic_count++] = topic;
    return member;
}

static bool crowd_subscribes(const struct assign_member *member, int32_t topic)
{
    for (int32_t i = 0; i < member->topic_count; i++)
        if (member->topics[i] == topic)
            return true;
    return false;
}

/* Assigns, makes the shares the members' own, and checks what holds for every assignor: each
 * partition that somebody wants has one owner, who wants it, all is in order, and no more memory is
 * taken than is foretold. */
static struct owners crowd_assign(struct crowd *crowd, const char *assignor)
{
    struct assign_size size = { .members = (size_t)crowd->member_count,
        .topics = (size_t)crowd->topic_count };
    for (int32_t m = 0; m < crowd->member_count; m++)
        size.links += (size_t)crowd->members[m].topic_count;
    for (int32_t topic = 0; topic < crowd->topic_count; topic++)
        size.partitions += (size_t)crowd->partition_counts[topic];
    struct assign_input input = { crowd->members, crowd->member_count, crowd->partition_counts,
        crowd->topic_count, crowd->steps_most };
    size_t taken = crowd->arena.taken;
    struct assignor_list all;
    assignor_list_read((struct str){ 0 }, &all);
    struct assign_share *shares =
        assignor_find(&all, str_from(assignor))->assign(&input, &crowd->arena);
    assert_true(crowd->arena.taken - taken <= assign_bytes(&size));
    struct owners owners;
    memset(&owners, 0xff, sizeof(owners));
    for (int32_t m = 0; m < crowd->member_count; m++) {
        for (int32_t i = 0; i < shares[m].part_count; i++) {
            const struct assign_part *part = &shares[m].parts[i];
            assert_true(i == 0 || shares[m].parts[i - 1].topic < part->topic);
            assert_true(crowd_subscribes(&crowd->members[m], part->topic));
            assert_true(part->partition_count > 0);
            for (int32_t p = 0; p < part->partition_count; p++) {
                assert_true(p == 0 || part->partitions[p - 1] < part->partitions[p]);
                assert_in_range(part->partitions[p], 0, crowd->partition_counts[part->topic] - 1);
                assert_int_equal(owners.of[part->topic][part->partitions[p]], -1);
                owners.of[part->topic][part->partitions[p]] = crowd->numbers[m];
            }
        }
    }
    for (int32_t topic = 0; topic < crowd->topic_count; topic++) {
        bool wanted = false;
        for (int32_t m = 0; m < crowd->member_count; m++)
            wanted |= crowd_subscribes(&crowd->members[m], topic);
        for (int32_t p = 0; p < crowd->partition_counts[topic]; p++)
            assert_true((owners.of[topic][p] >= 0) == wanted);
    }
    for (int32_t m = 0; m < crowd->member_count; m++)
        crowd->members[m].owned = shares[m];
    return owners;
}

/* "0:0,1 2:0" is partitions 0 and 1 of topic 0 and partition 0 of topic 2. */
static const char *share_print(struct crowd *crowd, struct assign_share share)
{
    const char *text = "";
    for (int32_t i = 0; i < share.part_count; i++) {
        text = arena_format(&crowd->arena, "%s%s%d:", text, i > 0 ? " " : "", share.parts[i].topic);
        for (int32_t p = 0; p < share.parts[i].partition_count; p++)
            text = arena_format(
                &crowd->arena, "%s%s%d", text, p > 0 ? "," : "", share.parts[i].partitions[p]);
    }
    return text;
}
