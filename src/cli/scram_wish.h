/* SPDX-License-Identifier: Apache-2.0 */
/* --add-scram as kafka-storage.sh takes it: SCRAM-SHA-256=[name=alice,password=secret], with
 * iterations= and salt=, or saltedpassword= in place of the password; texts in base64 where they
 * are bytes. */
#pragma once
#include "base/arena.h"
#include "broker/format.h"

struct io;

/* NULL, or what is wrong. Texts and keys live in the arena. */
const char *scram_wish_read(
    struct str text, struct io *io, struct arena *arena, struct quorum_scram *out_scram);
