/* SPDX-License-Identifier: Apache-2.0 */
/* Whole teams of members, all of which behave, in one office. */
#pragma once
#include "classic.h"

static struct office office;

static inline void begin(void)
{
    office_init(&office);
    office_add_topic(&office, "orders", 3);
}

static inline void end(void)
{
    office_check_replay(&office);
    office_deinit(&office);
}

/* A group of `count` dynamic members that is stable; the first one leads. */
enum { MOST = 8 };
struct team {
    int count;
    int32_t generation;
    struct str ids[MOST];
    struct question *joins[MOST];
};

static inline void team_sync(struct team *team, int nonce)
{
    const struct join_group_response *told = joined(team->joins[0]);
    struct question *syncs[MOST];
    assert_true(str_equal(told->leader, team->ids[0]));
    assert_int_equal(told->members_count, team->count);
    for (int i = 1; i < team->count; i++) {
        syncs[i] = sync_as_follower(&office, "g", team->ids[i], told->generation_id);
        assert_false(syncs[i]->is_done);
    }
    syncs[0] = sync_as_leader(&office, "g", told, nonce);
    for (int i = 0; i < team->count; i++)
        check_share(&office, syncs[i], team->ids[i], nonce);
    team->generation = told->generation_id;
}

static inline void team_join(struct team *team, struct wish wish)
{
    for (int i = 0; i < team->count; i++)
        team->joins[i] = join(&office, "g", team->ids[i], wish);
}

static inline struct team team_form(int count, struct wish wish)
{
    struct team team = { .count = count };
    for (int i = 0; i < count; i++)
        team.ids[i] = ask_id(&office, "g", wish);
    team_join(&team, wish);
    office_pass_time(&office, 3000);
    for (int64_t more = 0; !team.joins[0]->is_done && more < 20; more++)
        office_pass_time(&office, 3000);
    team_sync(&team, 1);
    return team;
}
