/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/unserved.h"

#include <inttypes.h>

#include "base/container.h"
#include "base/report.h"
#include "broker/setting_source.h"
#include "metadata/image.h"
#include "metadata/settings_change.h"

static const char consequence[] =
    "they are kept on the disk and not enforced here: whoever reaches this node may read and write";

/* Also behind a listener's name. */
static bool is_security(struct str key)
{
    struct str base = broker_setting_base(key);
    return str_starts(base, STR("ssl.")) || str_starts(base, STR("sasl.")) ||
           str_starts(base, STR("connections.max.reauth.")) ||
           str_starts(base, STR("principal.builder."));
}

struct security_settings {
    struct image_watch watch;
    int32_t count;
    struct str first;
};

static void count_setting(struct image_watch *watch, enum setting_scope scope, struct str name,
    struct str key, struct str value)
{
    struct security_settings *found = container_of(watch, struct security_settings, watch);
    (void)name;
    if (scope != SCOPE_BROKER || str_is_null(value) || !is_security(key))
        return;
    if (found->count++ == 0)
        found->first = key;
}

static void report_unused(const struct security_settings *found)
{
    if (found->count > 0)
        report_warn("security_settings_not_used", "settings=%" PRId32 " first=%.*s %s",
            found->count, STR_PRINT(found->first), consequence);
}

void unserved_report(const struct image *image)
{
    struct security_settings found = { .watch = { .setting = count_setting } };
    if (image->acls.count > 0)
        report_warn("acls_not_enforced", "acls=%" PRId64 " %s", image->acls.count, consequence);
    if (image->scram.count > 0 || image->tokens.count > 0)
        report_warn("credentials_not_used", "users=%" PRId64 " tokens=%" PRId64 " %s",
            image->scram.count, image->tokens.count, consequence);
    if (image->quotas.count > 0)
        report_warn("quotas_not_enforced",
            "quotas=%" PRId64 " they are kept on the disk and nothing is throttled",
            image->quotas.count);
    image_difference(NULL, image, &found.watch);
    report_unused(&found);
}

void unserved_report_change(const struct settings_change *change)
{
    struct security_settings found = { 0 };
    for (int32_t i = 0; i < change->count && !change->validate_only; i++) {
        const struct resource_change *resource = &change->resources[i];
        if (resource->error != ERROR_NONE)
            continue;
        for (int32_t k = 0; k < resource->wish_count; k++) {
            const struct setting_wish *wish = &resource->wishes[k];
            bool is_said = wish->operation != OPERATION_DELETE && !str_is_null(wish->value);
            if (is_said)
                count_setting(&found.watch, (enum setting_scope)resource->type, resource->name,
                    wish->key, wish->value);
        }
    }
    report_unused(&found);
}
