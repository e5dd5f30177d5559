/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double machine_seconds(void)
{
    unsigned long long user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0;
    FILE *file = fopen("/proc/stat", "r");
    if (file == NULL)
        return 0;
    int count = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
        &wait, &irq, &soft);
    fclose(file);
    return count < 7 ? 0
                     : (double)(user + nice + system + irq + soft) / (double)sysconf(_SC_CLK_TCK);
}

static void take_thread(int pid, const char *thread, struct usage *usage)
{
    char path[96], line[160];
    snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", pid, thread);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fgets(line, sizeof(line), file) != NULL)
            usage->cpu_seconds += (double)strtoull(line, NULL, 10) / 1e9;
        fclose(file);
    }
    snprintf(path, sizeof(path), "/proc/%d/task/%.20s/status", pid, thread);
    file = fopen(path, "r");
    if (file == NULL)
        return;
    while (fgets(line, sizeof(line), file) != NULL)
        if (strstr(line, "ctxt_switches:") != NULL)
            usage->switches += strtoull(strchr(line, ':') + 1, NULL, 10);
    fclose(file);
}

static void take_memory(int pid, struct usage *usage)
{
    char path[64], line[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    if (fgets(line, sizeof(line), file) != NULL) {
        unsigned long faults = 0;
        long pages = 0;
        const char *behind_name = strrchr(line, ')');
        if (behind_name != NULL &&
            sscanf(behind_name + 2,
                "%*c %*d %*d %*d %*d %*d %*u %lu %*u %*u %*u %*u %*u %*d %*d %*d "
                "%*d %*d %*d %*u %*u %ld",
                &faults, &pages) == 2) {
            usage->faults = faults;
            usage->resident_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
        }
    }
    fclose(file);
}

void usage_take(int pid, struct usage *out_usage)
{
    *out_usage = (struct usage){ .machine_seconds = machine_seconds() };
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    out_usage->own_seconds = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                             (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
    if (pid <= 0)
        return;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    if (threads == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;)
        if (entry->d_name[0] != '.')
            take_thread(pid, entry->d_name, out_usage);
    closedir(threads);
    take_memory(pid, out_usage);
}
