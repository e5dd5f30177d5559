/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/preference.h"

#include <utlist.h>

#include "base/memory.h"

enum { PREFERENCES_MOST = 1000 };

struct preference {
    struct preference *prev, *next;
    char *topic;
    int32_t index;
    int log_dir_index;
};

static void forget(struct preferences *preferences, struct preference *preference)
{
    DL_DELETE(preferences->list, preference);
    preferences->count--;
    memory_give(preference->topic);
    memory_give(preference);
}

int preference_take(struct preferences *preferences, struct str topic, int32_t index)
{
    struct preference *preference;
    DL_FOREACH(preferences->list, preference)
    {
        if (preference->index != index || !str_is(topic, preference->topic))
            continue;
        int log_dir_index = preference->log_dir_index;
        forget(preferences, preference);
        return log_dir_index;
    }
    return -1;
}

void preference_note(struct preferences *preferences, struct str topic, int32_t index, int log_dir_index)
{
    (void)preference_take(preferences, topic, index);
    if (preferences->count == PREFERENCES_MOST)
        forget(preferences, preferences->list);
    struct preference *preference = memory_take(sizeof(*preference));
    preference->topic = str_copy_owned(topic);
    preference->index = index;
    preference->log_dir_index = log_dir_index;
    DL_APPEND(preferences->list, preference);
    preferences->count++;
}

void preferences_deinit(struct preferences *preferences)
{
    while (preferences->list != NULL)
        forget(preferences, preferences->list);
}
