/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
    int number;
    const char *text;
} texts[] = {
    { EACCES, "permission denied; the user that runs the node must be able to read and write it" },
    { EPERM, "the system does not permit it to the user that runs the node" },
    { EROFS, "the file system is read-only; after disk errors the kernel mounts it so, see dmesg" },
    { ENOSPC, "the disk is full; make room on it" },
    { EDQUOT, "the disk quota is used up; raise it or make room" },
    { EIO, "the disk answers with an I/O error; see dmesg, and save what can still be read" },
    { EMFILE, "no file descriptor is left; raise the limit (ulimit -n, LimitNOFILE in systemd)" },
    { ENFILE, "the machine has no file descriptor left; raise fs.file-max" },
    { ENOMEM, "the machine has no memory left" },
    { ENOTDIR, "a part of the path is a file, not a directory" },
    { EISDIR, "it is a directory, and should be a file" },
    { ENOTEMPTY, "the directory is not empty" },
    { EBADMSG, "it is damaged, or not what belongs there; restore it from a backup" },
    { EUCLEAN, "it is damaged; restore it from a backup" },
    { ENOTSUP, "a newer version wrote it; start that version again" },
};

const char *status_text(int status)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].number == -status)
            return texts[i].text;
    return strerror(-status);
}
