/* SPDX-License-Identifier: Apache-2.0 */
/* Brokers as they are registered. A registration never changes; a change makes another from its
 * record. */
#pragma once
#include "metadata/image.h"

struct register_broker_record;

struct bytes broker_key(const struct tree_value *value);
/* Copies everything out of record. */
struct image_broker *broker_create(const struct register_broker_record *record);
