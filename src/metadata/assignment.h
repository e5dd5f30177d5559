/* SPDX-License-Identifier: Apache-2.0 */
/* An assignment is the list of brokers that hold one partition, the preferred leader first. Checks
 * those that people choose, with Kafka's messages, and makes the record that a new partition begins
 * with. Reads the decider's image only; what is returned lies in its arena. */
#pragma once
#include "metadata/decide.h"

struct partition_record;
struct placement;

/* NULL: the brokers are registered, each named once, and as many as expected (-1: any number). Else
 * what is wrong. */
const char *assignment_fault(
    const struct decider *decider, struct node_list replicas, int32_t expected);
/* Leader and ISR are those that can serve now, in the order of replicas. The ISR may come out
 * empty: then the partition must not be made. The topic's id is the caller's to set. */
void assignment_record(const struct decider *decider, struct placement *placement, int32_t index,
    struct node_list replicas, struct partition_record *out_record);
/* The message for a chosen assignment whose record has an empty ISR. */
const char *assignment_nobody_serves(struct arena *arena, int32_t index);
