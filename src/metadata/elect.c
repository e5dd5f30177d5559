/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/elect.h"

#include <assert.h>

#include "metadata/feature.h"
#include "wire/gen/partition_change_record.h"

enum { LEADER_NONE = -1, RECOVERY_RECOVERING = 1 };

/* A partition on its way to its next state. Lists are in the decider's arena, with room for every
 * replica. */
struct transition {
    struct decider *decider;
    const struct broker_move *move;
    const struct image_partition *partition;
    bool with_elr;
    int32_t *isr, *elr;
    int32_t isr_count, elr_count;
    int32_t leader;
    bool unclean;
};

static bool list_has(const int32_t *ids, int32_t count, int32_t id)
{
    return node_list_has((struct node_list){ ids, count }, id);
}

static int32_t min_insync_replicas(const struct decider *decider, const struct image_topic *topic)
{
    const struct str key = STR("min.insync.replicas");
    struct str text = image_setting(decider->image, SCOPE_TOPIC, topic->name, key);
    int64_t value;
    if (str_is_null(text))
        text = image_setting(decider->image, SCOPE_BROKER, STR(""), key);
    if (str_is_null(text) || !str_to_int64(str_trim(text), &value) || value < 1 ||
        value > INT32_MAX)
        return decider->settings->min_insync_replicas;
    return (int32_t)value;
}

static bool may_elect_uncleanly(const struct decider *decider, const struct image_topic *topic)
{
    const struct str key = STR("unclean.leader.election.enable");
    struct str text = image_setting(decider->image, SCOPE_TOPIC, topic->name, key);
    if (str_is_null(text))
        text = image_setting(decider->image, SCOPE_BROKER, STR(""), key);
    text = str_trim(text);
    return str_is_null(text) ? decider->settings->unclean_leader_election
                             : text.size == 4; /* true or false, in any case of letters */
}

/* A replica that nobody placed yet is wherever its broker will put it. */
static bool is_online(const struct image_broker *broker, struct uuid directory)
{
    if (uuid_equal(directory, DIRECTORY_UNASSIGNED) || uuid_equal(directory, DIRECTORY_MIGRATING))
        return true;
    if (uuid_equal(directory, DIRECTORY_LOST))
        return false;
    for (int32_t i = 0; i < broker->directory_count; i++)
        if (uuid_equal(broker->directories[i], directory))
            return true;
    return broker->directory_count == 0; /* registered before directories had ids */
}

static bool is_acceptable(const struct transition *transition, int32_t broker_id)
{
    const struct broker_move *move = transition->move;
    const struct image_broker *broker = image_broker(transition->decider->image, broker_id);
    if (broker == NULL || broker_id == move->leaves)
        return false;
    bool serves = broker_id == move->comes || broker_is_active(broker);
    struct uuid directory = broker_id == move->comes && move->assigned != NULL
                                ? *move->assigned
                                : image_partition_directory(transition->partition, broker_id);
    return serves && is_online(broker, directory);
}

static bool is_valid_leader(const struct transition *transition, int32_t broker_id)
{
    bool is_eligible = list_has(transition->isr, transition->isr_count, broker_id) ||
                       list_has(transition->elr, transition->elr_count, broker_id);
    return broker_id != LEADER_NONE && is_eligible && is_acceptable(transition, broker_id);
}

static void shrink_isr(struct transition *transition)
{
    const struct image_partition *partition = transition->partition;
    for (int32_t i = 0; i < partition->isr.count; i++)
        if (partition->isr.ids[i] != transition->move->leaves)
            transition->isr[transition->isr_count++] = partition->isr.ids[i];
    /* Without eligible leaders beside it, the ISR never becomes empty: who was last in it may come
     * back. */
    if (transition->isr_count == 0 && !transition->with_elr) {
        transition->isr_count = partition->isr.count;
        if (partition->isr.count > 0)
            memcpy(transition->isr, partition->isr.ids,
                (size_t)partition->isr.count * sizeof(int32_t));
    }
}

static void add_eligible(struct transition *transition, struct node_list from)
{
    const struct broker_move *move = transition->move;
    for (int32_t i = 0; i < from.count; i++) {
        int32_t id = from.ids[i];
        bool lost = move->unclean && id == move->leaves;
        if (!lost && !list_has(transition->isr, transition->isr_count, id) &&
            !list_has(transition->elr, transition->elr_count, id))
            transition->elr[transition->elr_count++] = id;
    }
}

static int32_t choose_leader(struct transition *transition, const struct image_topic *topic)
{
    const struct image_partition *partition = transition->partition;
    enum election election = transition->move->election;
    if (election == ELECTION_PREFERRED && is_valid_leader(transition, partition->replicas.ids[0]))
        return partition->replicas.ids[0];
    if (is_valid_leader(transition, partition->leader))
        return partition->leader;
    for (int32_t i = 0; i < partition->replicas.count; i++)
        if (is_valid_leader(transition, partition->replicas.ids[i]))
            return partition->replicas.ids[i];

    bool nobody_left =
        transition->with_elr && transition->isr_count == 0 && transition->elr_count == 0;
    if (nobody_left && partition->last_known_elr.count == 1 &&
        is_acceptable(transition, partition->last_known_elr.ids[0])) {
        transition->unclean = true;
        return partition->last_known_elr.ids[0];
    }
    if (election != ELECTION_UNCLEAN && !may_elect_uncleanly(transition->decider, topic))
        return LEADER_NONE;
    for (int32_t i = 0; i < partition->replicas.count; i++)
        if (is_acceptable(transition, partition->replicas.ids[i])) {
            transition->unclean = true;
            return partition->replicas.ids[i];
        }
    return LEADER_NONE;
}

/* An eligible leader, or an unclean one, begins an ISR of its own. */
static void seat_leader(struct transition *transition)
{
    int32_t leader = transition->leader;
    if (leader == LEADER_NONE || list_has(transition->isr, transition->isr_count, leader))
        return;
    transition->isr[0] = leader;
    transition->isr_count = 1;
    int32_t kept = 0;
    for (int32_t i = 0; i < transition->elr_count; i++)
        if (transition->elr[i] != leader)
            transition->elr[kept++] = transition->elr[i];
    transition->elr_count = kept;
}

static bool same_list(struct node_list list, const int32_t *ids, int32_t count)
{
    return list.count == count &&
           (count == 0 || memcmp(list.ids, ids, (size_t)count * sizeof(*ids)) == 0);
}

static bool write_change(
    struct transition *transition, const struct image_topic *topic, int32_t index)
{
    const struct image_partition *partition = transition->partition;
    struct partition_change_record record;
    bool changed = false;
    message_defaults(&partition_change_record_schema, &record);
    record.partition_id = index;
    record.topic_id = topic->id;
    if (transition->leader != partition->leader) {
        record.leader = transition->leader;
        changed = true;
    }
    if (!same_list(partition->isr, transition->isr, transition->isr_count)) {
        record.isr = transition->isr;
        record.isr_count = transition->isr_count;
        changed = true;
    }
    /* A replica that is the only one has nobody to recover from: what it has is all there is. */
    bool recovers = transition->unclean && partition->replicas.count > 1;
    if (recovers && partition->leader_recovery_state != RECOVERY_RECOVERING) {
        record.leader_recovery_state = RECOVERY_RECOVERING;
        changed = true;
    }
    if (!same_list(partition->elr, transition->elr, transition->elr_count)) {
        record.eligible_leader_replicas = transition->elr;
        record.eligible_leader_replicas_count = transition->elr_count;
        changed = true;
    }
    /* The last leader of an ISR that emptied is remembered, until there is a leader again. */
    if (transition->with_elr && transition->isr_count == 0 && partition->leader != LEADER_NONE) {
        record.last_known_elr = (int32_t *)&partition->leader;
        record.last_known_elr_count = 1;
    } else if (transition->isr_count > 0 && partition->last_known_elr.count > 0) {
        record.last_known_elr = transition->isr; /* empty, not null */
        record.last_known_elr_count = 0;
        changed = true;
    }
    if (changed)
        decide_record(transition->decider, &partition_change_record_schema,
            partition_version(transition->decider->image), &record);
    return changed;
}

bool elect_one(struct decider *decider, const struct broker_move *move,
    const struct image_topic *topic, int32_t index)
{
    const struct image_partition *partition = image_partition(topic, index);
    size_t room =
        (size_t)(partition->replicas.count + partition->isr.count + partition->elr.count) + 1;
    struct transition transition = { .decider = decider, .move = move, .partition = partition };
    transition.with_elr = image_has_elr(decider->image);
    transition.isr = arena_take_array(decider->arena, room, sizeof(int32_t));
    transition.elr = arena_take_array(decider->arena, room, sizeof(int32_t));
    shrink_isr(&transition);
    int32_t wanted = min_insync_replicas(decider, topic);
    wanted = wanted < partition->replicas.count ? wanted : partition->replicas.count;
    if (transition.with_elr && transition.isr_count < wanted) {
        add_eligible(&transition, partition->elr);
        add_eligible(&transition, partition->isr);
    }
    transition.leader = choose_leader(&transition, topic);
    seat_leader(&transition);
    return write_change(&transition, topic, index);
}

static bool is_touched(const struct broker_move *move, const struct image_partition *partition)
{
    if (partition == NULL)
        return false;
    if (move->leaves == NO_BROKER)
        return partition->leader == LEADER_NONE && node_list_has(partition->replicas, move->comes);
    bool holds = partition->leader == move->leaves || node_list_has(partition->isr, move->leaves) ||
                 (move->unclean && node_list_has(partition->elr, move->leaves));
    if (!holds || move->lost == NULL)
        return holds;
    struct uuid directory = image_partition_directory(partition, move->leaves);
    for (int32_t i = 0; i < move->lost_count; i++)
        if (uuid_equal(move->lost[i], directory))
            return true;
    return false;
}

void elect_after(struct decider *decider, const struct broker_move *move)
{
    const struct image_topic *topic = image_topic_after(decider->image, (struct str){ 0 });
    for (; topic != NULL; topic = image_topic_after(decider->image, topic->name))
        for (int32_t i = 0; i < topic->partition_count; i++)
            if (is_touched(move, image_partition(topic, i)))
                elect_one(decider, move, topic, i);
}
