/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as JSON, for people, logs and tests. Names are those of the schemas, in their order;
 * bytes and records are base64, uuids Kafka's text. Text that is not UTF-8 is shown with
 * replacement characters. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct message_schema;

/* Tagged fields at their default: left out, or shown. */
enum print_tagged { PRINT_TAGGED_SET, PRINT_TAGGED_ALL };

json_t *message_to_json(const struct message_schema *schema, int16_t version, const void *message,
    enum print_tagged tagged); /* a new object, the caller's */
/* One line; the caller gives it to free(). */
char *message_print(const struct message_schema *schema, int16_t version, const void *message);
