/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/link.h"

/* SWIZZLE: some links go silent one after the other, and come back in another order. */
enum trouble { STALL, ONE_WAY, BOTH_WAYS, ISOLATION, SWIZZLE, TROUBLE_COUNT };

static struct link *make_link(struct machine *from, struct machine *to)
{
    static const int64_t usual_us[] = { 100, 400, 400, 2000 }, slow_us[] = { 10000, 10000, 100000, 500000 };
    static const uint32_t splits[] = { 0, 250000, 250000, 700000 };
    struct links *links = from->sim->links;
    struct link *link = memory_take(sizeof(*link));
    *link = (struct link){ .from = from, .to = to, .usual_us = 100, .slow_us = 100 };
    if (from != to) {
        link->usual_us = usual_us[prng_below(&links->prng, 4)];
        link->slow_us = slow_us[prng_below(&links->prng, 4)];
        link->slow = (uint32_t)prng_below(&links->prng, 20000);
        link->split = splits[prng_below(&links->prng, 4)];
    }
    LL_APPEND(links->list, link);
    return link;
}

struct link *link_between(struct machine *from, struct machine *to)
{
    struct link *link = from->sim->links->list;
    while (link != NULL && (link->from != from || link->to != to))
        link = link->next;
    return link == NULL ? make_link(from, to) : link;
}

bool link_is_silent(const struct link *link)
{
    int64_t now_us = link->from->sim->now_us;
    return now_us >= link->silent_from_us && now_us < link->silent_until_us;
}

int64_t link_delay_us(const struct link *link)
{
    struct prng *prng = &link->from->sim->network;
    return draw_between(prng, 20, prng_chance(prng, link->slow) ? link->slow_us : link->usual_us);
}

/* Near the beginning or anywhere: lengths and headers are split as well as what is long. */
size_t link_cut(const struct link *link, size_t size)
{
    struct prng *prng = &link->from->sim->network;
    if (size < 2 || !prng_chance(prng, link->split))
        return size;
    bool is_near = prng_below(prng, 2) == 0 && size > 100;
    return 1 + (size_t)prng_below(prng, is_near ? 100 : size - 1);
}

/* ---- Troubles ---- */

/* One that is silent already stays so at least as long. */
static void silence(struct links *links, struct link *link, int64_t within_us, int64_t most_us)
{
    int64_t from_us = links->sim->now_us + draw_between(&links->prng, 0, within_us);
    bool is_short = prng_below(&links->prng, 4) > 0;
    int64_t until_us = from_us + draw_between(&links->prng, 1000, is_short ? most_us / 10 : most_us);
    bool is_silent = link_is_silent(link);
    if (!is_silent)
        link->silent_from_us = from_us;
    if (!is_silent || until_us > link->silent_until_us)
        link->silent_until_us = until_us;
}

static struct link *draw_link(struct links *links)
{
    struct link *link;
    uint64_t count = 0;
    LL_FOREACH (links->list, link)
        count += link->from != link->to;
    uint64_t left = count == 0 ? 0 : prng_below(&links->prng, count);
    LL_FOREACH (links->list, link)
        if (link->from != link->to && left-- == 0)
            break;
    return link;
}

/* A machine has no trouble with itself. */
static void make_trouble(struct links *links, enum trouble trouble, struct link *chosen)
{
    struct link *link;
    LL_FOREACH (links->list, link) {
        bool is_back = link->from == chosen->to && link->to == chosen->from;
        bool is_near = link->from == chosen->to || link->to == chosen->to;
        int64_t most_us = trouble == STALL ? 500000 : links->silence_us; /* few give up so soon */
        bool is_meant = link == chosen;
        if (trouble == BOTH_WAYS)
            is_meant = link == chosen || is_back;
        else if (trouble == ISOLATION)
            is_meant = is_near;
        else if (trouble == SWIZZLE)
            is_meant = prng_below(&links->prng, 2) == 0;
        if (is_meant && link->from != link->to)
            silence(links, link, trouble == SWIZZLE ? 1000000 : 0, most_us);
    }
    links->count++;
}

static void plan_trouble(struct links *links)
{
    struct sim *sim = links->sim;
    sim_set(sim, &links->trouble, EVENT_TROUBLE, sim->now_us + draw_between(&links->prng, 1000, links->rest_us));
}

static void meet_trouble(struct event *event)
{
    struct links *links = container_of(event, struct links, trouble);
    enum trouble trouble = (enum trouble)prng_below(&links->prng, TROUBLE_COUNT);
    struct link *link = draw_link(links);
    if (link != NULL && links->kinds & 1u << trouble)
        make_trouble(links, trouble, link);
    plan_trouble(links);
}

struct links *links_create(struct sim *sim, uint64_t seed)
{
    struct links *links = memory_take(sizeof(*links));
    *links = (struct links){ .sim = sim, .trouble.run = meet_trouble };
    prng_init(&links->prng, seed);
    return links;
}

void links_destroy(struct links *links)
{
    struct link *link, *next;
    LL_FOREACH_SAFE (links->list, link, next)
        memory_give(link);
    memory_give(links);
}

void sim_disturb_network(struct sim *sim)
{
    static const int64_t rests_us[] = { 2000000, 10000000, 30000000 }, silences_us[] = { 1000000, 5000000, 30000000 };
    struct links *links = sim->links;
    uint64_t pace = prng_below(&links->prng, 3); /* the rarer, the longer */
    links->kinds = (uint32_t)prng_below(&links->prng, 1u << TROUBLE_COUNT);
    links->rest_us = rests_us[pace];
    links->silence_us = silences_us[prng_below(&links->prng, pace + 1)];
    if (links->kinds != 0)
        plan_trouble(links);
}

void sim_calm_network(struct sim *sim)
{
    sim_cancel(sim, &sim->links->trouble);
}

int64_t sim_network_calm_from_us(const struct sim *sim)
{
    int64_t from_us = sim->now_us;
    struct link *link;
    LL_FOREACH (sim->links->list, link)
        from_us = link->silent_until_us > from_us ? link->silent_until_us : from_us;
    return from_us;
}

int64_t sim_network_troubles(const struct sim *sim)
{
    return sim->links->count;
}
