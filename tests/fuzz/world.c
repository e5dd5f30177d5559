/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "io/file.h"
#include "io/io.h"

enum { LIMIT_US = 60000000, PATH_SIZE = 4096 };

static void drop_report(enum report_level level, const char *event, const char *text)
{
    (void)level;
    (void)event;
    (void)text;
}

void world_quiet(void)
{
    if (getenv("FUZZ_REPORTS") == NULL)
        report_set_sink(drop_report);
}

void world_begin(struct world *world)
{
    world_quiet();
    world->sim = sim_create(1);
    world->machine = machine_create(world->sim, "machine");
    world->io = machine_boot(world->machine, 2);
}

void world_end(struct world *world)
{
    io_destroy(world->io);
    sim_destroy(world->sim);
}

void world_start_loop(struct world *world)
{
    world->loop = loop_create(world->io, "loop");
    sim_start_loop(world->loop);
}

static bool has_ended(void *context)
{
    return sim_loop_has_ended(context);
}

void world_stop_loop(struct world *world)
{
    loop_stop(world->loop);
    bool ended = world_run(world, has_ended, world->loop);
    assert(ended);
}

void world_put(struct world *world, const char *path, struct bytes content)
{
    char directory[PATH_SIZE];
    struct file *file;
    const char *slash = strrchr(path, '/');
    snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
    int status = directory_ensure(world->io, directory);
    if (status == 0)
        status = file_open(world->io, path, FILE_CREATE, &file);
    assert(status == 0);
    status = file_truncate(file, 0);
    if (status == 0 && content.size > 0)
        status = file_write_all(file, content.data, content.size, 0);
    assert(status == 0);
    file_unref(file);
}

bool world_run(struct world *world, bool (*is_done)(void *context), void *context)
{
    return sim_run(world->sim, LIMIT_US, is_done, context);
}
