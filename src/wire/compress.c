/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/compress.h"

#include <assert.h>
#include <limits.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "wire/compress_snappy.h"

static const struct {
    const char *name;
    int minimum;
    int maximum;
    int unset;
} codecs[CODEC_COUNT] = {
    [CODEC_NONE] = { "none", 0, 0, 0 },
    [CODEC_GZIP] = { "gzip", 1, 9, -1 },
    [CODEC_SNAPPY] = { "snappy", 0, 0, 0 },
    [CODEC_LZ4] = { "lz4", 1, 17, 9 },
    [CODEC_ZSTD] = { "zstd", -131072, 22, 3 },
};

const char *codec_name(enum codec codec)
{
    assert((unsigned)codec < CODEC_COUNT);
    return codecs[codec].name;
}

bool codec_by_name(struct str name, enum codec *out_codec)
{
    if (str_is(name, "uncompressed")) {
        *out_codec = CODEC_NONE;
        return true;
    }
    for (int i = 0; i < CODEC_COUNT; i++) {
        if (str_is(name, codecs[i].name)) {
            *out_codec = (enum codec)i;
            return true;
        }
    }
    return false;
}

void codec_levels(enum codec codec, int *out_minimum, int *out_maximum, int *out_default)
{
    assert((unsigned)codec < CODEC_COUNT);
    *out_minimum = codecs[codec].minimum;
    *out_maximum = codecs[codec].maximum;
    *out_default = codecs[codec].unset;
}

uint8_t *compress_room(struct buffer **out, size_t size)
{
    struct buffer *buffer = *out;
    if (buffer->capacity - buffer->size < size) {
        size_t capacity =
            buffer->capacity * 2 > buffer->size + size ? buffer->capacity * 2 : buffer->size + size;
        struct buffer *larger = buffer_create(capacity);
        memcpy(larger->data, buffer->data, buffer->size);
        larger->size = buffer->size;
        buffer_unref(buffer);
        *out = buffer = larger;
    }
    return buffer->data + buffer->size;
}

/* Piecewise, since zlib counts in 32 bits. Java leaves the header's hint bytes at "no hint, unknown
 * system". */
static void gzip_append(int level, struct bytes in, struct buffer **out)
{
    z_stream stream = { 0 };
    int status = deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    assert(status == Z_OK);
    size_t start = (*out)->size;
    size_t left = in.size;
    stream.next_in = (Bytef *)(uintptr_t)in.data;
    do {
        if (stream.avail_in == 0) {
            stream.avail_in = left > INT_MAX ? INT_MAX : (uInt)left;
            left -= stream.avail_in;
        }
        size_t room = deflateBound(&stream, stream.avail_in) + 64;
        room = room > INT_MAX ? INT_MAX : room;
        stream.next_out = compress_room(out, room);
        stream.avail_out = (uInt)room;
        status = deflate(&stream, left == 0 ? Z_FINISH : Z_NO_FLUSH);
        assert(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR);
        (*out)->size += room - stream.avail_out;
    } while (status != Z_STREAM_END);
    deflateEnd(&stream);
    (*out)->data[start + 8] = 0;
    (*out)->data[start + 9] = 0xff;
}

/* Kafka's default level means the fast compressor; any other level the high one. */
static void lz4_append(int level, struct bytes in, struct buffer **out)
{
    LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
    preferences.frameInfo.blockSizeID = LZ4F_max64KB;
    preferences.frameInfo.blockMode = LZ4F_blockIndependent;
    preferences.compressionLevel = level == codecs[CODEC_LZ4].unset ? 0
                                   : level < 3                      ? 3
                                   : level > 12                     ? 12
                                                                    : level;
    size_t room = LZ4F_compressFrameBound(in.size, &preferences);
    uint8_t *at = compress_room(out, room);
    size_t size = LZ4F_compressFrame(at, room, in.data, in.size, &preferences);
    assert(!LZ4F_isError(size));
    (*out)->size += size;
}

static void zstd_append(int level, struct bytes in, struct buffer **out)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert(context != NULL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    size_t room = ZSTD_compressBound(in.size);
    uint8_t *at = compress_room(out, room);
    size_t size = ZSTD_compress2(context, at, room, in.data, in.size);
    assert(!ZSTD_isError(size));
    (*out)->size += size;
    ZSTD_freeCCtx(context);
}

void compress_append(enum codec codec, int level, struct bytes in, struct buffer **out)
{
    assert((unsigned)codec < CODEC_COUNT);
    if (level == CODEC_LEVEL_DEFAULT)
        level = codecs[codec].unset;
    switch (codec) {
    case CODEC_NONE:
        memcpy(compress_room(out, in.size), in.data, in.size);
        (*out)->size += in.size;
        break;
    case CODEC_GZIP:
        gzip_append(level, in, out);
        break;
    case CODEC_SNAPPY:
        snappy_append(in, out);
        break;
    case CODEC_LZ4:
        lz4_append(level, in, out);
        break;
    case CODEC_ZSTD:
        zstd_append(level, in, out);
        break;
    case CODEC_COUNT:
        break;
    }
}
