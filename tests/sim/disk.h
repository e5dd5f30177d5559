/* SPDX-License-Identifier: Apache-2.0 */
/* A disk as a power cut may leave it. Each file has the bytes that the system sees, those that are durable, and the
 * changes between the two; each directory has its names twice, and the disk a journal of name changes between them.
 * A cut keeps, loses or tears each change by itself; of the names of one directory it keeps the older ones first. */
#pragma once
#include <stddef.h>

#include "base/map.h"
#include "sim/world.h"

struct image {
    uint8_t *data;
    size_t size, capacity;
};

struct content_change {
    struct content_change *prev, *next;
    bool truncates;
    size_t position, size; /* truncates: to size */
    uint8_t data[];
};

struct name {
    UT_hash_handle hh;
    struct inode *inode;
    char text[]; /* the key */
};

/* Bytes that decayed where they lay, until they are written again or restored. */
struct decay {
    struct decay *next;
    size_t position, size;
    uint8_t flipped; /* these bits of the one byte; 0: the range cannot be read */
};

struct inode {
    struct inode *prev, *next; /* of the disk */
    int references;            /* names in both views, changes of the journal, open files */
    uint64_t number;
    bool is_directory;
    struct image seen, durable;
    struct content_change *changes;
    int untold; /* how a write-back failed that nobody was told of: who opens it is */
    struct decay *decays;
    struct name *names_seen, *names_durable; /* maps, in order of appearance */
    struct file *lock_holder;
    int shared_lock_count;
    int64_t forgotten; /* bytes below were given back by the page cache, and not read since */
};

struct name_change {
    struct name_change *prev, *next;
    struct inode *inode;
    struct inode *from, *to; /* directories; from NULL: made; to NULL: removed */
    char *from_name, *to_name;
};

struct inode *inode_create(struct disk *disk, bool is_directory); /* one reference */
void inode_ref(struct inode *inode);
void inode_unref(struct disk *disk, struct inode *inode);
void inode_write(struct inode *inode, const void *data, size_t size, size_t position);
void inode_truncate(struct inode *inode, size_t size);
void inode_sync(struct inode *inode);
void inode_lose_changes(struct inode *inode); /* a failed sync: the system goes on seeing what the disk will never have */

bool inode_is_readable(const struct inode *inode, size_t position, size_t size);

struct inode *names_find(struct name *names, const char *text, size_t size); /* NULL: none */

/* What the system sees at once, and the disk some time: made (from NULL), removed (to NULL) or renamed. */
void disk_change_name(struct disk *disk, struct inode *inode, struct inode *from, const char *from_name,
                      struct inode *to, const char *to_name);
void disk_sync_directory(struct disk *disk, struct inode *directory);
void disk_sync_all(struct disk *disk);
