/* SPDX-License-Identifier: Apache-2.0 */
#include "net/limits.h"

#include <string.h>

#include "base/map.h"
#include "base/memory.h"

enum { ADDRESSES_KEPT = 1024, MILLION = 1000 * 1000, RATE_WINDOW_US = 10 * MILLION };

/* Kept while it has a connection, and a while longer. */
struct limits_address {
    struct budget connections;
    UT_hash_handle hh;
    char address[CONN_PEER_SIZE];
};

void limits_rate_set(struct limits_rate *rate, int32_t per_second)
{
    if (rate->per_second == per_second)
        return;
    *rate = (struct limits_rate){ .per_second = per_second, .credit = (int64_t)per_second * RATE_WINDOW_US };
}

int64_t limits_rate_wait_us(struct limits_rate *rate, int64_t now_us)
{
    int64_t most = (int64_t)rate->per_second * RATE_WINDOW_US, elapsed_us = now_us - rate->counted_us;

    if (rate->per_second == INT32_MAX)
        return 0;
    if (rate->per_second == 0)
        return MILLION; /* nobody comes in; ask again, the setting may change */
    elapsed_us = elapsed_us < RATE_WINDOW_US ? elapsed_us : RATE_WINDOW_US;
    rate->credit += elapsed_us * rate->per_second;
    rate->credit = rate->credit < most ? rate->credit : most;
    rate->counted_us = now_us;
    return rate->credit >= MILLION ? 0 : (MILLION - rate->credit + rate->per_second - 1) / rate->per_second;
}

void limits_rate_take(struct limits_rate *rate)
{
    rate->credit -= MILLION;
}

void limits_init(struct limits *limits, const struct limits_settings *settings)
{
    *limits = (struct limits){ .sweep_at = ADDRESSES_KEPT, .rate.per_second = -1 };
    budget_init(&limits->connections, settings->connections_max);
    limits_set(limits, settings);
}

void limits_deinit(struct limits *limits)
{
    struct limits_address *address, *next;

    HASH_ITER(hh, limits->addresses, address, next) {
        HASH_DEL(limits->addresses, address);
        memory_give(address);
    }
    memory_give(limits->overrides);
}

void limits_set(struct limits *limits, const struct limits_settings *settings)
{
    limits->connections.limit = settings->connections_max;
    limits->per_ip_max = settings->connections_per_ip_max;
    limits_rate_set(&limits->rate, settings->creation_rate);
}

void limits_set_overrides(struct limits *limits, const struct limits_override *overrides, int count)
{
    size_t size = (size_t)count * sizeof(*overrides);

    memory_give(limits->overrides);
    limits->overrides = memory_take_raw(size);
    if (count > 0)
        memcpy(limits->overrides, overrides, size);
    limits->override_count = count;
}

int64_t limits_excess(const struct limits *limits)
{
    int64_t over = budget_used(&limits->connections) - limits->connections.limit;

    return over > 0 ? over : 0;
}

static int32_t address_max(const struct limits *limits, const char *address)
{
    for (int i = 0; i < limits->override_count; i++)
        if (strcmp(limits->overrides[i].address, address) == 0)
            return limits->overrides[i].connections_max;
    return limits->per_ip_max;
}

static void forget_quiet_addresses(struct limits *limits)
{
    struct limits_address *address, *next;

    HASH_ITER(hh, limits->addresses, address, next) {
        if (budget_used(&address->connections) > 0)
            continue;
        HASH_DEL(limits->addresses, address);
        memory_give(address);
    }
    unsigned left = HASH_COUNT(limits->addresses);
    limits->sweep_at = 2 * left > ADDRESSES_KEPT ? 2 * left : ADDRESSES_KEPT;
}

static struct limits_address *find_address(struct limits *limits, const char *text)
{
    struct limits_address *address;

    HASH_FIND_STR(limits->addresses, text, address);
    if (address != NULL)
        return address;
    if (HASH_COUNT(limits->addresses) >= limits->sweep_at)
        forget_quiet_addresses(limits);
    address = memory_take(sizeof(*address));
    budget_init(&address->connections, 0);
    memcpy(address->address, text, strnlen(text, sizeof(address->address) - 1));
    HASH_ADD_STR(limits->addresses, address, address);
    return address;
}

struct budget *limits_take_address(struct limits *limits, const char *text)
{
    struct limits_address *address = find_address(limits, text);

    address->connections.limit = address_max(limits, text);
    return budget_reserve(&address->connections, 1) ? &address->connections : NULL;
}
