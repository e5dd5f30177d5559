/* SPDX-License-Identifier: Apache-2.0 */
/* This node as a voter of the metadata quorum: its id, and where its controller listeners are to be reached. */
#pragma once
#include "base/uuid.h"
#include "replica/quorum.h"

struct arena;
struct node_settings;

/* The endpoints are in the arena, their names and hosts in the settings. */
struct quorum_voter own_voter(const struct node_settings *settings, struct uuid directory_id, struct arena *arena);
