/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections there may be and how fast they may come: in all, and from one address. The listeners of one loop
 * share these limits (a broker's listeners count together, a controller's by themselves, as Kafka's do). Only that loop asks
 * and changes; connections end on any loop, which gives their places back. Kafka: max.connections, max.connections.per.ip,
 * max.connections.per.ip.overrides, max.connection.creation.rate. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "net/conn.h"

struct limits_address;
struct listener;

/* So many a second on average over ten seconds, which may come at once. INT32_MAX: any number. */
struct limits_rate {
    int32_t per_second;
    int64_t credit; /* millionths of a connection */
    int64_t counted_us;
};

struct limits_override {
    char address[CONN_PEER_SIZE];
    int32_t connections_max;
};

struct limits_settings {
    int32_t connections_max, connections_per_ip_max, creation_rate;
};

struct limits {
    struct budget connections;
    struct limits_rate rate;
    int32_t per_ip_max;
    struct limits_override *overrides;
    int override_count;
    struct listener *listeners;       /* utlist; listener.c's */
    struct limits_address *addresses; /* map */
    unsigned sweep_at;                /* with so many, those without a connection are forgotten */
};

void limits_init(struct limits *limits, const struct limits_settings *settings);
void limits_deinit(struct limits *limits);                                       /* all connections are gone */
void limits_set(struct limits *limits, const struct limits_settings *settings);  /* copies it; from now on */
void limits_set_overrides(struct limits *limits, const struct limits_override *overrides, int count); /* copies them */

int64_t limits_excess(const struct limits *limits); /* connections beyond connections_max; 0: there may be more or none */

/* The address's count of connections, with one more in it; NULL: it may have no more. */
struct budget *limits_take_address(struct limits *limits, const char *address);

void limits_rate_set(struct limits_rate *rate, int32_t per_second);
int64_t limits_rate_wait_us(struct limits_rate *rate, int64_t now_us); /* until there may be a connection; 0: now */
void limits_rate_take(struct limits_rate *rate);                       /* there is one */
