/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/compress.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <lz4frame.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/memory.h"
#include "wire/compress_snappy.h"

/* Windows of zstd beyond 8 MiB, what its strongest ordinary levels ask for, are not kept from batch
 * to batch. */
enum { ZSTD_KEPT = 9 << 20 };

struct decompressor {
    enum codec codec;
    struct bytes rest;
    int failed;     /* -EBADMSG once a stream turned out damaged */
    bool in_member; /* between the first byte of a gzip member or frame and its end */
    bool started;   /* a first member or frame was seen; an empty input is cut off, not whole */
    z_stream inflate;
    bool has_inflate;
    LZ4F_dctx *lz4;
    ZSTD_DCtx *zstd;
    struct snappy_reader snappy;
};

struct decompressor *decompressor_create(void)
{
    return memory_take(sizeof(struct decompressor));
}

void decompressor_destroy(struct decompressor *decompressor)
{
    if (decompressor == NULL)
        return;
    if (decompressor->has_inflate)
        inflateEnd(&decompressor->inflate);
    LZ4F_freeDecompressionContext(decompressor->lz4);
    ZSTD_freeDCtx(decompressor->zstd);
    snappy_deinit(&decompressor->snappy);
    memory_give(decompressor);
}

static void begin_gzip(struct decompressor *decompressor)
{
    int status = Z_OK;
    if (decompressor->has_inflate)
        status = inflateReset(&decompressor->inflate);
    else
        status = inflateInit2(&decompressor->inflate, 15 + 16);
    assert(status == Z_OK);
    decompressor->has_inflate = true;
}

static void begin_lz4(struct decompressor *decompressor)
{
    if (decompressor->lz4 == NULL) {
        size_t status = LZ4F_createDecompressionContext(&decompressor->lz4, LZ4F_VERSION);
        assert(!LZ4F_isError(status));
    }
    LZ4F_resetDecompressionContext(decompressor->lz4);
}

static void begin_zstd(struct decompressor *decompressor)
{
    if (decompressor->zstd != NULL && ZSTD_sizeof_DCtx(decompressor->zstd) > ZSTD_KEPT) {
        ZSTD_freeDCtx(decompressor->zstd);
        decompressor->zstd = NULL;
    }
    if (decompressor->zstd == NULL)
        decompressor->zstd = ZSTD_createDCtx();
    assert(decompressor->zstd != NULL);
    ZSTD_DCtx_reset(decompressor->zstd, ZSTD_reset_session_only);
}

void decompressor_begin(struct decompressor *decompressor, enum codec codec, struct bytes in)
{
    assert((unsigned)codec < CODEC_COUNT);
    decompressor->codec = codec;
    decompressor->rest = in;
    decompressor->failed = 0;
    decompressor->in_member = false;
    decompressor->started = false;
    if (codec == CODEC_GZIP)
        begin_gzip(decompressor);
    else if (codec == CODEC_LZ4)
        begin_lz4(decompressor);
    else if (codec == CODEC_ZSTD)
        begin_zstd(decompressor);
    else if (codec == CODEC_SNAPPY)
        snappy_begin(&decompressor->snappy, in);
}

static int64_t read_plain(struct decompressor *decompressor, uint8_t *out, size_t size)
{
    size_t piece = decompressor->rest.size < size ? decompressor->rest.size : size;
    if (piece > 0)
        memcpy(out, decompressor->rest.data, piece);
    decompressor->rest.data += piece;
    decompressor->rest.size -= piece;
    return (int64_t)piece;
}

/* One call of a codec: takes some of rest, gives some output; *out_ended when a member or frame is
 * whole. */
static int64_t step_gzip(
    struct decompressor *decompressor, uint8_t *out, size_t size, bool *out_ended)
{
    z_stream *stream = &decompressor->inflate;
    uInt in = decompressor->rest.size > UINT_MAX ? UINT_MAX : (uInt)decompressor->rest.size;
    uInt room = size > UINT_MAX ? UINT_MAX : (uInt)size;
    stream->next_in = (Bytef *)(uintptr_t)decompressor->rest.data;
    stream->avail_in = in;
    stream->next_out = out;
    stream->avail_out = room;
    int status = inflate(stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END)
        return -EBADMSG; /* Z_BUF_ERROR too: no progress with room left means cut off */
    decompressor->rest.data += in - stream->avail_in;
    decompressor->rest.size -= in - stream->avail_in;
    *out_ended = status == Z_STREAM_END;
    if (*out_ended)
        inflateReset(stream);
    return room - stream->avail_out;
}

static int64_t step_lz4(
    struct decompressor *decompressor, uint8_t *out, size_t size, bool *out_ended)
{
    size_t in = decompressor->rest.size;
    size_t room = size;
    size_t hint =
        LZ4F_decompress(decompressor->lz4, out, &room, decompressor->rest.data, &in, NULL);
    if (LZ4F_isError(hint) || (in == 0 && room == 0))
        return -EBADMSG;
    decompressor->rest.data += in;
    decompressor->rest.size -= in;
    *out_ended = hint == 0;
    return (int64_t)room;
}

static int64_t step_zstd(
    struct decompressor *decompressor, uint8_t *out, size_t size, bool *out_ended)
{
    ZSTD_inBuffer in = { decompressor->rest.data, decompressor->rest.size, 0 };
    ZSTD_outBuffer room = { out, size, 0 };
    size_t hint = ZSTD_decompressStream(decompressor->zstd, &room, &in);
    if (ZSTD_isError(hint) || (in.pos == 0 && room.pos == 0 && hint != 0))
        return -EBADMSG;
    decompressor->rest.data += in.pos;
    decompressor->rest.size -= in.pos;
    *out_ended = hint == 0;
    return (int64_t)room.pos;
}

/* Behind a member or frame: whether another begins. As Kafka's readers do, what is no gzip member
 * is passed over, and so is everything behind an lz4 frame; behind a zstd frame there is another,
 * or damage. */
static bool begins_another(const struct decompressor *decompressor)
{
    static const uint8_t gzip_magic[] = { 0x1f, 0x8b, 8 };
    struct bytes rest = decompressor->rest;

    if (decompressor->codec == CODEC_GZIP)
        return rest.size >= sizeof(gzip_magic) &&
               memcmp(rest.data, gzip_magic, sizeof(gzip_magic)) == 0;
    return decompressor->codec == CODEC_ZSTD && rest.size > 0;
}

static int64_t read_members(struct decompressor *decompressor, uint8_t *out, size_t size)
{
    for (;;) {
        if (!decompressor->in_member && decompressor->started && !begins_another(decompressor))
            return 0;
        if (!decompressor->started && decompressor->rest.size == 0)
            return -EBADMSG;
        bool ended = false;
        int64_t got = decompressor->codec == CODEC_GZIP ? step_gzip(decompressor, out, size, &ended)
                      : decompressor->codec == CODEC_LZ4
                          ? step_lz4(decompressor, out, size, &ended)
                          : step_zstd(decompressor, out, size, &ended);
        if (got < 0)
            return got;
        decompressor->started = true;
        decompressor->in_member = !ended;
        if (got > 0)
            return got;
    }
}

int64_t decompressor_read(struct decompressor *decompressor, void *out, size_t size)
{
    assert(size > 0);
    if (decompressor->failed != 0)
        return decompressor->failed;
    int64_t got = decompressor->codec == CODEC_NONE ? read_plain(decompressor, out, size)
                  : decompressor->codec == CODEC_SNAPPY
                      ? snappy_read(&decompressor->snappy, out, size)
                      : read_members(decompressor, out, size);
    if (got < 0)
        decompressor->failed = (int)got;
    return got;
}
