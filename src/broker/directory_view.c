/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/directory_view.h"

#include <limits.h>

#include "broker/settings.h"
#include "broker/shard.h"
#include "io/file.h"

/* As Kafka tells it: without looking for links and dots. */
struct str directory_view_path(const struct shard *shard, int log_dir_index, struct arena *arena)
{
    const char *path = log_dir_path(shard->log_dirs[log_dir_index]);
    char current[PATH_MAX];
    if (path[0] == '/' || directory_current(loop_io(shard->loop), current, sizeof(current)) < 0)
        return str_from(path);
    return str_from(arena_format(arena, "%s/%s", current, path));
}

int directory_view_find(const struct shard *shard, struct str path, struct arena *arena)
{
    for (int i = 0; i < shard->log_dir_count; i++)
        if (str_equal(path, directory_view_path(shard, i, arena)))
            return i;
    return -1;
}

bool directory_view_is_cordoned(const struct shard *shard, int log_dir_index)
{
    struct uuid id = log_dir_identity(shard->log_dirs[log_dir_index])->directory_id;
    const struct image_broker *broker =
        shard->image == NULL ? NULL : image_broker(shard->image, shard->settings->node_id);
    for (int32_t i = 0; broker != NULL && i < broker->cordoned_count; i++)
        if (uuid_equal(broker->cordoned[i], id))
            return true;
    return false;
}
