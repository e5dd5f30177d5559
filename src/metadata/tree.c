/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/tree.h"

#include <assert.h>

#include "base/memory.h"

struct tree_node {
    _Atomic int32_t references;
    uint64_t edit;
    uint64_t priority;
    struct tree_value *value;
    struct tree_node *left, *right;
};

struct tree_value *tree_value_ref(struct tree_value *value)
{
    atomic_fetch_add_explicit(&value->references, 1, memory_order_relaxed);
    return value;
}

void tree_value_unref(struct tree_value *value)
{
    if (value == NULL)
        return;
    int32_t before = atomic_fetch_sub_explicit(&value->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        value->destroy(value);
}

static struct tree_node *node_ref(struct tree_node *node)
{
    if (node != NULL)
        atomic_fetch_add_explicit(&node->references, 1, memory_order_relaxed);
    return node;
}

/* Recursion is as deep as the tree, which the seeded priorities keep near 2 log2(count). */
static void node_unref(struct tree_node *node)
{
    while (node != NULL) {
        int32_t before = atomic_fetch_sub_explicit(&node->references, 1, memory_order_acq_rel);
        assert(before > 0);
        if (before > 1)
            return;
        struct tree_node *right = node->right;
        node_unref(node->left);
        tree_value_unref(node->value);
        memory_give(node);
        node = right;
    }
}

static int compare_keys(struct bytes a, struct bytes b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

/* A keyed hash: multiply-and-fold over eight bytes at a time. */
static uint64_t hash_key(uint64_t seed, struct bytes key)
{
    uint64_t state = seed ^ (0x9e3779b97f4a7c15u * (uint64_t)(key.size + 1));
    for (size_t at = 0; at < key.size; at += 8) {
        uint64_t word = 0;
        size_t size = key.size - at < 8 ? key.size - at : 8;
        memcpy(&word, key.data + at, size);
        unsigned __int128 product = (unsigned __int128)(state ^ word) * 0xd6e8feb86659fd93u;
        state = (uint64_t)product ^ (uint64_t)(product >> 64) ^ (seed << 1 | 1);
    }
    state ^= state >> 32;
    state *= 0xd6e8feb86659fd93u;
    return state ^ (state >> 29);
}

void tree_init(struct tree *tree, struct bytes (*key)(const struct tree_value *), uint64_t seed)
{
    *tree = (struct tree){ .key = key, .seed = seed };
}

void tree_share(struct tree *copy, const struct tree *tree)
{
    *copy = *tree;
    node_ref(copy->root);
}

void tree_deinit(struct tree *tree)
{
    node_unref(tree->root);
    tree->root = NULL;
    tree->count = 0;
}

struct tree_value *tree_find(const struct tree *tree, struct bytes key)
{
    const struct tree_node *node = tree->root;
    while (node != NULL) {
        int order = compare_keys(key, tree->key(node->value));
        if (order == 0)
            return node->value;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

static struct tree_value *first_behind(const struct tree *tree, struct bytes key, bool or_equal)
{
    const struct tree_node *node = tree->root;
    struct tree_value *best = NULL;
    while (node != NULL) {
        int order = key.data == NULL ? -1 : compare_keys(key, tree->key(node->value));
        if (order < 0 || (order == 0 && or_equal)) {
            best = node->value;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}

struct tree_value *tree_after(const struct tree *tree, struct bytes key)
{
    return first_behind(tree, key, false);
}

struct tree_value *tree_at_or_after(const struct tree *tree, struct bytes key)
{
    return first_behind(tree, key, true);
}

/* The node itself when this edit made it, else a copy in its place; takes and gives one reference.
 */
static struct tree_node *own_node(struct tree_node *node, uint64_t edit)
{
    if (node->edit == edit)
        return node;
    struct tree_node *copy = memory_take(sizeof(*copy));
    atomic_init(&copy->references, 1);
    copy->edit = edit;
    copy->priority = node->priority;
    copy->value = tree_value_ref(node->value);
    copy->left = node_ref(node->left);
    copy->right = node_ref(node->right);
    node_unref(node);
    return copy;
}

static bool lies_above(
    const struct tree *tree, const struct tree_node *a, const struct tree_node *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    return compare_keys(tree->key(a->value), tree->key(b->value)) < 0;
}

static struct tree_node *insert_node(
    struct tree *tree, uint64_t edit, struct tree_node *node, struct tree_value *value)
{
    struct bytes key = tree->key(value);
    if (node == NULL) {
        struct tree_node *leaf = memory_take(sizeof(*leaf));
        atomic_init(&leaf->references, 1);
        leaf->edit = edit;
        leaf->priority = hash_key(tree->seed, key);
        leaf->value = value;
        tree->count++;
        return leaf;
    }
    node = own_node(node, edit);
    int order = compare_keys(key, tree->key(node->value));
    if (order == 0) {
        tree_value_unref(node->value);
        node->value = value;
        return node;
    }
    struct tree_node **side = order < 0 ? &node->left : &node->right;
    *side = insert_node(tree, edit, *side, value);
    struct tree_node *child = *side;
    if (!lies_above(tree, child, node))
        return node;
    if (order < 0) {
        node->left = child->right;
        child->right = node;
    } else {
        node->right = child->left;
        child->left = node;
    }
    return child;
}

void tree_set(struct tree *tree, uint64_t edit, struct tree_value *value)
{
    tree->root = insert_node(tree, edit, tree->root, value);
}

static struct tree_node *join_nodes(
    const struct tree *tree, uint64_t edit, struct tree_node *left, struct tree_node *right)
{
    if (left == NULL)
        return right;
    if (right == NULL)
        return left;
    if (lies_above(tree, left, right)) {
        left = own_node(left, edit);
        left->right = join_nodes(tree, edit, left->right, right);
        return left;
    }
    right = own_node(right, edit);
    right->left = join_nodes(tree, edit, left, right->left);
    return right;
}

bool tree_remove(struct tree *tree, uint64_t edit, struct bytes key)
{
    if (tree_find(tree, key) == NULL)
        return false;
    struct tree_node **place = &tree->root;
    for (;;) {
        *place = own_node(*place, edit);
        int order = compare_keys(key, tree->key((*place)->value));
        if (order == 0)
            break;
        place = order < 0 ? &(*place)->left : &(*place)->right;
    }
    struct tree_node *gone = *place;
    *place = join_nodes(tree, edit, gone->left, gone->right);
    gone->left = gone->right = NULL;
    node_unref(gone);
    tree->count--;
    return true;
}

/* What is left to visit of one tree: a stack of whole subtrees and of single nodes. */
struct walk_entry {
    const struct tree_node *node;
    bool single;
};
struct walk {
    struct walk_entry *entries;
    int count, capacity;
};

static void walk_push(struct walk *walk, const struct tree_node *node, bool single)
{
    if (node == NULL)
        return;
    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity == 0 ? 64 : walk->capacity * 2;
        walk->entries =
            memory_resize(walk->entries, (size_t)walk->capacity * sizeof(*walk->entries));
    }
    walk->entries[walk->count++] = (struct walk_entry){ node, single };
}

static void walk_expand(struct walk *walk)
{
    const struct tree_node *node = walk->entries[--walk->count].node;
    walk_push(walk, node->right, false);
    walk_push(walk, node, true);
    walk_push(walk, node->left, false);
}

/* Opens the subtree that reaches higher, so that subtrees shared by both versions come up on both
 * sides at once. True when something was opened or skipped; false when both tops are single nodes
 * (or one side is used up). */
static bool walk_down(const struct tree *tree, struct walk *old_walk, struct walk *new_walk)
{
    struct walk_entry *a = old_walk->count == 0 ? NULL : &old_walk->entries[old_walk->count - 1];
    struct walk_entry *b = new_walk->count == 0 ? NULL : &new_walk->entries[new_walk->count - 1];
    bool a_opens = a != NULL && !a->single;
    bool b_opens = b != NULL && !b->single;

    if (a_opens && b_opens) {
        if (a->node == b->node) {
            old_walk->count--;
            new_walk->count--;
        } else if (lies_above(tree, a->node, b->node)) {
            walk_expand(old_walk);
        } else {
            walk_expand(new_walk);
        }
        return true;
    }
    if (a_opens)
        walk_expand(old_walk);
    else if (b_opens)
        walk_expand(new_walk);
    return a_opens || b_opens;
}

void tree_difference(
    const struct tree *old_tree, const struct tree *new_tree, tree_visit *visit, void *context)
{
    struct walk old_walk = { 0 }, new_walk = { 0 };
    walk_push(&old_walk, old_tree->root, false);
    walk_push(&new_walk, new_tree->root, false);

    while (old_walk.count > 0 || new_walk.count > 0) {
        if (walk_down(new_tree, &old_walk, &new_walk))
            continue;
        const struct tree_value *old_value =
            old_walk.count == 0 ? NULL : old_walk.entries[old_walk.count - 1].node->value;
        const struct tree_value *new_value =
            new_walk.count == 0 ? NULL : new_walk.entries[new_walk.count - 1].node->value;
        int order = old_value == NULL ? 1
                    : new_value == NULL
                        ? -1
                        : compare_keys(old_tree->key(old_value), new_tree->key(new_value));
        if (order <= 0)
            old_walk.count--;
        if (order >= 0)
            new_walk.count--;
        if (order < 0)
            visit(context, old_value, NULL);
        else if (order > 0)
            visit(context, NULL, new_value);
        else if (old_value != new_value)
            visit(context, old_value, new_value);
    }
    memory_give(old_walk.entries);
    memory_give(new_walk.entries);
}
