/* SPDX-License-Identifier: Apache-2.0 */
/* The door to the world for one node: its clock, random numbers, files, sockets and workers. There are two
 * implementations of every header in io/: this folder (Linux) and tests/sim (virtual time, one thread, network
 * and disk in memory); a program links exactly one. Several nodes may live in one process: one struct io each. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct io;

struct io *io_create(int worker_count); /* starts worker_count workers */
void io_destroy(struct io *io);         /* after every loop is destroyed; waits for the workers */
void io_random(struct io *io, void *data, size_t size);
int64_t io_wall_ms(struct io *io);      /* milliseconds since 1970; may jump. Inside loops use loop_wall_ms() */
int64_t io_monotonic_us(struct io *io); /* never goes back */
int64_t io_memory_size(struct io *io);  /* bytes of memory of the machine */
int io_cpu_count(struct io *io);
int io_process_id(struct io *io);
