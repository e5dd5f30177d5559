/* SPDX-License-Identifier: Apache-2.0 */
/* Where keys go: the hash by which Java's client chooses a partition (murmur2 with its seed), so
 * that a key lands where everybody else's records of it are. */
#pragma once
#include <stdint.h>

#include "base/bytes.h"

uint32_t key_hash(struct bytes key); /* partition: (key_hash & INT32_MAX) % partitions */
