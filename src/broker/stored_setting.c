/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/stored_setting.h"

#include "broker/setting_source.h"
#include "broker/settings.h"
#include "metadata/image.h"

bool broker_key_is_fixed(struct str key)
{
    return node_setting_find(key) != NULL && !broker_setting_is_live(key);
}

static bool is_any(struct str key, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        if (str_is(key, *keys))
            return true;
    }
    return false;
}

bool broker_key_belongs_to_listener(struct str key)
{
    static const char *const keys[] = { "ssl.keystore.type", "ssl.keystore.location",
        "ssl.keystore.password", "ssl.key.password", "ssl.keystore.certificate.chain",
        "ssl.keystore.key", "ssl.truststore.type", "ssl.truststore.location",
        "ssl.truststore.password", "ssl.truststore.certificates", NULL };
    return is_any(key, keys);
}

/* Of single listeners only the limits are the same everywhere. */
bool broker_key_belongs_to_broker(struct str key)
{
    static const char *const of_all[] = { "max.connections", "max.connection.creation.rate",
        "num.network.threads", NULL };
    struct str base = broker_setting_base(key);
    const struct setting *row = broker_setting_row(key);
    if (!str_equal(base, key))
        return !is_any(base, of_all);
    return row != NULL && (row->flags & SETTING_PER_BROKER) != 0 &&
           !str_is(key, "principal.builder.class");
}

static bool acts(struct str broker, struct str key, struct str value, struct arena *arena)
{
    const struct setting *row = broker_setting_row(key);
    struct str message;
    if (broker_key_is_fixed(key) || broker_key_belongs_to_listener(key) ||
        (broker.size == 0 && broker_key_belongs_to_broker(key)))
        return false;
    return row == NULL || setting_parse(row, value, arena, NULL, &message);
}

struct str stored_broker_setting(
    const struct image *image, struct str broker, struct str key, struct arena *arena)
{
    struct str value = image == NULL ? (struct str){ 0 } : image_setting(image, SCOPE_BROKER, broker, key);
    return str_is_null(value) || acts(broker, key, value, arena) ? value : (struct str){ 0 };
}
