/* SPDX-License-Identifier: Apache-2.0 */
/* What AlterConfigs and IncrementalAlterConfigs both ask of the controller: for each resource the
 * wishes and, filled in by the decision, how they fared. A resource changes as a whole or not at
 * all. Everything lives in the arena of the request. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "error.h"

/* The protocol's numbers. */
enum setting_operation { OPERATION_SET, OPERATION_DELETE, OPERATION_APPEND, OPERATION_SUBTRACT };

struct setting_wish {
    struct str key, value; /* a value that is null deletes */
    int8_t operation;
};

/* One setting as it is, or would be. */
struct setting_pair {
    struct str key, value;
};

struct resource_change {
    int8_t type; /* enum setting_scope */
    struct str name;
    struct setting_wish *wishes;
    int32_t wish_count;
    bool settled; /* refused or done already: not for the controller */
    enum error error;
    struct str message; /* null: none */
};

/* Time grows with the square of the wishes, so there is an end to them: of one request (resources
 * count, too), and of what one resource may say. */
enum { SETTING_WISHES_MAX = 10000, SETTINGS_OF_RESOURCE_MAX = 10000 };

struct settings_change {
    struct resource_change *resources;
    int32_t count;
    bool replaces; /* what is not wished goes */
    bool validate_only;
};
