/* SPDX-License-Identifier: Apache-2.0 */
/* A whole node on a simulated machine, for unit tests: what it is started with, its start, and clients for it. */
#pragma once
#include <stdio.h>

#include "base/report.h"
#include "broker/format.h"
#include "broker/node.h"
#include "broker/settings_input.h"
#include "sim/sim.h"
#include "test.h"

struct recorder;

/* Its clients, as in sim/workload.h, whose struct producer is not that of storage. */
struct workload;
struct workload *workload_create(struct sim *sim, const char *host, int port, struct recorder *recorder);
void workload_destroy(struct workload *workload);

struct whole_node {
    struct machine *machine;
    struct settings_input input;
    struct node_settings settings;
    struct node *node; /* of the last start */
};

static inline void whole_node_drop_report(enum report_level level, const char *event, const char *text)
{
    (void)level;
    (void)event;
    (void)text;
}

/* host: the machine's name, too; more: further lines of settings, log.dirs among them. Nothing of what it reports is told. */
static inline void whole_node_init(struct whole_node *whole, struct sim *sim, const char *host, const char *more)
{
    char text[2048];
    struct settings_machine machine = { .cpu_count = 4, .memory_size = INT64_C(1) << 30, .host_name = str_from(host) };
    snprintf(text, sizeof(text),
        "process.roles=broker,controller\nnode.id=1\n"
        "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
        "advertised.listeners=PLAINTEXT://%s:9092,CONTROLLER://%s:9093\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        "controller.listener.names=CONTROLLER\n"
        "controller.quorum.bootstrap.servers=%s:9093\n"
        "offsets.topic.replication.factor=1\n%s",
        host, host, host, more);
    report_set_sink(whole_node_drop_report);
    whole->machine = machine_create(sim, host);
    settings_input_init(&whole->input);
    settings_input_file(&whole->input, STR("test.properties"), str_from(text));
    assert_true(settings_read(&whole->input, &machine, &whole->settings));
}

/* Formats what is not formatted yet. */
static inline void whole_node_boot(struct whole_node *whole)
{
    char reason[512];
    struct format_wish wish = { 0 };
    struct io *io = machine_boot(whole->machine, 2);
    if (format_state_of(io, "/data", reason, sizeof(reason)) == FORMAT_NONE)
        assert_int_equal(format_directories(io, &whole->settings, &wish, reason, sizeof(reason)), 0);
    machine_enter(whole->machine);
    assert_int_equal(node_create(io, &whole->settings, &whole->node), 0);
    for (int i = 0; i < node_loop_count(whole->node); i++)
        sim_start_loop(node_loop(whole->node, i));
    node_start(whole->node);
    machine_leave();
}

static inline bool whole_node_has_stopped(void *context)
{
    const struct whole_node *whole = context;
    bool has_stopped = true;
    for (int i = 0; i < node_loop_count(whole->node); i++)
        has_stopped = has_stopped && sim_loop_has_ended(node_loop(whole->node, i));
    return has_stopped;
}

static inline void whole_node_deinit(struct whole_node *whole)
{
    node_settings_deinit(&whole->settings);
    settings_input_deinit(&whole->input);
}
