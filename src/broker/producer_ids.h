/* SPDX-License-Identifier: Apache-2.0 */
/* Producer ids for one shard. The controller gives them out in blocks of a thousand (ProducerIds records), so that an
 * InitProducerId rarely waits. One block is asked for at a time; who comes meanwhile waits in line. */
#pragma once
#include <stdint.h>

struct init_producer_id_work;
struct producer_id_block;
struct shard;

struct producer_ids {
    int64_t next, end;               /* what is left of the block */
    struct producer_id_block *asked; /* under way; NULL: none */
    struct init_producer_id_work *waiting, **waiting_last;
};

/* For a shard that ends: the control loop has ended before it. */
void producer_ids_deinit(struct producer_ids *ids);
