/* SPDX-License-Identifier: Apache-2.0 */
/* Text on its way to a descriptor that this process was given to print on, whose reader may be slow
 * or rest, for a loop that must not stand still meanwhile. Text is printed into a stream in memory
 * first, then sent as far as there is room; nothing is printed while some is under way.
 * The descriptor is left as it is, for other processes share it, and O_NONBLOCK would be theirs as
 * well: it is written when the poll sees room, and by no more than a pipe takes then. A terminal
 * may be stopped amid a write, so it is opened once more. A file takes everything. For main's verbs
 * only; the simulator has none of it. */
#pragma once
#include <stddef.h>
#include <stdio.h>

struct loop;
struct outlet;

struct outlet *outlet_open(struct loop *loop, int descriptor);
void outlet_close(struct outlet *outlet); /* before the loop is destroyed; NULL does nothing */

FILE *outlet_stream(struct outlet *outlet);         /* to print on */
size_t outlet_printed(const struct outlet *outlet); /* bytes that were not sent for yet */
size_t outlet_unsent(const struct outlet *outlet);  /* bytes under way */

/* 0: everything is sent; -EAGAIN: the rest goes when there is room, which ends a turn of the loop.
 * -EPIPE: nobody reads any more; or another -errno; then the rest is dropped. */
int outlet_send(struct outlet *outlet);
