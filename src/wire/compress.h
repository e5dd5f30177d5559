/* SPDX-License-Identifier: Apache-2.0 */
/* The codecs of record batches, by their numbers in the attributes. Decompression is a stream out
 * of bytes in memory: nothing is read behind them, and the caller decides how much is taken out, so
 * a bomb costs what the caller allows. The decoder's own memory: gzip 40 KiB, lz4 up to 8 MiB by
 * the frame's block size, zstd as far as output was taken, at most 128 MiB; snappy's format wants
 * one block whole, never more than 32 times its compressed size. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/str.h"

struct buffer;

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD, CODEC_COUNT };
enum { CODEC_LEVEL_DEFAULT = INT32_MIN };

const char *codec_name(enum codec codec); /* as in compression.type, "none" for CODEC_NONE */
bool codec_by_name(struct str name, enum codec *out_codec); /* also "uncompressed" */
void codec_levels(enum codec codec, int *out_minimum, int *out_maximum, int *out_default);

/* Appends the compressed form to out (created by the caller, grown here: *out may move). Never
 * fails: out of memory ends the process. Forms and options are those of Kafka's own writers. */
void compress_append(enum codec codec, int level, struct bytes in, struct buffer **out);

/* One decompressor serves any number of batches, one after the other, and keeps its working memory
 * between them. Its owner is one shard. */
struct decompressor;
struct decompressor *decompressor_create(void);
void decompressor_destroy(struct decompressor *decompressor);
void decompressor_begin(struct decompressor *decompressor, enum codec codec, struct bytes in);

/* Up to size > 0 bytes. 0: the stream ended whole; -EBADMSG: damaged or cut off, and so from then
 * on. */
int64_t decompressor_read(struct decompressor *decompressor, void *out, size_t size);
