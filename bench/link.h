/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that many may ask on: what they send is answered in order, each once, through the
 * asker that each embeds. Sending blocks, which small requests never do for long. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "client.h"

struct asker {
    struct asker *next; /* of those that wait on the link */
    void (*answered)(struct asker *asker, struct bytes answer);
};

struct link {
    int descriptor;
    struct asker *first, *last;
    size_t received, capacity;
    uint8_t *receiving;
};

/* Connected, and watched by that epoll descriptor, whose events carry the link. */
void link_open(struct link *link, const struct options *options, int poll);
void link_close(struct link *link);
/* The asker waits for nothing else. */
void link_ask(
    struct link *link, struct asker *asker, int16_t api_key, int16_t version, const void *request);
void link_receive(struct link *link); /* what is there; tells who asked */
