/* SPDX-License-Identifier: Apache-2.0 */
/* Every record of the metadata log, applied to an image: the one way in which an image changes,
 * live and on replay. */
#pragma once
#include "metadata/image.h"
#include "metadata/record.h"

struct arena;

/* NULL, or why the node must stop at this record: unknown type or version, malformed, or against
 * what is there (constant text). scratch is reset by the caller. Transaction records are not
 * applied here (metadata/controller). */
const char *image_apply(struct image *image, const struct metadata_record *record, struct bytes raw,
    struct arena *scratch);

/* Calls emit with each record of a snapshot of the image, in Kafka's order, encoded at the image's
 * levels. The bytes are good until emit returns. */
void image_snapshot(const struct image *image, struct arena *scratch,
    void (*emit)(void *context, struct bytes record), void *context);
