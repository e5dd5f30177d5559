/* SPDX-License-Identifier: Apache-2.0 */
/* One expression of a consumer group, matched with all topics of an image beside the coordinator:
 * what clients write may take a thousand times as long as what they mean. A decision that finds one
 * which is not matched with the newest topics leaves it to this; it is taken behind the decision,
 * stepped anywhere, and brought back as COORDINATOR_RESOLVED, which writes what it matches, if that
 * is new. It owns its memory: a quarter of a MB for the expression, and two words for each topic
 * that matches; and it may be brought back, or destroyed, after the group or the coordinator's
 * state is gone. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct resolution;
struct coordinator;
struct image;

/* Behind each request. NULL: none is wanted. */
struct resolution *coordinator_take_resolution(
    struct coordinator *coordinator, const struct image *image, int64_t steady_ms);
void resolution_destroy(struct resolution *resolution); /* NULL does nothing */

/* On any thread: it touches nothing else. True: it is done. A step takes some 10 ms at worst, the
 * first one, which reads the expression, up to a quarter of a second; all together some 10 s. */
bool resolution_step(struct resolution *resolution);
