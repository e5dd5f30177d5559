/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cordon.h"

#include "base/memory.h"
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

static struct str said_now(const struct control *control, struct arena *arena)
{
    struct setting_view view;
    setting_view_init(&view, control->settings, quorum_image(control->quorum), arena);
    return broker_setting_value(&view, STR("cordoned.log.dirs"));
}

int32_t cordon_list(struct control *control, struct arena *arena, struct uuid **out_ids)
{
    const struct shard *shard = control->shards->list[0]; /* its directories never change */
    struct str list = said_now(control, arena);
    int32_t count = 0;
    memory_give(control->cordons_told);
    control->cordons_told = str_copy_owned(list);
    *out_ids = arena_take_array(arena, (size_t)shard->log_dir_count, sizeof(**out_ids));
    for (int i = 0; i < shard->log_dir_count; i++) {
        struct uuid id = log_dir_identity(shard->log_dirs[i])->directory_id;
        bool is_known = !uuid_is_zero(id); /* one that was offline at the start is not */
        if (is_known && names_directory(list, log_dir_path(shard->log_dirs[i])))
            (*out_ids)[count++] = id;
    }
    return count;
}

bool cordon_is_told(const struct control *control)
{
    struct arena arena;
    arena_init(&arena);
    bool is_told = str_equal(said_now(control, &arena), str_from(control->cordons_told));
    arena_deinit(&arena);
    return is_told;
}
