/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io/file.h"

static int from_call(int result) { return result < 0 ? -errno : 0; }

int directory_create(struct io *io, const char *path)
{
    (void)io;
    return from_call(mkdir(path, 0755));
}

int directory_remove(struct io *io, const char *path)
{
    (void)io;
    return from_call(rmdir(path));
}

int directory_sync(struct io *io, const char *path)
{
    (void)io;
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    int status = from_call(fsync(descriptor));
    close(descriptor);
    return status;
}

int directory_exists(struct io *io, const char *path)
{
    (void)io;
    struct stat status;
    if (stat(path, &status) < 0)
        return -errno;
    return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

int directory_current(struct io *io, char *out_path, size_t size)
{
    (void)io;
    return getcwd(out_path, size) == NULL ? -errno : 0;
}

int64_t directory_free_bytes(struct io *io, const char *path)
{
    (void)io;
    struct statvfs space;
    return statvfs(path, &space) < 0 ? -errno : (int64_t)(space.f_bavail * space.f_frsize);
}

int64_t directory_total_bytes(struct io *io, const char *path)
{
    (void)io;
    struct statvfs space;
    return statvfs(path, &space) < 0 ? -errno : (int64_t)(space.f_blocks * space.f_frsize);
}

int directory_list(struct io *io, const char *path, int (*visit)(void *context, const char *name), void *context)
{
    (void)io;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -errno;
    int status = 0;
    while (status >= 0) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            status = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = visit(context, entry->d_name);
    }
    closedir(directory);
    return status < 0 ? status : 0;
}
