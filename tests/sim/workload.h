/* SPDX-License-Identifier: Apache-2.0 */
/* The clients of a simulated run, on machines of their own: an administrator, producers of every kind of acks, and readers; one that
 * keeps a compacted topic; those who change topics, settings and quotas, move partitions, ask what partitions and the node say of themselves, read many partitions at once, send many requests
 * at once, wish for what cannot be, or ask what operators ask; and strangers that mean no good. Each run draws its own mix. What they learn goes into the history. */
#pragma once
#include "sim/admin.h"
#include "sim/changer.h"
#include "sim/configurer.h"
#include "sim/groups.h"
#include "sim/hostile.h"
#include "sim/inspector.h"
#include "sim/invariants.h"
#include "sim/keeper.h"
#include "sim/limiter.h"
#include "sim/mover.h"
#include "sim/pipeliner.h"
#include "sim/prober.h"
#include "sim/producer.h"
#include "sim/reader.h"
#include "sim/recorder.h"
#include "sim/scholar.h"
#include "sim/streamer.h"
#include "sim/subscriber.h"
#include "sim/topics.h"
#include "sim/wisher.h"

struct io;
struct loop;
struct machine;
struct sim;

enum { PRODUCERS_MOST = 6, READERS_MOST = 3, CONFIGURERS_MOST = 2, LIMITERS_MOST = 2, SUBSCRIBERS_MOST = 2, STREAMERS_MOST = 2, HOSTILES_MOST = 2, CLIENT_MACHINES = 2 };

struct client_machine {
    struct machine *machine;
    struct io *io;
    struct loop *loop;
};

struct workload {
    struct sim *sim;
    struct recorder *recorder;
    const char *host;
    int port;
    struct client_machine machines[CLIENT_MACHINES], stranger;
    struct topics topics;
    struct start_watch start_watch; /* hears what retention takes */
    struct actor *actors; /* all of them */
    struct admin admin;
    struct changer changer;
    struct configurer configurers[CONFIGURERS_MOST];
    struct inspector inspector;
    struct keeper keeper;
    struct limiter limiters[LIMITERS_MOST];
    struct mover mover;
    struct prober prober;
    struct scholar scholar;
    struct wisher wisher;
    struct producer producers[PRODUCERS_MOST];
    struct reader readers[READERS_MOST];
    struct streamer streamers[STREAMERS_MOST];
    struct subscriber subscribers[SUBSCRIBERS_MOST];
    struct pipeliner pipeliner;
    struct hostile hostiles[HOSTILES_MOST];
    struct groups *groups; /* NULL: nobody asked for them */
    struct timer stranger_ends; /* and begins anew */
    int producer_count, reader_count, streamer_count, hostile_count;
    bool by_name; /* names are used once, so that topics can be meant by name; else by id only */
    int names_used;
    int64_t created_count, deleted_count; /* topics */
    bool is_calm; /* nothing strikes any more: whoever asks now must be answered, and in time */
    bool draining;
};

struct workload *workload_create(struct sim *sim, const char *host, int port, struct recorder *recorder);
void workload_add_groups(struct workload *workload);
void workload_destroy(struct workload *workload);

/* A partition's files rot from the offset on, beyond what must be survived: the clients no longer count on what they know of it. Its
 * key in the history; NULL: somebody is in the middle of what the loss would upset, or its id is not known, so it must not be. */
const char *workload_lose(struct workload *workload, struct uuid topic_id, int32_t partition, int64_t from);

/* The partition's producers may be forgotten: what stood of them in a snapshot alone, since their batches are gone, may have decayed. */
bool workload_may_forget(const struct workload *workload, const struct topic *topic, int32_t partition);

void workload_calm(struct workload *workload);            /* from now on each call must be answered in time */
void workload_drain(struct workload *workload);           /* finish what is under way, then read all from the beginning */
bool workload_is_drained(const struct workload *workload);
void workload_tell(const struct workload *workload);      /* on standard error: who still waits, for a run that hangs */
bool workload_has_producers_under_way(const struct workload *workload);
