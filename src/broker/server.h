/* SPDX-License-Identifier: Apache-2.0 */
/* What the shard asks of its requests: a frame came, or everything ends. */
#pragma once

struct buffer;
struct conn;
struct shard;
struct shard_desk;

/* Takes the reference of frame; the request runs from a clean stack in this pass. */
void request_arrive(const struct shard_desk *desk, struct conn *conn, struct buffer *frame);
void request_abandon_all(struct shard *shard); /* at the end, when no loop turns: frees them */
