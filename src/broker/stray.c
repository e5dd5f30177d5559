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

/* NULL: it is ours. A directory without an id takes the id of the topic of its name. */
static const char *reason_of(const struct log_place *place, const struct image *image, int32_t node_id)
{
    const struct image_topic *topic = uuid_is_zero(place->topic_id)
        ? image_topic_by_name(image, str_from(place->topic)) : image_topic_by_id(image, place->topic_id);

    if (topic == NULL)
        return image_topic_by_name(image, str_from(place->topic)) == NULL ? "no topic of the metadata has this name"
                                                                          : "the metadata names another topic id";
    if (!str_is(topic->name, place->topic))
        return "the metadata gives this topic id another name";
    if (place->partition >= topic->partition_count)
        return "the topic has fewer partitions";
    if (!node_list_has(topic->partitions[place->partition]->replicas, node_id))
        return "this node is no replica of it";
    return NULL;
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
    for (int i = 0; i < dir_count; i++) {
        for (int32_t k = 0; k < log_dir_place_count(dirs[i]); k++) {
            const struct log_place *place = log_dir_place(dirs[i], k);
            const char *reason = place->is_listed && !broken(topic_id_unseen) ? reason_of(place, image, node_id) : NULL;
            if (reason != NULL)
                set_aside(dirs[i], k, image, reason);
        }
        log_dir_forget_gone(dirs[i]);
    }
}
