/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/stray.h"

#include <errno.h>
#include <string.h>

#include "base/broken.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "metadata/image.h"
#include "storage/log_dir.h"

bool stray_is_nobodys(const struct log_place *place)
{
    return uuid_is_zero(place->topic_id) && !place->stopped && place->recovery_point == 0;
}

/* NULL: it is ours. Else a directory without an id takes the id of the topic of its name. */
static const char *reason_of(const struct log_place *place, const struct image *image, int32_t node_id)
{
    const struct image_topic *topic = uuid_is_zero(place->topic_id)
        ? image_topic_by_name(image, str_from(place->topic)) : image_topic_by_id(image, place->topic_id);

    if (topic == NULL)
        return image_topic_by_name(image, str_from(place->topic)) == NULL ? "no topic of the metadata has this name"
                                                                          : "the metadata names another topic id";
    if (stray_is_nobodys(place))
        return "it has no partition.metadata, which its first flush would have made durable: it may be of an older topic";
    if (!str_is(topic->name, place->topic))
        return "the metadata gives this topic id another name";
    if (place->partition >= topic->partition_count)
        return "the topic has fewer partitions";
    if (!node_list_has(topic->partitions[place->partition]->replicas, node_id))
        return "this node is no replica of it";
    return NULL;
}

struct search {
    struct log_dir *const *dirs;
    int dir_count;
    const struct image *image;
    int32_t node_id;
};

static bool lies_in(const struct log_dir *dir, const struct log_place *place)
{
    return log_dir_find(dir, place->topic, place->partition) != NULL;
}

static bool lies_anywhere(const struct search *search, const struct log_place *place)
{
    for (int i = 0; i < search->dir_count; i++)
        if (lies_in(search->dirs[i], place))
            return true;
    return false;
}

static struct uuid named_id(const struct search *search, const struct log_place *place)
{
    const struct image_topic *topic = image_topic_by_name(search->image, str_from(place->topic));
    return image_partition_directory(topic->partitions[place->partition], search->node_id);
}

/* The directory where the metadata have the partition; -1: none of ours, or they name none. */
static int named_directory(const struct search *search, const struct log_place *place)
{
    struct uuid id = named_id(search, place);

    for (int i = 0; i < search->dir_count; i++)
        if (uuid_equal(log_dir_identity(search->dirs[i])->directory_id, id))
            return i;
    return -1;
}

static bool some_are_offline(const struct search *search)
{
    for (int i = 0; i < search->dir_count; i++)
        if (log_dir_failure(search->dirs[i]) != 0)
            return true;
    return false;
}

/* Of two futures of one partition, one is the goal of its move: where the metadata have it, else the first. */
static bool is_goal(const struct search *search, int own, const struct log_place *place)
{
    int named = named_directory(search, place);

    if (lies_in(search->dirs[own], place))
        return false;
    if (named >= 0 && log_dir_find_future(search->dirs[named], place->topic, place->partition) != NULL)
        return named == own;
    for (int i = 0; i < own; i++)
        if (log_dir_find_future(search->dirs[i], place->topic, place->partition) != NULL)
            return false;
    return true;
}

/* It is all that there is of the partition: where it cannot get its name now, it waits for another start (shard_image.c). */
static void finish_move(struct log_dir *dir, int32_t index)
{
    const struct log_place *place = log_dir_place(dir, index);
    int status = log_dir_finish_move(dir, index);

    if (status == 0)
        report_info("move_finished", "directory=%s", place->path);
    else
        report_error("move_not_finished", "directory=%s reason=\"%s\" consequence=\"the next start tries again\"", place->path, status_text(status));
}

/* What is left of a move. It goes on when the log that it is to replace is here; when that is gone and the metadata have the
 * partition where the future log is, it was about to be finished (KIP-858). NULL: it is neither to be set aside. */
static const char *judge_future(const struct search *search, int own, int32_t index)
{
    const struct log_place *place = log_dir_place(search->dirs[own], index);
    int named = named_directory(search, place);

    if (uuid_is_zero(place->topic_id))
        return "it does not say whose copy it is"; /* begun right before a power cut; or of an older topic of that name */
    if (!is_goal(search, own, place))
        return "it is no goal of a move of this partition";
    if (lies_anywhere(search, place))
        return NULL;
    if (named != own && some_are_offline(search))
        return NULL; /* that log may be there */
    if (named != own && directory_is_real(named_id(search, place)))
        return "the log that it was to replace is gone, and it may lack some of it";
    finish_move(search->dirs[own], index);
    return NULL;
}

/* Kafka, when it is killed while it replaces a log, may leave both; the metadata name the new one by then. */
static const char *judge_current(const struct search *search, int own, const struct log_place *place)
{
    int named = named_directory(search, place);

    return named >= 0 && named != own && lies_in(search->dirs[named], place)
               ? "the metadata name another directory, which has it as well"
               : NULL;
}

static void set_aside(struct log_dir *dir, int32_t index, const struct image *image, const char *reason)
{
    const struct log_place *place = log_dir_place(dir, index);
    const struct image_topic *named = image_topic_by_name(image, str_from(place->topic));
    char found[UUID_TEXT_SIZE + 1] = "none", wanted[UUID_TEXT_SIZE + 1] = "none";
    char *path;

    if (!uuid_is_zero(place->topic_id))
        uuid_print(place->topic_id, found);
    if (named != NULL)
        uuid_print(named->id, wanted);
    int status = log_dir_set_aside(dir, index, &path);
    if (status == 0)
        report_warn("partition_is_stray",
            "directory=%s topic_id=%s metadata_topic_id=%s reason=\"%s\" renamed_to=%s consequence=\"kept, not served\"",
            place->path, found, wanted, reason, path);
    else
        report_error("stray_stays", "directory=%s topic_id=%s metadata_topic_id=%s reason=\"%s; renaming to %s failed: %s\"",
            place->path, found, wanted, reason, path, status_text(status));
    memory_give(path);
}

void stray_set_aside(struct log_dir *const *dirs, int dir_count, const struct image *image, int32_t node_id)
{
    const struct search search = { dirs, dir_count, image, node_id };

    for (int i = 0; i < dir_count; i++) {
        for (int32_t k = 0; k < log_dir_place_count(dirs[i]) && log_dir_failure(dirs[i]) == 0; k++) {
            const struct log_place *place = log_dir_place(dirs[i], k);
            if (!place->is_listed || broken(topic_id_unseen))
                continue;
            const char *reason = reason_of(place, image, node_id);
            if (reason == NULL)
                reason = place->is_future ? judge_future(&search, i, k) : judge_current(&search, i, place);
            if (reason != NULL)
                set_aside(dirs[i], k, image, reason);
        }
        log_dir_forget_gone(dirs[i]);
    }
}
