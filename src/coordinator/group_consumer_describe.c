/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_consumer.h"
#include "coordinator/group_consumer_state.h"
#include "wire/gen/consumer_group_describe.h"

enum { TYPE_CLASSIC = 0, TYPE_CONSUMER = 1 }; /* of a member */

/* By the names that the image has, which may go before the answer leaves; deleted topics are left
 * out. */
static void tell(const struct group_decider *decider, const struct partition_set *set,
    struct consumer_group_describe_assignment *assignment)
{
    struct arena *arena = decider->arena;
    assignment->topic_partitions =
        MESSAGE_TAKE(consumer_group_describe_topic_partitions, arena, set->topic_count);
    for (int32_t i = 0; i < set->topic_count; i++) {
        const struct partition_set_topic *has = &set->topics[i];
        const struct image_topic *topic = image_topic_by_id(decider->request->image, has->id);
        if (topic == NULL)
            continue;
        assignment->topic_partitions[assignment->topic_partitions_count++] =
            (struct consumer_group_describe_topic_partitions){ .topic_id = topic->id,
                .topic_name = str_copy(arena, topic->name),
                .partitions = arena_copy(
                    arena, has->partitions, (size_t)has->count * sizeof(*has->partitions)),
                .partitions_count = has->count };
    }
}

/* Texts are copied: the member may be gone before the answer leaves. */
static void describe_member(const struct group_decider *decider,
    const struct consumer_member *member, struct consumer_group_describe_member *told)
{
    struct arena *arena = decider->arena;
    const struct consumer_current *current = &member->current;
    struct partition_set has =
        partition_set_union(&current->assigned, &current->revoking, arena);
    told->member_id = str_copy(arena, member_id(member));
    told->instance_id = str_copy(arena, member->instance_id);
    told->rack_id = str_copy(arena, member->rack_id);
    told->member_epoch = current->epoch;
    told->client_id = str_copy(arena, member->client_id);
    told->client_host = str_copy(arena, member->client_host);
    told->subscribed_topic_regex = str_copy(arena, member->regex);
    told->member_type = member->classic != NULL ? TYPE_CLASSIC : TYPE_CONSUMER;
    told->subscribed_topic_names_count = member->topic_count;
    told->subscribed_topic_names =
        arena_take_array(arena, (size_t)member->topic_count, sizeof(struct str));
    for (int32_t i = 0; i < member->topic_count; i++)
        told->subscribed_topic_names[i] = str_copy(arena, member->topics[i]);
    tell(decider, &has, &told->assignment);
    tell(decider, &member->target, &told->target_assignment);
}

void decide_consumer_group_describe(struct group_decider *decider)
{
    const struct str *id = decider->request->request;
    struct consumer_group_describe_described_group *told = decider->request->response;
    const struct group *group = group_find(decider->coordinator, *id);
    told->group_id = *id;
    if (!consumer_group_is(group)) {
        told->error_code = ERROR_GROUP_ID_NOT_FOUND;
        told->error_message =
            group == NULL ? STR("There is no such group.") : STR("It is no consumer group.");
        return;
    }
    const struct consumer_group *kept = group->consumer;
    told->group_state = str_from(consumer_group_state(group));
    told->group_epoch = kept->epoch;
    told->assignment_epoch = kept->assignment_epoch;
    told->assignor_name = str_from(
        consumer_group_assignor(decider, group, NULL, (struct str){ 0 })->name);
    told->members =
        MESSAGE_TAKE(consumer_group_describe_member, decider->arena, consumer_group_size(group));
    for (const struct consumer_member *member = kept->members; member != NULL;
         member = member->hh.next)
        describe_member(decider, member, &told->members[told->members_count++]);
}
