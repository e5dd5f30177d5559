/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "sim/disk.h"

enum { PATH_SIZE = 1024 };

static void visit_names(const struct name *name, const char *path,
                        void (*visit)(void *context, const char *path, int64_t size), void *context)
{
    for (; name != NULL; name = name->hh.next) {
        char below[PATH_SIZE];
        snprintf(below, sizeof(below), "%s/%s", path, name->text);
        if (name->inode->is_directory)
            visit_names(name->inode->names_durable, below, visit, context);
        else
            visit(context, below, (int64_t)name->inode->durable.size);
    }
}

void machine_visit_files(struct machine *machine, void (*visit)(void *context, const char *path, int64_t size), void *context)
{
    visit_names(machine->disk.root->names_durable, "", visit, context);
}

static struct inode *find_durable(struct machine *machine, const char *path)
{
    struct inode *inode = machine->disk.root;
    while (inode != NULL && *path == '/') {
        size_t size = strcspn(++path, "/");
        inode = names_find(inode->names_durable, path, size);
        path += size;
    }
    return inode;
}

int64_t machine_read_file(struct machine *machine, const char *path, void *data, size_t size, int64_t position)
{
    const struct inode *inode = find_durable(machine, path);
    if (inode == NULL || position < 0 || (size_t)position >= inode->durable.size)
        return 0;
    if (size > inode->durable.size - (size_t)position)
        size = inode->durable.size - (size_t)position;
    memcpy(data, inode->durable.data + position, size);
    return (int64_t)size;
}

static void flip(struct inode *inode, const struct decay *decay)
{
    size_t at = decay->position;
    bool seen = at < inode->seen.size && inode->seen.data[at] == inode->durable.data[at];
    inode->durable.data[at] ^= decay->flipped;
    if (seen) /* else it was written since, and waits in memory */
        inode->seen.data[at] ^= decay->flipped;
}

static void remember_directory(struct machine *machine, const char *path)
{
    const char *end = strrchr(path, '/'), *begin = end;
    while (begin > path && begin[-1] != '/')
        begin--;
    struct decayed_directory *directory = memory_take(sizeof(*directory) + (size_t)(end - begin) + 1);
    memcpy(directory->name, begin, (size_t)(end - begin));
    LL_PREPEND(machine->decayed_directories, directory);
}

void decayed_directories_forget(struct machine *machine)
{
    struct decayed_directory *directory, *next;
    LL_FOREACH_SAFE(machine->decayed_directories, directory, next)
        memory_give(directory);
}

bool machine_has_decayed(const struct machine *machine, const char *log)
{
    size_t size = log == NULL ? 0 : strlen(log);
    const struct decayed_directory *directory;
    LL_FOREACH(machine->decayed_directories, directory)
        if (log == NULL || (strncmp(directory->name, log, size) == 0 && (directory->name[size] == '\0' || directory->name[size] == '.')))
            return true;
    return false;
}

void machine_decay(struct machine *machine, const char *path, int64_t position, size_t size, uint8_t flipped)
{
    struct inode *inode = find_durable(machine, path);
    assert(inode != NULL && position >= 0 && (size_t)position + size <= inode->durable.size && (flipped == 0 || size == 1));
    struct decay *decay = memory_take(sizeof(*decay));
    *decay = (struct decay){ .position = (size_t)position, .size = size, .flipped = flipped };
    LL_PREPEND(inode->decays, decay);
    remember_directory(machine, path);
    if (flipped != 0)
        flip(inode, decay);
}

void machine_flip(struct machine *machine, const char *path, int64_t position, uint8_t bits)
{
    struct inode *inode = find_durable(machine, path);
    assert(inode != NULL && position >= 0 && (size_t)position < inode->durable.size);
    flip(inode, &(struct decay){ .position = (size_t)position, .size = 1, .flipped = bits });
}

int machine_restore(struct machine *machine)
{
    int count = 0;
    struct inode *inode;
    DL_FOREACH(machine->disk.inodes, inode)
        while (inode->decays != NULL) {
            struct decay *decay = inode->decays;
            inode->decays = decay->next;
            if (decay->flipped != 0)
                flip(inode, decay);
            memory_give(decay);
            count++;
        }
    return count;
}

bool inode_is_readable(const struct inode *inode, size_t position, size_t size)
{
    for (const struct decay *decay = inode->decays; decay != NULL; decay = decay->next)
        if (decay->flipped == 0 && decay->position < position + size && position < decay->position + decay->size)
            return false;
    return true;
}
