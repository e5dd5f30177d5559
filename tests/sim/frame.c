/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/frame.h"

#include "base/arena.h"
#include "base/memory.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/gen/request_header_record.h"
#include "wire/gen/response_header_record.h"

uint8_t *frame_build(const struct api_schema *api, int16_t version, int32_t correlation_id, const void *request, size_t *out_size)
{
    const struct request_header_record header = { .request_api_key = api->key,
        .request_api_version = version,
        .correlation_id = correlation_id,
        .client_id = STR("simulated") };
    int16_t header_version = api_request_header_version(api, version);
    size_t header_size = message_size(&request_header_record_schema, header_version, &header);
    size_t body_size = message_size(api->request, version, request);
    uint8_t *frame = memory_take(4 + header_size + body_size);
    store_u32(frame, (uint32_t)(header_size + body_size));
    message_encode(&request_header_record_schema, header_version, &header, frame + 4, header_size, NULL);
    message_encode(api->request, version, request, frame + 4 + header_size, body_size, NULL);
    *out_size = 4 + header_size + body_size;
    return frame;
}

const void *frame_read(const struct api_schema *api, int16_t version, int32_t correlation_id, struct bytes frame, struct arena *arena)
{
    struct response_header_record header;
    size_t used;
    if (!message_decode(&response_header_record_schema, api_response_header_version(api, version), frame, arena, &header, &used) ||
        header.correlation_id != correlation_id)
        return NULL;
    frame = (struct bytes){ frame.data + used, frame.size - used };
    void *response = arena_take(arena, api->response->shape->size);
    bool is_whole = message_decode(api->response, version, frame, arena, response, &used) && used == frame.size;
    return is_whole ? response : NULL;
}

int16_t api_newest_version(const struct api_schema *api)
{
    const struct message_schema *schema = api->request;
    return schema->unstable_since <= schema->max_version ? (int16_t)(schema->unstable_since - 1) : schema->max_version;
}
