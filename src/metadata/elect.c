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
    struct node_list replicas, adding, removing; /* as they will be */
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

bool may_elect_uncleanly(const struct decider *decider, const struct image_topic *topic)
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
        bool stays =
            node_list_has(transition->replicas, id); /* not one that came for a move only */
        if (stays && !lost && !list_has(transition->isr, transition->isr_count, id) &&
            !list_has(transition->elr, transition->elr_count, id))
            transition->elr[transition->elr_count++] = id;
    }
}

static int32_t choose_leader(struct transition *transition, const struct image_topic *topic)
{
    const struct image_partition *partition = transition->partition;
    enum election election = transition->move->election;
    if (election == ELECTION_PREFERRED && is_valid_leader(transition, transition->replicas.ids[0]))
        return transition->replicas.ids[0];
    if (is_valid_leader(transition, partition->leader))
        return partition->leader;
    for (int32_t i = 0; i < transition->replicas.count; i++)
        if (is_valid_leader(transition, transition->replicas.ids[i]))
            return transition->replicas.ids[i];

    bool nobody_left =
        transition->with_elr && transition->isr_count == 0 && transition->elr_count == 0;
    if (nobody_left && partition->last_known_elr.count == 1 &&
        is_acceptable(transition, partition->last_known_elr.ids[0])) {
        transition->unclean = true;
        return partition->last_known_elr.ids[0];
    }
    if (election != ELECTION_UNCLEAN && !may_elect_uncleanly(transition->decider, topic))
        return LEADER_NONE;
    for (int32_t i = 0; i < transition->replicas.count; i++)
        if (is_acceptable(transition, transition->replicas.ids[i])) {
            transition->unclean = true;
            return transition->replicas.ids[i];
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

static bool same_nodes(struct node_list a, struct node_list b)
{
    return same_list(a, b.ids, b.count);
}

/* A replica that comes lies in its broker's only directory, or wherever the broker will put it. */
static struct uuid directory_of(const struct transition *transition, int32_t broker_id)
{
    const struct image_broker *broker = image_broker(transition->decider->image, broker_id);
    bool is_new = !node_list_has(transition->partition->replicas, broker_id);
    if (is_new && broker != NULL && broker->directory_count == 1)
        return broker->directories[0];
    return image_partition_directory(transition->partition, broker_id);
}

static bool set_assignment(struct transition *transition, struct partition_change_record *record)
{
    const struct image_partition *partition = transition->partition;
    int32_t count = transition->replicas.count;
    bool changed = false;
    if (!same_nodes(transition->replicas, partition->replicas)) {
        record->replicas = (int32_t *)transition->replicas.ids;
        record->replicas_count = count;
        changed = true;
    }
    if (changed && partition_version(transition->decider->image) >= 1) {
        record->directories =
            arena_take_array(transition->decider->arena, (size_t)count, sizeof(struct uuid));
        record->directories_count = count;
        for (int32_t i = 0; i < count; i++)
            record->directories[i] = directory_of(transition, transition->replicas.ids[i]);
    }
    if (!same_nodes(transition->adding, partition->adding)) {
        record->adding_replicas = (int32_t *)transition->adding.ids;
        record->adding_replicas_count = transition->adding.count;
        changed = true;
    }
    if (!same_nodes(transition->removing, partition->removing)) {
        record->removing_replicas = (int32_t *)transition->removing.ids;
        record->removing_replicas_count = transition->removing.count;
        changed = true;
    }
    return changed;
}

/* Some replica will not be one any more: the leader begins an epoch without it. */
static bool drops_a_replica(const struct transition *transition)
{
    const struct image_partition *partition = transition->partition;
    for (int32_t i = 0; i < partition->replicas.count; i++)
        if (!node_list_has(transition->replicas, partition->replicas.ids[i]))
            return true;
    return false;
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
    if (transition->leader != partition->leader || drops_a_replica(transition)) {
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
    changed = set_assignment(transition, &record) || changed;
    if (changed)
        decide_record(transition->decider, &partition_change_record_schema,
            partition_version(transition->decider->image), &record);
    return changed;
}

static struct transition begin_transition(struct decider *decider, const struct broker_move *move,
    const struct image_partition *partition, struct node_list replicas)
{
    size_t room = (size_t)(partition->replicas.count + replicas.count + partition->isr.count +
                           partition->elr.count) +
                  1;
    return (struct transition){
        .decider = decider,
        .move = move,
        .partition = partition,
        .replicas = replicas,
        .adding = partition->adding,
        .removing = partition->removing,
        .with_elr = image_has_elr(decider->image),
        .isr = arena_take_array(decider->arena, room, sizeof(int32_t)),
        .elr = arena_take_array(decider->arena, room, sizeof(int32_t)),
    };
}

/* The ISR is set; eligible leaders, leader and record follow from it. */
static bool settle(struct transition *transition, const struct image_topic *topic, int32_t index)
{
    const struct image_partition *partition = transition->partition;
    int32_t wanted = min_insync_replicas(transition->decider, topic);
    wanted = wanted < transition->replicas.count ? wanted : transition->replicas.count;
    if (transition->with_elr && transition->isr_count < wanted) {
        add_eligible(transition, partition->elr);
        add_eligible(transition, partition->isr);
    }
    transition->leader = choose_leader(transition, topic);
    seat_leader(transition);
    return write_change(transition, topic, index);
}

bool elect_one(struct decider *decider, const struct broker_move *move,
    const struct image_topic *topic, int32_t index)
{
    const struct image_partition *partition = image_partition(topic, index);
    struct transition transition = begin_transition(decider, move, partition, partition->replicas);
    shrink_isr(&transition);
    return settle(&transition, topic, index);
}

bool elect_reassigned(struct decider *decider, const struct reassignment *reassignment,
    const struct image_topic *topic, int32_t index)
{
    const struct broker_move nobody = { .leaves = NO_BROKER, .comes = NO_BROKER };
    struct transition transition =
        begin_transition(decider, &nobody, image_partition(topic, index), reassignment->replicas);
    transition.adding = reassignment->adding;
    transition.removing = reassignment->removing;
    transition.isr_count = reassignment->isr.count;
    for (int32_t i = 0; i < transition.isr_count; i++)
        transition.isr[i] = reassignment->isr.ids[i];
    return settle(&transition, topic, index);
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
