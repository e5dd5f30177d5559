/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/disk.h"

#include <string.h>

enum { SECTOR = 512 };

struct inode *inode_create(struct disk *disk, bool is_directory)
{
    struct inode *inode = memory_take(sizeof(*inode));
    *inode = (struct inode){ .references = 1, .number = disk->next_number++, .is_directory = is_directory };
    DL_APPEND(disk->inodes, inode);
    return inode;
}

void inode_ref(struct inode *inode) { inode->references++; }

static void drop_changes(struct inode *inode)
{
    struct content_change *change, *next;
    DL_FOREACH_SAFE(inode->changes, change, next)
        memory_give(change);
    inode->changes = NULL;
}

/* What is written at [from, to) is sound again. */
static void mend(struct inode *inode, size_t from, size_t to)
{
    for (struct decay **at = &inode->decays; *at != NULL;) {
        struct decay *decay = *at;
        if (decay->position >= to || decay->position + decay->size <= from) {
            at = &decay->next;
            continue;
        }
        *at = decay->next;
        memory_give(decay);
    }
}

static void clear_names(struct disk *disk, struct name **names)
{
    while (*names != NULL) {
        struct name *name = *names;
        HASH_DEL(*names, name);
        inode_unref(disk, name->inode);
        memory_give(name);
    }
}

void inode_unref(struct disk *disk, struct inode *inode)
{
    assert(inode->references > 0);
    if (--inode->references > 0)
        return;
    clear_names(disk, &inode->names_seen);
    clear_names(disk, &inode->names_durable);
    drop_changes(inode);
    mend(inode, 0, SIZE_MAX);
    memory_give(inode->seen.data);
    memory_give(inode->durable.data);
    DL_DELETE(disk->inodes, inode);
    memory_give(inode);
}

static void resize(struct image *image, size_t size)
{
    if (size > image->capacity) {
        image->capacity = size * 2;
        image->data = memory_resize(image->data, image->capacity);
    }
    if (size > image->size)
        memset(image->data + image->size, 0, size - image->size);
    image->size = size;
}

static void put(struct image *image, const uint8_t *data, size_t size, size_t position)
{
    if (size == 0)
        return;
    if (position + size > image->size)
        resize(image, position + size);
    memcpy(image->data + position, data, size);
}

static struct content_change *note_change(struct inode *inode, size_t data_size)
{
    struct content_change *change = memory_take_raw(sizeof(*change) + data_size);
    *change = (struct content_change){ 0 };
    DL_APPEND(inode->changes, change);
    return change;
}

void inode_write(struct inode *inode, const void *data, size_t size, size_t position)
{
    struct content_change *change = note_change(inode, size);
    change->position = position;
    change->size = size;
    if (size > 0)
        memcpy(change->data, data, size);
    put(&inode->seen, data, size, position);
}

void inode_truncate(struct inode *inode, size_t size)
{
    struct content_change *change = note_change(inode, 0);
    change->truncates = true;
    change->size = size;
    resize(&inode->seen, size);
}

static void put_durable(struct inode *inode, const uint8_t *data, size_t size, size_t position)
{
    mend(inode, position, position + size);
    put(&inode->durable, data, size, position);
}

static void make_durable(struct inode *inode, const struct content_change *change)
{
    if (change->truncates) {
        mend(inode, change->size, SIZE_MAX);
        resize(&inode->durable, change->size);
    } else {
        put_durable(inode, change->data, change->size, change->position);
    }
}

void inode_sync(struct inode *inode)
{
    struct content_change *change;
    DL_FOREACH(inode->changes, change)
        make_durable(inode, change);
    drop_changes(inode);
}

void inode_lose_changes(struct inode *inode) { drop_changes(inode); }

struct inode *names_find(struct name *names, const char *text, size_t size)
{
    struct name *name;
    HASH_FIND(hh, names, text, size, name);
    return name == NULL ? NULL : name->inode;
}

static void remove_name(struct disk *disk, struct name **names, const char *text, const struct inode *inode)
{
    struct name *name;
    HASH_FIND(hh, *names, text, strlen(text), name);
    if (name == NULL || (inode != NULL && name->inode != inode))
        return;
    HASH_DEL(*names, name);
    inode_unref(disk, name->inode);
    memory_give(name);
}

static void add_name(struct name **names, const char *text, struct inode *inode)
{
    size_t size = strlen(text);
    struct name *name = memory_take(sizeof(*name) + size + 1);
    memcpy(name->text, text, size + 1);
    name->inode = inode;
    inode_ref(inode);
    HASH_ADD_KEYPTR(hh, *names, name->text, size, name);
}

static void apply_name_change(struct disk *disk, const struct name_change *change, bool durable)
{
    if (change->from != NULL)
        remove_name(disk, durable ? &change->from->names_durable : &change->from->names_seen, change->from_name,
                    change->inode);
    if (change->to == NULL)
        return;
    struct name **names = durable ? &change->to->names_durable : &change->to->names_seen;
    remove_name(disk, names, change->to_name, NULL);
    add_name(names, change->to_name, change->inode);
}

static void forget_name_change(struct disk *disk, struct name_change *change)
{
    DL_DELETE(disk->names, change);
    inode_unref(disk, change->inode);
    if (change->from != NULL)
        inode_unref(disk, change->from);
    if (change->to != NULL)
        inode_unref(disk, change->to);
    memory_give(change->from_name);
    memory_give(change->to_name);
    memory_give(change);
}

void disk_change_name(struct disk *disk, struct inode *inode, struct inode *from, const char *from_name,
                      struct inode *to, const char *to_name)
{
    struct name_change *change = memory_take(sizeof(*change));
    *change = (struct name_change){ .inode = inode, .from = from, .to = to };
    inode_ref(inode);
    if (from != NULL) {
        inode_ref(from);
        change->from_name = memory_copy_text(from_name);
    }
    if (to != NULL) {
        inode_ref(to);
        change->to_name = memory_copy_text(to_name);
    }
    DL_APPEND(disk->names, change);
    apply_name_change(disk, change, false);
}

/* A change brings along the older ones of its directories: names of one directory become durable in order. Marks are
 * kept in a list of directories, which is short: what waits is what nobody has synced. */
struct directories {
    const struct inode **list;
    size_t count;
};

static bool has_directory(const struct directories *set, const struct inode *directory)
{
    for (size_t i = 0; directory != NULL && i < set->count; i++)
        if (set->list[i] == directory)
            return true;
    return false;
}

static void add_directory(struct directories *set, const struct inode *directory)
{
    if (directory == NULL || has_directory(set, directory))
        return;
    set->list = memory_resize(set->list, (set->count + 1) * sizeof(*set->list));
    set->list[set->count++] = directory;
}

/* Makes durable, oldest first, the changes of the directories in the set and what they bring along; a change of other
 * directories joins with the given chance. */
static void keep_names(struct disk *disk, struct directories *set, uint32_t chance)
{
    size_t count = 0, kept_count = 0;
    struct name_change *change;
    DL_FOREACH(disk->names, change)
        count++;
    struct name_change **kept = memory_take(count * sizeof(struct name_change *));
    for (change = disk->names == NULL ? NULL : disk->names->prev; change != NULL;
         change = change == disk->names ? NULL : change->prev) {
        if (!has_directory(set, change->from) && !has_directory(set, change->to) &&
            (chance == 0 || !prng_chance(&disk->sim->disk, chance)))
            continue;
        add_directory(set, change->from);
        add_directory(set, change->to);
        kept[kept_count++] = change;
    }
    while (kept_count > 0) {
        apply_name_change(disk, kept[--kept_count], true);
        forget_name_change(disk, kept[kept_count]);
    }
    memory_give(kept);
    memory_give(set->list);
}

void disk_sync_directory(struct disk *disk, struct inode *directory)
{
    struct directories set = { 0 };
    add_directory(&set, directory);
    keep_names(disk, &set, 0);
}

void disk_sync_all(struct disk *disk)
{
    struct directories none = { 0 };
    struct inode *inode;
    DL_FOREACH(disk->inodes, inode)
        inode_sync(inode);
    keep_names(disk, &none, 1000000);
}

static void tear(struct prng *prng, struct inode *inode, const struct content_change *change)
{
    for (size_t done = 0; done < change->size;) {
        size_t piece = SECTOR - (change->position + done) % SECTOR;
        if (piece > change->size - done)
            piece = change->size - done;
        if (prng_below(prng, 2) == 0)
            put_durable(inode, change->data + done, piece, change->position + done);
        done += piece;
    }
}

/* Nothing, everything, or each change by itself with a chance: kept, there as a size only, torn, or lost. */
static void crash_content(struct disk *disk, struct inode *inode, uint32_t keep_chance)
{
    struct prng *prng = &disk->sim->disk;
    struct content_change *change;
    DL_FOREACH(inode->changes, change) {
        if (prng_chance(prng, keep_chance)) {
            make_durable(inode, change);
        } else if (!change->truncates && keep_chance > 0) {
            switch (prng_below(prng, 4)) {
            case 0: /* the size is there, the data is not */
                if (change->position + change->size > inode->durable.size)
                    resize(&inode->durable, change->position + change->size);
                break;
            case 1: tear(prng, inode, change); break;
            default: break;
            }
        }
    }
    drop_changes(inode);
    inode->untold = 0;
    inode->seen.size = 0;
    put(&inode->seen, inode->durable.data, inode->durable.size, 0);
}

static void copy_durable_names(struct disk *disk)
{
    struct inode *inode;
    DL_FOREACH(disk->inodes, inode) /* held, so that none goes away while its last name does */
        inode_ref(inode);
    DL_FOREACH(disk->inodes, inode) {
        clear_names(disk, &inode->names_seen);
        for (struct name *name = inode->names_durable; name != NULL; name = name->hh.next)
            add_name(&inode->names_seen, name->text, name->inode);
        inode->lock_holder = NULL;
        inode->shared_lock_count = 0;
    }
    DL_FOREACH(disk->inodes, inode)
        inode->references--;
}

/* Inodes that no name, change or file holds; dropping one may free more. */
static void free_unnamed(struct disk *disk)
{
    for (bool again = true; again;) {
        again = false;
        for (struct inode *inode = disk->inodes; inode != NULL; inode = inode->next) {
            if (inode->references > 0)
                continue;
            inode->references = 1;
            inode_unref(disk, inode);
            again = true;
            break;
        }
    }
}

/* What a cut keeps of that which nobody synced, of a million. A file system may write names and contents at times of its own, so
 * a file can have its new name and none of its bytes, or bytes that stand under a name which is gone again. */
static const struct cut {
    uint32_t names, contents;
    bool by_file; /* of each file all that nobody synced, or nothing: it is written back file by file */
} cuts[] = {
    { 0, 0 }, { 1000000, 1000000 }, { 500000, 500000 }, { 900000, 900000 }, /* both alike */
    { 0, 500000 }, { 0, 1000000 }, { 1000000, 0 }, { 1000000, 500000 },
    { 1000000, 500000, true }, { 500000, 500000, true },
};
enum { CUT_COUNT = sizeof(cuts) / sizeof(cuts[0]) };

/* Each disk has a habit, so that one harm can come twice in a row. */
void disk_crash(struct disk *disk)
{
    struct prng *prng = &disk->sim->disk;
    const struct cut *cut = &cuts[prng_below(prng, 2) == 0 ? disk->habit : prng_below(prng, CUT_COUNT)];
    struct directories none = { 0 };
    keep_names(disk, &none, cut->names);
    while (disk->names != NULL)
        forget_name_change(disk, disk->names);
    struct inode *inode;
    DL_FOREACH(disk->inodes, inode)
        crash_content(disk, inode, !cut->by_file ? cut->contents : prng_chance(prng, cut->contents) ? 1000000 : 0);
    copy_durable_names(disk);
    free_unnamed(disk);
}

void disk_init(struct disk *disk, struct sim *sim)
{
    *disk = (struct disk){ .sim = sim, .habit = prng_below(&sim->disk, CUT_COUNT), .faults = { .cold_read = 20000 } };
    disk->root = inode_create(disk, true);
}

void disk_deinit(struct disk *disk)
{
    while (disk->names != NULL)
        forget_name_change(disk, disk->names);
    inode_unref(disk, disk->root);
    assert(disk->inodes == NULL);
}
