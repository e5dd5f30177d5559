/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/quorum_voters.h"

#include "base/arena.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/gen/kraft_version_record.h"
#include "wire/gen/leader_change_message_record.h"
#include "wire/gen/voters_record.h"

static struct bytes encode(
    struct arena *arena, const struct message_schema *schema, const void *message)
{
    return message_in_arena(arena, (struct bytes){ 0 }, schema, 0, message);
}

bool voters_parse(struct bytes value, struct raft_voters *out_voters)
{
    struct voters_record record;
    struct arena arena;
    arena_init(&arena);
    bool good = message_decode(&voters_record_schema, 0, value, &arena, &record, NULL) &&
                record.voters_count <= RAFT_VOTERS_MAX;
    out_voters->count = 0;
    for (int32_t i = 0; good && i < record.voters_count; i++)
        out_voters->list[out_voters->count++] =
            (struct raft_voter){ record.voters[i].voter_id, record.voters[i].voter_directory_id };
    arena_deinit(&arena);
    return good;
}

struct bytes voters_encode(struct arena *arena, const struct quorum_voter *voters, int32_t count)
{
    struct voters_record record = { .voters_count = count };
    record.voters = MESSAGE_TAKE(voters_record_voter, arena, count);
    for (int32_t i = 0; i < count; i++) {
        struct voters_record_voter *voter = &record.voters[i];
        voter->voter_id = voters[i].id;
        voter->voter_directory_id = voters[i].directory_id;
        voter->kraft_version_feature.max_supported_version = 1;
        voter->endpoints_count = voters[i].endpoint_count;
        voter->endpoints = MESSAGE_TAKE(voters_record_endpoint, arena, voters[i].endpoint_count);
        for (int32_t j = 0; j < voters[i].endpoint_count; j++) {
            voter->endpoints[j].name = str_from(voters[i].endpoints[j].name);
            voter->endpoints[j].host = str_from(voters[i].endpoints[j].host);
            voter->endpoints[j].port = voters[i].endpoints[j].port;
        }
    }
    return encode(arena, &voters_record_schema, &record);
}

struct bytes kraft_version_encode(struct arena *arena, int16_t kraft_version)
{
    struct kraft_version_record record = { .kraft_version = kraft_version };
    return encode(arena, &kraft_version_record_schema, &record);
}

bool kraft_version_parse(struct bytes value, int16_t *out_version)
{
    struct kraft_version_record record;
    struct arena arena;
    arena_init(&arena);
    bool good = message_decode(&kraft_version_record_schema, 0, value, &arena, &record, NULL);
    arena_deinit(&arena);
    *out_version = good ? record.kraft_version : -1;
    return good && record.kraft_version >= 0 && record.kraft_version <= 1;
}

static struct leader_change_message_record_voter *list_voters(
    struct arena *arena, const struct raft_voters *voters)
{
    struct leader_change_message_record_voter *list =
        MESSAGE_TAKE(leader_change_message_record_voter, arena, voters->count);
    for (int i = 0; i < voters->count; i++)
        list[i].voter_id = voters->list[i].id;
    return list;
}

struct bytes leader_change_encode(struct arena *arena, int32_t leader_id,
    const struct raft_voters *voters, const struct raft_voters *granting)
{
    struct leader_change_message_record record = { .leader_id = leader_id,
        .voters_count = voters->count,
        .granting_voters_count = granting->count };
    record.voters = list_voters(arena, voters);
    record.granting_voters = list_voters(arena, granting);
    return encode(arena, &leader_change_message_record_schema, &record);
}
