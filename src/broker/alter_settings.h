/* SPDX-License-Identifier: Apache-2.0 */
/* What AlterConfigs and IncrementalAlterConfigs have in common. A broker looks at a request before
 * the controller does: at what concerns the broker itself, and at what is malformed; those
 * resources are settled, the others go on. On the controller's listener less is looked at, as in
 * Kafka. */
#pragma once
#include "metadata/settings_change.h"

struct forwarded;
struct request;

/* A handler's work on either; from the request's arena. */
struct alter_settings_work {
    struct settings_change change; /* filled by the handler */
    struct forwarded *forwarded;
};

/* To be called at each step, the change being filled before the first. True: every resource has its
 * answer. False: park. */
bool alter_settings(struct request *request, struct alter_settings_work *work);
