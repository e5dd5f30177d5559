/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of a client, one call at a time. Turning the loop is done inside: for command
 * lines only. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "io/loop.h"
#include "wire/schema.h"

enum { LINK_API_COUNT = 128 };

struct link;

/* Connects and asks for the versions. 0 or -errno. */
int link_open(
    struct loop *loop, const char *host, int port, int64_t timeout_ms, struct link **out_link);
void link_close(struct link *link); /* NULL does nothing */
bool link_is_open(const struct link *link);

/* 0, -EPROTONOSUPPORT no version in common, -EPROTO undecodable, -ETIMEDOUT, or what the connection
 * met. The answer points into the arena. arena NULL: there is none to wait for, only the sending.
 */
int link_call(struct link *link, int16_t api, const void *request, struct arena *arena,
    void *out_response, int16_t *out_version);
void link_turn(struct loop *loop, int64_t milliseconds); /* one turn; -1: until anything happens */
void link_wait(struct loop *loop, int64_t milliseconds);
