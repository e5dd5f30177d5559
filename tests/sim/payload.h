/* SPDX-License-Identifier: Apache-2.0 */
/* What a record of a simulated run holds: key, value and headers follow from its number, so a reader knows what it must find. */
#pragma once
#include <stdint.h>

struct arena;
struct record;
struct recorder;

void payload_fill(struct record *record, int64_t value, struct arena *arena); /* but for its times */
int64_t payload_value_of(const struct recorder *recorder, struct record *record, struct arena *arena); /* VALUE_DAMAGED: of none */
