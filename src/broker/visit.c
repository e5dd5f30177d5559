/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/visit.h"

#include <assert.h>

#include "broker/request.h"
#include "broker/shard.h"

struct visit_trip {
    struct errand errand;
    struct visit *first, **last;
    visit_work *work;
    int32_t open; /* visits that are not done, and one while the trip itself runs */
};

void visits_init(struct visits *visits, struct request *request)
{
    *visits = (struct visits){ .request = request };
}

void visits_add(struct visits *visits, struct visit *visit)
{
    struct request *request = visits->request;
    const struct shard_list *shards = request->shard->shards;
    if (visits->trips == NULL)
        visits->trips = arena_take_array(&request->arena, (size_t)shards->count, sizeof(*visits->trips));
    struct shard *there = shard_of(request->shard, visit->topic_id, visit->partition_index);
    struct visit_trip *trip = &visits->trips[there->index];
    if (trip->first == NULL) {
        trip->last = &trip->first;
        trip->errand.there = there;
    }
    visit->trip = trip;
    visit->next = NULL;
    *trip->last = visit;
    trip->last = &visit->next;
    trip->open++;
}

static void close_one(struct visit_trip *trip)
{
    assert(trip->open > 0);
    if (--trip->open == 0)
        errand_finish(&trip->errand);
}

static void run_trip(struct errand *errand)
{
    struct visit_trip *trip = (struct visit_trip *)errand;
    struct shard *shard = errand->there;
    struct visit *next;
    for (struct visit *visit = trip->first; visit != NULL; visit = next) {
        next = visit->next;
        struct partition *partition = shard_partition(shard, visit->topic_id, visit->partition_index);
        if (trip->work(visit, shard, partition))
            close_one(trip);
    }
    close_one(trip);
}

bool visits_send(struct visits *visits, visit_work *work)
{
    struct request *request = visits->request;
    int32_t count = visits->trips == NULL ? 0 : request->shard->shards->count;
    for (int32_t i = 0; i < count; i++) {
        struct visit_trip *trip = &visits->trips[i];
        if (trip->first == NULL)
            continue;
        trip->work = work;
        trip->open++;
        trip->errand.run = run_trip;
        request_send(request, &trip->errand, trip->errand.there);
    }
    return request->errands_out == 0;
}

void visit_done(struct visit *visit)
{
    close_one(visit->trip);
}
