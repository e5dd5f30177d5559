/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/see.h"

#include <string.h>

#include "sim/disk.h"

static const struct inode *find(const struct machine *machine, const char *path, bool is_durable)
{
    const struct inode *inode = machine->disk.root;
    while (inode != NULL && *path != '\0') {
        size_t size = strcspn(path, "/");
        if (size > 0)
            inode = names_find(is_durable ? inode->names_durable : inode->names_seen, path, size);
        path += size + (path[size] == '/');
    }
    return inode;
}

static struct bytes bytes_of(const struct inode *inode, const struct image *image)
{
    static const uint8_t nothing[1];
    if (inode == NULL || inode->is_directory)
        return (struct bytes){ NULL, 0 };
    return (struct bytes){ image->size == 0 ? nothing : image->data, image->size };
}

struct bytes see_file(const struct machine *machine, const char *path)
{
    const struct inode *inode = find(machine, path, false);
    return bytes_of(inode, inode == NULL ? NULL : &inode->seen);
}

struct bytes see_durable_file(const struct machine *machine, const char *path)
{
    const struct inode *inode = find(machine, path, true);
    return bytes_of(inode, inode == NULL ? NULL : &inode->durable);
}

struct bytes see_synced_file(const struct machine *machine, const char *path)
{
    const struct inode *inode = find(machine, path, false);
    return bytes_of(inode, inode == NULL ? NULL : &inode->durable);
}

static bool visit_names(const struct machine *machine, const char *path, bool is_durable,
    void (*visit)(void *context, const char *name), void *context)
{
    const struct inode *inode = find(machine, path, is_durable);
    if (inode == NULL || !inode->is_directory)
        return false;
    const struct name *name = is_durable ? inode->names_durable : inode->names_seen;
    for (; name != NULL; name = name->hh.next)
        visit(context, name->text);
    return true;
}

bool see_names(const struct machine *machine, const char *path,
    void (*visit)(void *context, const char *name), void *context)
{
    return visit_names(machine, path, false, visit, context);
}

bool see_durable_names(const struct machine *machine, const char *path,
    void (*visit)(void *context, const char *name), void *context)
{
    return visit_names(machine, path, true, visit, context);
}
