/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/actor.h"

#include <errno.h>
#include <stdio.h>
#include <utlist.h>

#include "base/container.h"
#include "error.h"
#include "sim/sim.h"
#include "sim/workload.h"

uint64_t actor_draw(struct actor *actor, uint64_t bound)
{
    return sim_draw(actor->workload->sim, bound);
}

void actor_wait(struct actor *actor, int64_t most_us)
{
    timer_set(actor->loop, &actor->timer, loop_now_us(actor->loop) + 1000 + (int64_t)actor_draw(actor, (uint64_t)most_us));
}

void actor_set_idle(struct actor *actor)
{
    actor->idle = true;
    actor_wait(actor, 200000);
}

static void name_actor(struct actor *actor)
{
    snprintf(actor->name, sizeof(actor->name), "%s%d.%d", actor->kind, actor->number, actor->lives);
}

/* Without a connection it begins a new life: what went over an old one may still be under way. */
static void act_now(struct timer *timer)
{
    struct actor *actor = container_of(timer, struct actor, timer);
    arena_reset(&actor->arena);
    actor->idle = false;
    if (actor->workload->is_calm)
        actor->client.bite = 0; /* all must get ready in time */
    if (actor->client.socket == NULL)
        actor->lives++;
    name_actor(actor);
    actor->act(actor);
}

static void hear_answer(struct client *client)
{
    struct actor *actor = container_of(client, struct actor, client);
    if (client->status == 0) {
        actor->hear(actor);
        return;
    }
    if (client->status == -ETIMEDOUT && actor->asked_calm)
        recorder_violate(actor->workload->recorder, "calm_node_does_not_answer", "actor=%s call=%s", actor->name, actor->asked->name);
    if (actor->lose != NULL)
        actor->lose(actor);
    actor_wait(actor, 300000);
}

static int64_t chew_us(struct client *client)
{
    struct actor *actor = container_of(client, struct actor, client);
    return 100 + (int64_t)actor_draw(actor, actor_draw(actor, 200) == 0 ? 3000000 : 3000);
}

/* One in eight takes its answers a few bytes at a time, and now and then none for seconds. */
static void draw_slowness(struct actor *actor)
{
    actor->client.chew_us = chew_us;
    if (actor_draw(actor, 8) == 0)
        actor->client.bite = 100 + (size_t)actor_draw(actor, 2000);
}

void actor_start(struct actor *actor, struct workload *workload, const char *kind, int number, void (*act)(struct actor *actor))
{
    actor->loop = workload->machines[number % CLIENT_MACHINES].loop;
    client_init(&actor->client, actor->loop, workload->host, workload->port, hear_answer);
    arena_init(&actor->arena);
    actor->workload = workload;
    LL_APPEND(workload->actors, actor);
    actor->kind = kind;
    actor->number = number;
    actor->act = act;
    actor->timer.run = act_now;
    draw_slowness(actor);
    name_actor(actor);
    actor_wait(actor, 100000);
}

void actor_stop(struct actor *actor)
{
    timer_cancel(actor->loop, &actor->timer);
    client_deinit(&actor->client);
    arena_deinit(&actor->arena);
}

void actor_tell(const struct actor *actor)
{
    fprintf(stderr, "actor=%s idle=%d call=%s last_status=%d\n", actor->name, actor->idle,
        actor->client.api == NULL ? "none" : actor->client.api->name, actor->client.status);
}

void actor_ask(struct actor *actor, enum api_key api, int16_t least_version, int16_t most_version, const void *request)
{
    const struct message_schema *schema = api_schema_find((int16_t)api)->request;
    int16_t most = schema->max_version;
    if (schema->unstable_since <= most)
        most = (int16_t)(schema->unstable_since - 1);
    if (most_version < most)
        most = most_version;
    int16_t least = least_version > schema->min_version ? least_version : schema->min_version;
    int16_t version = (int16_t)(least + (int16_t)actor_draw(actor, (uint64_t)(most - least + 1)));
    actor->asked_in_life = actor->workload->recorder->lives;
    actor->asked = api_schema_find((int16_t)api);
    actor->asked_calm = actor->workload->is_calm;
    client_ask(&actor->client, api, version, request, CALL_LIMIT_US);
}

bool actor_may_see_damage(const struct actor *actor)
{
    return actor->asked_in_life <= actor->workload->recorder->damaged_life;
}

bool error_is_passing(int16_t error)
{
    switch (error) {
    case ERROR_LEADER_NOT_AVAILABLE:
    case ERROR_NOT_LEADER_OR_FOLLOWER:
    case ERROR_REQUEST_TIMED_OUT:
    case ERROR_NOT_ENOUGH_REPLICAS:
    case ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ERROR_KAFKA_STORAGE_ERROR:
    case ERROR_COORDINATOR_NOT_AVAILABLE:
    case ERROR_COORDINATOR_LOAD_IN_PROGRESS:
    case ERROR_NOT_CONTROLLER:
    case ERROR_BROKER_NOT_AVAILABLE:
    case ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case ERROR_UNKNOWN_TOPIC_ID:
    case ERROR_INVALID_REPLICATION_FACTOR: /* no broker is registered yet */
    case ERROR_FETCH_SESSION_ID_NOT_FOUND:
        return true;
    default:
        return false;
    }
}

bool error_is_certain(int16_t error)
{
    switch (error) {
    case ERROR_REQUEST_TIMED_OUT:
    case ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ERROR_KAFKA_STORAGE_ERROR:
    case ERROR_NOT_LEADER_OR_FOLLOWER: /* it may have been the leader when it appended */
    case ERROR_UNKNOWN_SERVER_ERROR:
        return false;
    default:
        return true;
    }
}

bool actor_succeeded(struct actor *actor, int16_t error, const char *call)
{
    if (error == ERROR_NONE)
        return true;
    if (error == ERROR_REQUEST_TIMED_OUT && actor->asked_calm)
        recorder_violate(actor->workload->recorder, "calm_node_answers_too_late", "actor=%s call=%s", actor->name, call);
    if (!error_is_passing(error))
        recorder_violate(
            actor->workload->recorder, "unexpected_error", "actor=%s call=%s error=%d", actor->name, call, error);
    actor_wait(actor, 300000);
    return false;
}

void actor_note(struct actor *actor, const char *phase, const char *name, const char *key, int64_t value, int64_t offset)
{
    recorder_note(actor->workload->recorder,
        &(struct event){ .process = actor->name, .phase = phase, .name = name, .key = key, .value = value, .offset = offset });
}
