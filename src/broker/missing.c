/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/missing.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/report.h"
#include "metadata/image.h"
#include "storage/log_dir.h"

struct absentees {
    struct uuid directory_id; /* as the metadata name it; zero in those of older releases */
    int64_t count;
    struct str first_topic;
    int32_t first_index;
};

struct search {
    struct log_dir *const *dirs;
    int dir_count;
    int32_t node_id;
    struct absentees *groups; /* one per directory */
    int32_t group_count;
};

/* NULL: it is none of ours. */
static const struct log_dir *directory_of(const struct search *search, struct uuid id)
{
    for (int i = 0; i < search->dir_count; i++) {
        if (uuid_equal(log_dir_identity(search->dirs[i])->directory_id, id))
            return search->dirs[i];
    }
    return NULL;
}

static bool lies_somewhere(const struct search *search, struct str topic, int32_t index)
{
    char name[256];

    assert(topic.size < (int32_t)sizeof(name));
    memcpy(name, topic.data, (size_t)topic.size);
    name[topic.size] = 0;
    for (int i = 0; i < search->dir_count; i++) {
        if (log_dir_find(search->dirs[i], name, index) != NULL)
            return true;
    }
    return false;
}

/* It may lie in a directory that is offline, and is not begun anew in another. */
static bool may_come_back(const struct search *search, struct uuid id)
{
    const struct log_dir *dir = directory_of(search, id);

    if (dir != NULL && log_dir_failure(dir) == 0)
        return false;
    for (int i = 0; i < search->dir_count; i++) {
        if (log_dir_failure(search->dirs[i]) != 0)
            return true;
    }
    return false;
}

/* A stop takes the last replica out of the ISR and keeps it eligible, or known (KIP-966). */
static bool was_in_sync(const struct image_partition *partition, int32_t node_id)
{
    return node_list_has(partition->isr, node_id) || node_list_has(partition->elr, node_id) ||
           node_list_has(partition->last_known_elr, node_id);
}

static bool was_here(const struct search *search, const struct image_partition *partition)
{
    struct uuid id = image_partition_directory(partition, search->node_id);
    bool was_led = partition->leader_epoch > 0;

    return was_in_sync(partition, search->node_id) &&
           (was_led || (directory_is_real(id) && directory_of(search, id) == NULL));
}

static void count(struct search *search, struct uuid id, struct str topic, int32_t index)
{
    for (int32_t i = 0; i < search->group_count; i++) {
        if (uuid_equal(search->groups[i].directory_id, id)) {
            search->groups[i].count++;
            return;
        }
    }
    search->groups =
        memory_resize(search->groups, (size_t)(search->group_count + 1) * sizeof(*search->groups));
    search->groups[search->group_count++] = (struct absentees){ id, 1, topic, index };
}

static void report_group(const struct search *search, const struct absentees *group)
{
    const struct log_dir *dir = directory_of(search, group->directory_id);
    char id[UUID_TEXT_SIZE + 1];

    uuid_print(group->directory_id, id);
    report_warn("partitions_begin_empty",
        "directory=%s directory.id=%s partitions=%" PRId64 " first=%.*s-%" PRId32
        " reason=\"the metadata know them, and no directory of log.dirs holds them\" "
        "consequence=\"they are served empty: if their disk can be put back or restored, stop the "
        "node and do so before they are written to\"",
        dir == NULL ? "none" : log_dir_path(dir), id, group->count, STR_PRINT(group->first_topic),
        group->first_index);
}

void missing_report(
    struct log_dir *const *dirs, int dir_count, const struct image *image, int32_t node_id)
{
    struct search search = { .dirs = dirs, .dir_count = dir_count, .node_id = node_id };
    const struct image_topic *topic = image_topic_after(image, (struct str){ 0 });

    for (; topic != NULL; topic = image_topic_after(image, topic->name)) {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            const struct image_partition *partition = topic->partitions[i];
            struct uuid id = image_partition_directory(partition, node_id);
            if (was_here(&search, partition) && !lies_somewhere(&search, topic->name, i) &&
                !may_come_back(&search, id))
                count(&search, id, topic->name, i);
        }
    }
    for (int32_t i = 0; i < search.group_count; i++)
        report_group(&search, &search.groups[i]);
    memory_give(search.groups);
}
