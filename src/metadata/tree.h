/* SPDX-License-Identifier: Apache-2.0 */
/* A persistent ordered map: copies share what did not change since. It is a treap whose priorities
 * are a seeded hash of the key, so one set of keys has one shape, and two versions are compared in
 * the time of their difference. Nodes carry the edit number of the version that made them; only
 * that version may change them in place, which makes a run of changes as cheap as in a plain tree.
 * Values are shared and counted (tree_value); counts are atomic, for a version may be dropped on
 * any shard. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* The head of everything that lies in a tree. */
struct tree_value {
    _Atomic int32_t references;
    uint64_t edit; /* may be changed in place by the version of this edit only */
    void (*destroy)(struct tree_value *value); /* called by the last unref */
};

struct tree_node;
struct tree {
    struct bytes (*key)(const struct tree_value *value); /* ordered as bytes, shorter first */
    struct tree_node *root;
    int64_t count;
    uint64_t seed;
};

struct tree_value *tree_value_ref(struct tree_value *value);
void tree_value_unref(struct tree_value *value); /* NULL does nothing */

void tree_init(struct tree *tree, struct bytes (*key)(const struct tree_value *), uint64_t seed);
void tree_share(struct tree *copy, const struct tree *tree); /* copy is not initialized before */
void tree_deinit(struct tree *tree);

struct tree_value *tree_find(const struct tree *tree, struct bytes key); /* borrowed; NULL: none */
struct tree_value *tree_after(
    const struct tree *tree, struct bytes key); /* the next one; key.data NULL: the first */
struct tree_value *tree_at_or_after(const struct tree *tree, struct bytes key);
void tree_set(
    struct tree *tree, uint64_t edit, struct tree_value *value); /* takes the reference; replaces */
bool tree_remove(struct tree *tree, uint64_t edit, struct bytes key);

/* Calls visit in key order for each value that came (old NULL), went (new NULL) or was replaced. */
typedef void tree_visit(
    void *context, const struct tree_value *old_value, const struct tree_value *new_value);
void tree_difference(
    const struct tree *old_tree, const struct tree *new_tree, tree_visit *visit, void *context);
