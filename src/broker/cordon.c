/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cordon.h"

#include "broker/control.h"
#include "broker/setting_source.h"
#include "broker/settings.h"
#include "storage/log_dir.h"

static bool names_directory(struct str list, const char *path)
{
    struct str piece;
    if (str_is(list, "*"))
        return true;
    while (list.size > 0 && str_split(&list, ',', &piece)) {
        if (str_is(str_trim(piece), path))
            return true;
    }
    return false;
}

int32_t cordon_list(const struct control *control, struct arena *arena, struct uuid **out_ids)
{
    const struct shard *shard = control->shards->list[0]; /* its directories never change */
    struct setting_view view;
    int32_t count = 0;
    setting_view_init(&view, control->settings, quorum_image(control->quorum), arena);
    struct str list = broker_setting_value(&view, STR("cordoned.log.dirs"));
    *out_ids = arena_take_array(arena, (size_t)shard->log_dir_count, sizeof(**out_ids));
    for (int i = 0; i < shard->log_dir_count; i++) {
        struct uuid id = log_dir_identity(shard->log_dirs[i])->directory_id;
        bool is_known = !uuid_is_zero(id); /* one that was offline at the start is not */
        if (is_known && names_directory(list, log_dir_path(shard->log_dirs[i])))
            (*out_ids)[count++] = id;
    }
    return count;
}
