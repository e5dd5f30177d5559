/* SPDX-License-Identifier: Apache-2.0 */
/* What a process, and the whole machine, has used so far, from /proc. */
#pragma once
#include <stdint.h>

struct usage {
    double cpu_seconds; /* all threads, user and system; nanoseconds where the kernel tells them */
    double machine_seconds; /* busy time of all cores, so that kernel threads cannot hide work */
    double own_seconds;     /* of the calling process */
    uint64_t switches;      /* of context, voluntary and not */
    uint64_t faults;
    uint64_t resident_bytes;
};

void usage_take(int pid, struct usage *out_usage); /* pid 0: the machine and the caller only */
