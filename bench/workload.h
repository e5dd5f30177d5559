/* SPDX-License-Identifier: Apache-2.0 */
/* The workloads, and the one line of JSON each prints. A workload runs until its measured time is
 * over. */
#pragma once
#include <stdint.h>

#include "client.h"
#include "histogram.h"
#include "process.h"

/* Begins after the warm-up: what is counted, and what the processes had used at either end. */
struct measurement {
    const struct options *options;
    int64_t starts_at; /* when the warm-up is over */
    int64_t ends_at;
    bool counting;
    bool over;
    int64_t began_at, ended_at;
    uint64_t requests, records, bytes;
    struct usage before, after;
    struct histogram times;
};

void measurement_init(struct measurement *measurement, const struct options *options);
void measurement_turn(
    struct measurement *measurement, int64_t now); /* once a pass: begins and ends the counting */
void measurement_print(const struct measurement *measurement, const char *workload);

void run_produce(const struct options *options);
void run_commit(const struct options *options);
void run_fetch(const struct options *options);
void run_first(const struct options *options);
void run_settle(const struct options *options);
void run_classic(const struct options *options);
void run_hold(const struct options *options);
void run_end_to_end(const struct options *options);
