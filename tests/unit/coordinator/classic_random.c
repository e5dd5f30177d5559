/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of clients that come, go, hang, repeat themselves and come back, of a log that
 * refuses or commits late, and of a coordinator that moves. What holds in each of them: */
#include "base/prng.h"
#include "classic.h"

enum { CLIENTS = 7, GENERATIONS = 4000, STEPS = 2000, SEEDS = 30 };

/* A client in one group: what it asked last, and what it believes. */
struct client {
    struct wish wish;
    struct str id;
    int32_t generation;
    bool in, has_synced;          /* a generation that it knows of; that */
    struct question *join, *sync; /* not answered yet, or not looked at */
    const struct join_group_response *told;
};

/* What answers of one generation have said. A generation is told apart by the term of the
 * coordinator, too: one that was never in the log may come again after a move. */
struct generation {
    bool is_known;
    int32_t term;
    struct str leader, protocol, type;
    bool leader_was_told;
};

static struct office office;
static struct prng prng;
static struct client clients[CLIENTS];
static struct generation generations[GENERATIONS];
static int32_t term, newest; /* generation that was told in this term */
static int nonce;            /* of what leaders say */
static int assignments;      /* that came to be */
static const char *said[GENERATIONS];

static bool chance(uint32_t of_hundred)
{
    return prng_chance(&prng, of_hundred * 10000);
}

static void check_join_answer(const struct join_group_response *told)
{
    struct generation *at = &generations[told->generation_id];
    assert_true(told->generation_id > 0 && told->generation_id < GENERATIONS);
    if (!at->is_known || at->term != term) {
        *at = (struct generation){ .is_known = true,
            .term = term,
            .leader = told->leader,
            .protocol = told->protocol_name,
            .type = told->protocol_type };
        assert_true(told->generation_id >= newest); /* never back */
        newest = told->generation_id;
    }
    assert_true(str_equal(told->protocol_name, at->protocol));
    assert_true(str_equal(told->protocol_type, at->type));
    assert_true(told->members_count == 0 || str_equal(told->leader, told->member_id));
    for (int32_t i = 0; i < told->members_count; i++)
        for (int32_t k = 0; k < i; k++)
            assert_false(str_equal(told->members[i].member_id, told->members[k].member_id));
}

/* All hear of one leader, but for a static one's newer self, which has taken its place. */
static void check_leader(const struct client *client, const struct join_group_response *told)
{
    struct generation *at = &generations[told->generation_id];
    bool is_successor = client->wish.instance != NULL && str_starts(told->leader, STR("instance"));
    assert_true(str_equal(told->leader, at->leader) || is_successor ||
                str_starts(at->leader, STR("instance")));
}

static void hear_join(struct client *client)
{
    struct question *question = client->join;
    client->join = NULL;
    if (question->error != ERROR_NONE)
        return;
    const struct join_group_response *told = joined(question);
    switch (told->error_code) {
    case ERROR_NONE:
        check_join_answer(told);
        check_leader(client, told);
        client->told = told;
        client->id = told->member_id;
        client->generation = told->generation_id;
        client->in = true;
        client->has_synced = false;
        break;
    case ERROR_MEMBER_ID_REQUIRED:
        client->id = told->member_id;
        break;
    case ERROR_REBALANCE_IN_PROGRESS:
        break;
    case ERROR_UNKNOWN_MEMBER_ID:
    case ERROR_FENCED_INSTANCE_ID:
    case ERROR_INCONSISTENT_GROUP_PROTOCOL:
    case ERROR_GROUP_MAX_SIZE_REACHED:
    case ERROR_UNKNOWN_SERVER_ERROR: /* with the id of one that may not be static */
        client->id = STR("");
        break;
    default:
        fail_msg("join: %d", told->error_code);
    }
}

/* What a member got is what the leader of that generation said last, to it. */
static void hear_sync(struct client *client)
{
    struct question *question = client->sync;
    client->sync = NULL;
    client->in = question->error == ERROR_NONE && sync_error(question) == ERROR_NONE;
    client->has_synced = client->in;
    if (!client->in)
        return;
    const struct sync_group_response *told = synced(question);
    const struct sync_group_request *request = question->request.request;
    const char *words = said[request->generation_id];
    assert_true(str_equal(told->protocol_name, generations[request->generation_id].protocol));
    if (told->assignment.size == 0)
        return; /* the leader did not know of it */
    assert_non_null(words);
    const char *whole = arena_format(&office.arena, "%s%.*s", words, STR_PRINT(request->member_id));
    bool is_to_me = told->assignment.size == strlen(whole) &&
                    memcmp(told->assignment.data, whole, strlen(whole)) == 0;
    bool is_to_my_older_self =
        client->wish.instance != NULL && memcmp(told->assignment.data, words, strlen(words)) == 0;
    assert_true(is_to_me || is_to_my_older_self);
}

static void listen(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].join != NULL && clients[i].join->is_done)
            hear_join(&clients[i]);
        if (clients[i].sync != NULL && clients[i].sync->is_done)
            hear_sync(&clients[i]);
    }
}

static void client_joins(struct client *client)
{
    if (chance(3))
        client->wish.subscription = chance(50) ? "all" : "some";
    if (chance(3))
        client->wish.protocols[1] = chance(50) ? "sticky" : NULL;
    if (client->wish.instance != NULL && chance(20))
        client->id = STR(""); /* it has begun again */
    client->join = join(&office, "g", client->id, client->wish);
}

static void lead(struct client *client)
{
    const struct join_group_response *told = client->told;
    const char *words = arena_format(&office.arena, "%d for ", ++nonce);
    struct sync_group_request_assignment *list =
        MESSAGE_TAKE(sync_group_request_assignment, &office.arena, told->members_count);
    for (int32_t i = 0; i < told->members_count; i++) {
        struct str id = told->members[i].member_id;
        const char *share = arena_format(&office.arena, "%s%.*s", words, STR_PRINT(id));
        list[i].member_id = id;
        list[i].assignment = (struct bytes){ (const uint8_t *)share, strlen(share) };
    }
    int32_t before = office.count;
    bool was_stable = is_state(&office, "g", "Stable");
    client->sync = sync_with(&office, "g", client->id, client->generation, list,
        told->members_count, told->protocol_name.data, NULL);
    if (was_stable || office.count == before)
        return;
    said[client->generation] = words; /* what counts is in the log */
    assignments++;
}

static void client_syncs(struct client *client)
{
    bool leads = client->told != NULL && client->told->members_count > 0 &&
                 client->told->generation_id == client->generation &&
                 !client->told->skip_assignment;
    if (leads)
        lead(client);
    else
        client->sync = sync_with(&office, "g", client->id, client->generation, NULL, 0, NULL, NULL);
}

static void client_beats(struct client *client)
{
    client->in = heartbeat(&office, "g", client->id, client->generation, client->wish.instance) ==
                 ERROR_NONE;
}

static void client_behaves(struct client *client)
{
    if (client->join != NULL || client->sync != NULL)
        return;
    if (!client->in)
        client_joins(client);
    else if (!client->has_synced)
        client_syncs(client);
    else
        client_beats(client);
}

/* Whatever, and be it while it waits for an answer. */
static void client_errs(struct client *client)
{
    switch (prng_below(&prng, 6)) {
    case 0:
        client_joins(client);
        break;
    case 1:
        if (client->generation > 0)
            client_syncs(client);
        break;
    case 2:
        client_beats(client);
        break;
    case 3:
        commit(&office, "g", client->id, client->generation, client->wish.instance);
        break;
    case 4:
        leave(&office, "g", client->id, client->wish.instance);
        break;
    case 5:
        client->id = chance(50) ? STR("") : clients[prng_below(&prng, CLIENTS)].id;
        break;
    }
}

static void world_acts(void)
{
    if (chance(40))
        office_pass_time(&office, (int64_t)prng_below(&prng, 800));
    if (chance(1))
        office_pass_time(&office, 70000);
    if (chance(3))
        office.refuses = true;
    if (chance(50))
        office.refuses = false;
    if (prng_below(&prng, 300) > 0)
        return;
    office.refuses = false;
    listen();
    office_load_again(&office);
    term++;
    newest = 0;
}

static void set_out(uint64_t seed)
{
    static const char *const instances[CLIENTS] = { "instance1", "instance2" };
    prng_init(&prng, seed);
    office_init(&office);
    office_add_topic(&office, "orders", 3);
    office.coordinator.settings.classic_max_size = chance(30) ? 3 : INT32_MAX;
    memset(generations, 0, sizeof(generations));
    memset(said, 0, sizeof(said));
    term = newest = 0;
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = (struct client){ .id = STR(""),
            .wish = { .instance = instances[i],
                .protocols = { "range" },
                .version = chance(50) ? 9 : 3,
                .rebalance_ms = 1000 + (int32_t)prng_below(&prng, 20000),
                .session_ms = 6000 + (int32_t)prng_below(&prng, 20000) } };
}

/* Whoever still waits is answered in the time that the longest phases take; then all are gone. */
static void let_it_end(void)
{
    office.refuses = false;
    office_pass_time(&office, 400000);
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(clients[i].join == NULL || clients[i].join->is_done);
        assert_true(clients[i].sync == NULL || clients[i].sync->is_done);
    }
    listen();
    assert_null(office.rsm.held);
    const struct group *group = group_find(&office.coordinator, STR("g"));
    assert_true(group == NULL || group->kind->is_empty(group));
    office_check_replay(&office);
}

static void run(uint64_t seed)
{
    set_out(seed);
    for (int step = 0; step < STEPS; step++) {
        world_acts();
        struct client *client = &clients[prng_below(&prng, CLIENTS)];
        if (chance(2))
            client_errs(client);
        else
            client_behaves(client);
        listen();
        if (step % 50 == 0)
            office_check_replay(&office);
    }
    let_it_end();
    office_deinit(&office);
}

void test_classic_random__one_leader_one_protocol_no_way_back_and_nobody_waits_for_ever(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed);
    assert_true(assignments > SEEDS * 10); /* it came to something */
}
