/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli), as in record batches and producer snapshots. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* crc is 0 to begin, or the result so far. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
