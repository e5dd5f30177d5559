/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of a broker's settings together: what is wished, with what others say. */
#pragma once
#include "broker/setting_source.h"
#include "error.h"
#include "metadata/settings_change.h"

/* All that this broker, or the default of all, would say. */
struct broker_wishes {
    const struct setting_view *view;
    struct setting_pair *pairs;
    int32_t count;
    bool is_default; /* this broker's own settings come before them */
};

/* ERROR_NONE, or an error and a message in the view's arena or constant. */
enum error broker_together_check(const struct broker_wishes *wishes, struct str *out_message);
