/* SPDX-License-Identifier: Apache-2.0 */
/* What Kafka's own topics and control batches store, as JSON for people: the prefix that names type
 * and version is read off, and the fields are printed. An object is {"type": name, "version": n,
 * "data": {...}}. NULL, everywhere here: not such a record, of a later version, or damaged; then
 * the bytes themselves are all there is to show. */
#pragma once
#include <jansson.h>

#include "base/bytes.h"
#include "base/str.h"
#include "wire/gen/records.h"

/* RECORDS_OTHER: a user's topic, whose records mean nothing to us. */
enum record_topic stored_topic(struct str topic_name);

/* The metadata and remote log metadata topics have no keys: NULL. */
json_t *stored_key_to_json(enum record_topic topic, struct bytes key);

/* Which value it is, the key says where there is one. A null value prints as null: it deletes. */
json_t *stored_value_to_json(enum record_topic topic, struct bytes key, struct bytes value);

/* A record of a control batch: a transaction marker, or one of the quorum's. */
json_t *stored_control_to_json(struct bytes key, struct bytes value);
