/* SPDX-License-Identifier: Apache-2.0 */
/* AlterClientQuotas: the controller decides; the answer leaves when its records are committed and every shard knows. */
#include "broker/apis.h"
#include "broker/forward.h"
#include "broker/request.h"
#include "wire/gen/alter_client_quotas.h"

/* The answer has no error of its own: every entity carries it. */
static void refuse_all(struct request *request, enum error error)
{
    const struct alter_client_quotas_request *in = request->in.alter_client_quotas;
    struct alter_client_quotas_response *out = request->out.alter_client_quotas;
    out->entries_count = in->entries_count;
    out->entries = MESSAGE_TAKE(alter_client_quotas_response_entry_data, &request->arena, in->entries_count);
    for (int32_t i = 0; i < in->entries_count; i++) {
        struct alter_client_quotas_response_entry_data *entry = &out->entries[i];
        int32_t count = in->entries[i].entity_count;
        entry->error_code = (int16_t)error;
        if (error == ERROR_POLICY_VIOLATION)
            entry->error_message = STR("The request would change more than 10000 quotas at once: send it in parts.");
        entry->entity = MESSAGE_TAKE(alter_client_quotas_response_entity_data, &request->arena, count);
        entry->entity_count = count;
        for (int32_t j = 0; j < count; j++) {
            entry->entity[j].entity_type = in->entries[i].entity[j].entity_type;
            entry->entity[j].entity_name = in->entries[i].entity[j].entity_name;
        }
    }
}

enum step handle_alter_client_quotas(struct request *request)
{
    enum error error;
    if (!forward(request, &request->work.forwarded, CONTROLLER_ALTER_CLIENT_QUOTAS, &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        refuse_all(request, error);
    return STEP_ANSWER;
}
