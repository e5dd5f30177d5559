/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/topic.h"

#include <assert.h>

#include "base/broken.h"
#include "base/memory.h"
#include "metadata/item.h"
#include "wire/gen/partition_change_record.h"
#include "wire/gen/partition_record.h"

struct bytes topic_name_key(const struct tree_value *value)
{
    const struct image_topic *topic = (const struct image_topic *)value;
    return (struct bytes){ (const uint8_t *)topic->name.data, (size_t)topic->name.size };
}

struct bytes topic_id_key(const struct tree_value *value)
{
    const struct image_topic *topic = (const struct image_topic *)value;
    return (struct bytes){ topic->id.bytes, sizeof(topic->id.bytes) };
}

struct bytes directory_key(const struct tree_value *value)
{
    const struct image_directory *directory = (const struct image_directory *)value;
    return (struct bytes){ directory->id.bytes, sizeof(directory->id.bytes) };
}

static void partition_destroy(struct tree_value *value)
{
    memory_give(value);
}

/* Where the arrays of a partition go, behind its struct. */
struct packing {
    uint8_t *at;
};

static const void *pack(struct packing *packing, const void *data, size_t size)
{
    void *place = packing->at;
    if (size > 0)
        memcpy(place, data, size);
    packing->at += (size + 7) & ~(size_t)7;
    return place;
}

static struct node_list pack_nodes(struct packing *packing, const int32_t *ids, int32_t count)
{
    if (count <= 0)
        return (struct node_list){ NULL, 0 };
    return (struct node_list){ pack(packing, ids, (size_t)count * sizeof(*ids)), count };
}

static size_t nodes_size(int32_t count)
{
    return count <= 0 ? 0 : ((size_t)count * sizeof(int32_t) + 7) & ~(size_t)7;
}

static size_t tags_size(const struct unknown_tags *tags)
{
    if (tags->count == 0)
        return 0;
    size_t size = sizeof(*tags) + (size_t)tags->count * sizeof(struct unknown_tag);
    for (int32_t i = 0; i < tags->count; i++)
        size += (tags->entries[i].value.size + 7) & ~(size_t)7;
    return size;
}

static const struct unknown_tags *pack_tags(
    struct packing *packing, const struct unknown_tags *tags)
{
    if (tags->count == 0)
        return NULL;
    struct unknown_tags *copy = (struct unknown_tags *)pack(packing, tags, sizeof(*tags));
    struct unknown_tag *entries =
        (struct unknown_tag *)pack(packing, tags->entries, (size_t)tags->count * sizeof(*entries));
    for (int32_t i = 0; i < tags->count; i++)
        entries[i].value.data =
            pack(packing, tags->entries[i].value.data, tags->entries[i].value.size);
    copy->entries = entries;
    return copy;
}

struct image_partition *image_partition_create(const struct partition_record *record)
{
    bool has_directories =
        record->directories_count > 0 && record->directories_count == record->replicas_count;
    size_t directories_size =
        has_directories ? (size_t)record->directories_count * sizeof(struct uuid) : 0;
    size_t size = sizeof(struct image_partition) + directories_size +
                  nodes_size(record->replicas_count) + nodes_size(record->isr_count) +
                  nodes_size(record->adding_replicas_count) +
                  nodes_size(record->removing_replicas_count) +
                  nodes_size(record->eligible_leader_replicas_count) +
                  nodes_size(record->last_known_elr_count) + tags_size(&record->unknown_tags);
    struct image_partition *partition = memory_take(size);
    struct packing packing = { (uint8_t *)(partition + 1) };

    atomic_init(&partition->value.references, 1);
    partition->value.destroy = partition_destroy;
    partition->leader = record->leader;
    partition->leader_epoch = record->leader_epoch;
    partition->partition_epoch = record->partition_epoch;
    partition->leader_recovery_state = record->leader_recovery_state;
    if (has_directories)
        partition->directories = pack(&packing, record->directories, directories_size);
    partition->replicas = pack_nodes(&packing, record->replicas, record->replicas_count);
    partition->isr = pack_nodes(&packing, record->isr, record->isr_count);
    partition->adding =
        pack_nodes(&packing, record->adding_replicas, record->adding_replicas_count);
    partition->removing =
        pack_nodes(&packing, record->removing_replicas, record->removing_replicas_count);
    partition->elr = pack_nodes(
        &packing, record->eligible_leader_replicas, record->eligible_leader_replicas_count);
    partition->last_known_elr =
        pack_nodes(&packing, record->last_known_elr, record->last_known_elr_count);
    partition->unknown_tags = pack_tags(&packing, &record->unknown_tags);
    assert(packing.at == (uint8_t *)partition + size);
    return partition;
}

#define SET_LIST(record, field, list)                                                              \
    ((record)->field = (int32_t *)(list).ids, (record)->field##_count = (list).count)

void partition_to_record(const struct image_partition *partition, struct uuid topic_id,
    int32_t index, struct partition_record *out_record)
{
    *out_record = (struct partition_record){
        .partition_id = index,
        .topic_id = topic_id,
        .leader = partition->leader,
        .leader_epoch = partition->leader_epoch,
        .partition_epoch = partition->partition_epoch,
        .leader_recovery_state = partition->leader_recovery_state,
        .directories = (struct uuid *)partition->directories,
        .directories_count = partition->directories == NULL ? 0 : partition->replicas.count,
    };
    SET_LIST(out_record, replicas, partition->replicas);
    SET_LIST(out_record, isr, partition->isr);
    SET_LIST(out_record, adding_replicas, partition->adding);
    SET_LIST(out_record, removing_replicas, partition->removing);
    SET_LIST(out_record, eligible_leader_replicas, partition->elr);
    SET_LIST(out_record, last_known_elr, partition->last_known_elr);
    /* Left out when empty, as Kafka does: the default of these two is null. */
    if (partition->elr.count == 0)
        out_record->eligible_leader_replicas_count = -1;
    if (partition->last_known_elr.count == 0)
        out_record->last_known_elr_count = -1;
    if (partition->unknown_tags != NULL)
        out_record->unknown_tags = *partition->unknown_tags;
}

#define TAKE_LIST(record, change, field, of)                                                       \
    do {                                                                                           \
        if ((change)->of##_count >= 0) {                                                           \
            (record)->field = (change)->of;                                                        \
            (record)->field##_count = (change)->of##_count;                                        \
        }                                                                                          \
    } while (0)

struct image_partition *partition_changed(
    const struct image_partition *partition, const struct partition_change_record *change)
{
    enum { LEADER_UNCHANGED = -2, RECOVERY_UNCHANGED = -1 };
    struct partition_record record;
    partition_to_record(partition, change->topic_id, change->partition_id, &record);
    TAKE_LIST(&record, change, isr, isr);
    TAKE_LIST(&record, change, replicas, replicas);
    TAKE_LIST(&record, change, removing_replicas, removing_replicas);
    TAKE_LIST(&record, change, adding_replicas, adding_replicas);
    TAKE_LIST(&record, change, directories, directories);
    TAKE_LIST(&record, change, eligible_leader_replicas, eligible_leader_replicas);
    TAKE_LIST(&record, change, last_known_elr, last_known_elr);
    if (change->leader != LEADER_UNCHANGED) {
        record.leader = change->leader;
        record.leader_epoch += !broken(epoch_not_raised);
    }
    if (change->leader_recovery_state != RECOVERY_UNCHANGED)
        record.leader_recovery_state = change->leader_recovery_state;
    record.partition_epoch++;
    return image_partition_create(&record);
}

static void topic_destroy(struct tree_value *value)
{
    struct image_topic *topic = (struct image_topic *)value;
    for (int32_t i = 0; i < topic->partition_count; i++)
        if (topic->partitions[i] != NULL)
            tree_value_unref(&topic->partitions[i]->value);
    memory_give(topic->partitions);
    if (topic->record != NULL)
        tree_value_unref(&topic->record->value);
    memory_give(topic);
}

static struct image_topic *topic_create(struct str name, struct uuid id, uint64_t edit)
{
    struct image_topic *topic = memory_take(sizeof(*topic) + (size_t)name.size + 1);
    char *text = (char *)(topic + 1);
    atomic_init(&topic->value.references, 1);
    topic->value.edit = edit;
    topic->value.destroy = topic_destroy;
    topic->id = id;
    memcpy(text, name.data, (size_t)name.size);
    topic->name = (struct str){ text, name.size };
    return topic;
}

static void put_topic(struct image *image, struct image_topic *topic)
{
    tree_set(&image->topics_by_name, image->edit, tree_value_ref(&topic->value));
    tree_set(&image->topics_by_id, image->edit, &topic->value);
}

void image_add_topic(struct image *image, struct str name, struct uuid id, struct bytes record)
{
    assert(image_topic_by_name(image, name) == NULL && image_topic_by_id(image, id) == NULL);
    struct image_topic *topic = topic_create(name, id, image->edit);
    topic->record = item_create((struct bytes){ NULL, 0 }, record);
    put_topic(image, topic);
}

static void directory_destroy(struct tree_value *value)
{
    memory_give(value);
}

static void count_in_directory(struct image *image, struct uuid id, int64_t change)
{
    struct bytes key = { id.bytes, sizeof(id.bytes) };
    struct image_directory *directory =
        (struct image_directory *)tree_find(&image->directories, key);
    int64_t count = (directory == NULL ? 0 : directory->replica_count) + change;
    assert(count >= 0);
    if (count == 0) {
        tree_remove(&image->directories, image->edit, key);
        return;
    }
    if (directory == NULL || directory->value.edit != image->edit) {
        directory = memory_take(sizeof(*directory));
        atomic_init(&directory->value.references, 1);
        directory->value.edit = image->edit;
        directory->value.destroy = directory_destroy;
        directory->id = id;
        tree_set(&image->directories, image->edit, &directory->value);
    }
    directory->replica_count = count;
}

static void count_partition(
    struct image *image, const struct image_partition *partition, int64_t change)
{
    if (partition == NULL || partition->directories == NULL)
        return;
    for (int32_t i = 0; i < partition->replicas.count; i++)
        if (directory_is_real(partition->directories[i]))
            count_in_directory(image, partition->directories[i], change);
}

void image_remove_topic(struct image *image, const struct image_topic *topic)
{
    struct uuid id = topic->id;
    for (int32_t i = 0; i < topic->partition_count; i++)
        count_partition(image, topic->partitions[i], -1);
    image->partition_total -= topic->partition_count;
    tree_remove(&image->topics_by_name, image->edit, topic_name_key(&topic->value));
    bool removed = tree_remove(
        &image->topics_by_id, image->edit, (struct bytes){ id.bytes, sizeof(id.bytes) });
    assert(removed);
}

static struct image_topic *own_topic(struct image *image, const struct image_topic *topic)
{
    if (topic->value.edit == image->edit)
        return (struct image_topic *)topic;
    struct image_topic *copy = topic_create(topic->name, topic->id, image->edit);
    copy->partition_count = topic->partition_count;
    copy->partition_capacity = topic->partition_count;
    copy->partitions = memory_take((size_t)topic->partition_count * sizeof(*copy->partitions));
    for (int32_t i = 0; i < topic->partition_count; i++) {
        copy->partitions[i] = topic->partitions[i];
        if (copy->partitions[i] != NULL)
            tree_value_ref(&copy->partitions[i]->value);
    }
    copy->record = topic->record;
    tree_value_ref(&copy->record->value);
    put_topic(image, copy);
    return copy;
}

/* Partitions of a topic may come in any order; gaps are filled by the end of the batch they come
 * in. */
static void make_room(struct image *image, struct image_topic *topic, int32_t index)
{
    if (index < topic->partition_count)
        return;
    if (index >= topic->partition_capacity) {
        int32_t doubled = topic->partition_capacity * 2;
        topic->partition_capacity = index + 1 > doubled ? index + 1 : doubled;
        topic->partitions = memory_resize(
            topic->partitions, (size_t)topic->partition_capacity * sizeof(*topic->partitions));
    }
    for (int32_t i = topic->partition_count; i <= index; i++)
        topic->partitions[i] = NULL;
    image->partition_total += index + 1 - topic->partition_count;
    topic->partition_count = index + 1;
}

void image_set_partition(struct image *image, const struct image_topic *topic, int32_t index,
    struct image_partition *partition)
{
    assert(index >= 0);
    struct image_topic *owned = own_topic(image, topic);
    make_room(image, owned, index);
    count_partition(image, partition, 1);
    count_partition(image, owned->partitions[index], -1);
    if (owned->partitions[index] != NULL)
        tree_value_unref(&owned->partitions[index]->value);
    owned->partitions[index] = partition;
}
