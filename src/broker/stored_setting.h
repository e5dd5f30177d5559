/* SPDX-License-Identifier: Apache-2.0 */
/* What the metadata log says under a broker's keys, and whether it acts. A controller stores what it is
 * sent without a look; what a broker would have refused acts nowhere and is not told, so that no stored
 * text can take a cluster out of its operator's hands. Kafka's broker passes the same over when it reads
 * its settings. */
#pragma once
#include "base/arena.h"
#include "base/str.h"

struct image;

bool broker_key_is_fixed(struct str key); /* known, and said at the start only */
/* Of TLS: said behind a listener's name only. */
bool broker_key_belongs_to_listener(struct str key);
bool broker_key_belongs_to_broker(struct str key); /* it differs from broker to broker: not for all at once */

/* What is stored for a broker's name, or "" for all, if it acts; null: nothing does. Keys that nobody
 * knows act as they are. */
struct str stored_broker_setting(
    const struct image *image, struct str broker, struct str key, struct arena *arena);
