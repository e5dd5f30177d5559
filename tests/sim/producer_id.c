/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/producer_id.h"

#include <stdio.h>

#include "sim/actor.h"
#include "sim/workload.h"
#include "wire/gen/init_producer_id.h"

void producer_id_ask(struct actor *actor)
{
    struct init_producer_id_request request;
    message_defaults(&init_producer_id_request_schema, &request);
    request.transactional_id = (struct str){ 0 };
    request.transaction_timeout_ms = 60000;
    request.producer_id = -1;
    request.producer_epoch = -1;
    actor_ask(actor, API_INIT_PRODUCER_ID, 0, INT16_MAX, &request);
}

int32_t producer_id_draw_sequence(struct actor *actor)
{
    return actor_draw(actor, 3) > 0 ? 0 : INT32_MAX - (int32_t)actor_draw(actor, 30);
}

int32_t sequence_behind(int32_t sequence, int32_t count)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)count) & INT32_MAX);
}

bool sequence_is_before(int32_t sequence, int32_t other)
{
    uint32_t way = ((uint32_t)other - (uint32_t)sequence) & INT32_MAX;
    return way > 0 && way < UINT32_C(1) << 30;
}

void producer_id_note(struct actor *actor, const char *owner, int64_t producer_id)
{
    char key[40];
    snprintf(key, sizeof(key), "producer-id/%lld", (long long)producer_id);
    recorder_note(actor->workload->recorder,
        &(struct event){ .process = owner, .phase = "ok", .name = "own", .key = key, .offset = OFFSET_NONE });
}
