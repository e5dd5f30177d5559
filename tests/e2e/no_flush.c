/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a broker, it leaves every flush out and says that it was done: the power test must then find what is lost. */
#include <stddef.h>

int fsync(int descriptor);
int fdatasync(int descriptor);
int syncfs(int descriptor);
int sync_file_range(int descriptor, long offset, long size, unsigned flags);
int msync(void *address, size_t size, int flags);

int fsync(int descriptor)
{
    (void)descriptor;
    return 0;
}

int fdatasync(int descriptor)
{
    (void)descriptor;
    return 0;
}

int syncfs(int descriptor)
{
    (void)descriptor;
    return 0;
}

int sync_file_range(int descriptor, long offset, long size, unsigned flags)
{
    (void)descriptor, (void)offset, (void)size, (void)flags;
    return 0;
}

int msync(void *address, size_t size, int flags)
{
    (void)address, (void)size, (void)flags;
    return 0;
}
