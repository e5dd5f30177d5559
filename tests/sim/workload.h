/* SPDX-License-Identifier: Apache-2.0 */
/* The clients of a simulated run, on a machine of their own: an administrator, one who changes topics, those who change settings,
 * producers of every kind of acks, and readers. Each run draws its own mix. What they learn goes into the history. */
#pragma once
#include "sim/admin.h"
#include "sim/changer.h"
#include "sim/configurer.h"
#include "sim/producer.h"
#include "sim/reader.h"
#include "sim/recorder.h"
#include "sim/topics.h"

struct io;
struct loop;
struct sim;

enum { PRODUCERS_MOST = 6, READERS_MOST = 3, CONFIGURERS = 2 };

struct workload {
    struct sim *sim;
    struct recorder *recorder;
    const char *host;
    int port;
    struct io *io;
    struct loop *loop;
    struct topics topics;
    struct admin admin;
    struct changer changer;
    struct configurer configurers[CONFIGURERS];
    struct producer producers[PRODUCERS_MOST];
    struct reader readers[READERS_MOST];
    int producer_count, reader_count;
    bool by_name; /* names are used once, so that topics can be meant by name; else by id only */
    int names_used;
    int64_t created_count, deleted_count; /* topics */
    bool draining;
};

struct workload *workload_create(struct sim *sim, const char *host, int port, struct recorder *recorder);
void workload_destroy(struct workload *workload);

void workload_drain(struct workload *workload);           /* finish what is under way, then read all from the beginning */
bool workload_is_drained(const struct workload *workload);
void workload_tell(const struct workload *workload);      /* on standard error: who still waits, for a run that hangs */
bool workload_has_producers_under_way(const struct workload *workload);
