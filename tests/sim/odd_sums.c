/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/odd_sums.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/odd.h"

static _Atomic int64_t *sums; /* memory that forked processes share */

void odd_sums_begin(void)
{
    sums = mmap(NULL, ODD_COUNT * sizeof(*sums), PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(sums != MAP_FAILED);
}

void odd_sums_add(void)
{
    for (int i = 0; i < ODD_COUNT; i++)
        atomic_fetch_add(&sums[i], odd_taken[i]);
}

bool odd_sums_tell(void)
{
    bool all = true;
    for (int i = 0; i < ODD_COUNT; i++) {
        printf("odd %-18s %10lld  %s\n", odd_branches[i].name, (long long)sums[i],
            odd_branches[i].sentence);
        all = all && sums[i] > 0;
    }
    return all;
}
