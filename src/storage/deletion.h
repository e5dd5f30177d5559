/* SPDX-License-Identifier: Apache-2.0 */
/* Files or a directory on their way out: renamed to a name that ends in -delete or .deleted at
 * once, removed after file.delete.delay.ms, on a worker. What a stop or a crash leaves is removed
 * at the next start. Renames go one deletion after the other, in the order in which they were
 * started: an older segment must not stay behind a newer one that is gone. A deletion is the flusher's
 * from its creation on, and goes when it is over. What waits in it follows a directory that gets
 * another name. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"
#include "storage/work.h"

struct flusher;

struct deletion {
    struct work work; /* the renames, then the removals */
    struct timer timer;
    struct flusher *flusher;
    struct deletion *next, *prev;
    int64_t delay_ms;
    bool running;
    bool renamed; /* what it removes has its parting name */
};

/* The caller adds renames to its work, or removals of what is renamed already, then starts it. */
struct deletion *deletion_create(struct flusher *flusher, int64_t delay_ms);
void deletion_start(struct deletion *deletion);

bool deletion_is_running(
    const struct flusher *flusher); /* any of its deletions; those that wait for a time do not count */
/* A directory may get another name while no worker is at what is below it; the rest then follows. */
bool deletions_are_below(const struct flusher *flusher, const char *path);
/* Segments there have yet to get their parting names: a crash before that brings them back. */
bool deletions_rename_below(const struct flusher *flusher, const char *path);
void deletions_follow(struct flusher *flusher, const char *path, const char *new_path);
void deletions_destroy(struct flusher *flusher); /* none is running */
