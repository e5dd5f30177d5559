/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/prng.h"
#include "wire/compress.h"

/* Text with repetitions and noise, so that every codec finds something and not all. */
static struct buffer *sample(size_t size, uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, seed);
    struct buffer *buffer = buffer_create(size);
    while (buffer->size < size) {
        uint64_t word = prng_next(&prng);
        size_t run = 1 + (size_t)(word >> 8) % 40;
        bool noise = (word & 3) == 0;
        for (size_t i = 0; i < run && buffer->size < size; i++)
            buffer->data[buffer->size++] =
                noise ? (uint8_t)prng_next(&prng) : (uint8_t)('a' + word % 7);
    }
    return buffer;
}

/* Reads in odd pieces; -EBADMSG, or the bytes got. Each piece is its own heap block, so a sanitizer
 * sees overruns. */
static int64_t drain(struct decompressor *decompressor, enum codec codec, struct bytes in,
    size_t piece, struct buffer *out, size_t limit)
{
    int64_t total = 0;
    uint8_t *exact = malloc(in.size > 0 ? in.size : 1);
    if (in.size > 0)
        memcpy(exact, in.data, in.size);
    uint8_t *room = malloc(piece);
    decompressor_begin(decompressor, codec, (struct bytes){ exact, in.size });
    for (;;) {
        int64_t got = decompressor_read(decompressor, room, piece);
        if (got < 0)
            total = got;
        if (got <= 0)
            break;
        assert_true((size_t)got <= piece);
        if (out != NULL && out->capacity - out->size >= (size_t)got) {
            memcpy(out->data + out->size, room, (size_t)got);
            out->size += (size_t)got;
        }
        total += got;
        if ((size_t)total > limit)
            break;
    }
    if (total < 0)
        assert_int_equal(decompressor_read(decompressor, room, piece), -EBADMSG);
    free(room);
    free(exact);
    return total;
}

/* What is compressed comes back, at every size where blocks and windows begin and end, at every
 * level's ends. */
void test_compress__gives_back_what_it_took(void)
{
    static const size_t sizes[] = { 0, 1, 61, 32767, 32768, 32769, 65536, 65537, 300001 };
    struct decompressor *decompressor = decompressor_create();
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        int levels[4] = { CODEC_LEVEL_DEFAULT };
        codec_levels((enum codec)codec, &levels[1], &levels[2], &levels[3]);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            struct buffer *in = sample(sizes[i], i + 1);
            for (int level = 0; level < 4; level++) {
                struct buffer *packed = buffer_create(0);
                compress_append((enum codec)codec, levels[level],
                    (struct bytes){ in->data, in->size }, &packed);
                struct buffer *out = buffer_create(in->size + 1);
                int64_t got = drain(decompressor, (enum codec)codec,
                    (struct bytes){ packed->data, packed->size }, 1 + 977 * i, out, SIZE_MAX);
                assert_int_equal(got, in->size);
                assert_memory_equal(out->data, in->data, in->size);
                buffer_unref(out);
                buffer_unref(packed);
            }
            buffer_unref(in);
        }
    }
    decompressor_destroy(decompressor);
}

/* A stream that is cut anywhere is damaged, never a shorter whole. (Raw snappy's and "none" know no
 * end of their own.) */
void test_compress__a_cut_stream_is_damaged(void)
{
    struct decompressor *decompressor = decompressor_create();
    struct buffer *in = sample(3000, 5);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct buffer *packed = buffer_create(0);
        compress_append(
            (enum codec)codec, CODEC_LEVEL_DEFAULT, (struct bytes){ in->data, in->size }, &packed);
        for (size_t size = 0; size < packed->size; size++) {
            if (codec == CODEC_SNAPPY && size <= 16)
                continue; /* a frame of no block is whole, and what is shorter is a raw block */
            int64_t got = drain(decompressor, (enum codec)codec,
                (struct bytes){ packed->data, size }, 512, NULL, SIZE_MAX);
            assert_int_equal(got, -EBADMSG);
        }
        buffer_unref(packed);
    }
    buffer_unref(in);
    decompressor_destroy(decompressor);
}

/* Flipped bits give other bytes or an error; with the sanitizers, that no read leaves the input. */
void test_compress__survives_flipped_bits(void)
{
    struct decompressor *decompressor = decompressor_create();
    struct prng prng;
    prng_init(&prng, 77);
    struct buffer *in = sample(5000, 6);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct buffer *packed = buffer_create(0);
        compress_append(
            (enum codec)codec, CODEC_LEVEL_DEFAULT, (struct bytes){ in->data, in->size }, &packed);
        uint8_t *broken = memory_take(packed->size);
        for (int round = 0; round < 2000; round++) {
            memcpy(broken, packed->data, packed->size);
            for (uint64_t flips = 1 + prng_next(&prng) % 4; flips > 0; flips--)
                broken[prng_next(&prng) % packed->size] ^= (uint8_t)(1u << (prng_next(&prng) % 8));
            int64_t got = drain(decompressor, (enum codec)codec,
                (struct bytes){ broken, packed->size }, 700, NULL, 1 << 20);
            assert_true(got >= 0 || got == -EBADMSG);
        }
        memory_give(broken);
        buffer_unref(packed);
    }
    buffer_unref(in);
    decompressor_destroy(decompressor);
}

/* Clients without Java's frame send one raw block; a length beyond what the block can yield takes
 * no memory. */
void test_compress__reads_raw_snappy(void)
{
    struct decompressor *decompressor = decompressor_create();
    static const uint8_t raw[] = { 11, 10 << 2, 'h', 'e', 'l', 'l', 'o', ' ', 't', 'h', 'e', 'r',
        'e' };
    struct buffer *out = buffer_create(100);
    assert_int_equal(
        drain(decompressor, CODEC_SNAPPY, (struct bytes){ raw, sizeof(raw) }, 4, out, SIZE_MAX),
        11);
    assert_memory_equal(out->data, "hello there", 11);
    buffer_unref(out);
    static const uint8_t liar[] = { 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 'a' };
    assert_int_equal(
        drain(decompressor, CODEC_SNAPPY, (struct bytes){ liar, sizeof(liar) }, 4, NULL, SIZE_MAX),
        -EBADMSG);
    decompressor_destroy(decompressor);
}

/* Members and frames one after the other are one stream, as the format's own tools read them; but Kafka's reader ends with the
 * first lz4 frame. */
void test_compress__reads_members_in_a_row(void)
{
    static const enum codec codecs[] = { CODEC_GZIP, CODEC_LZ4, CODEC_ZSTD };
    struct decompressor *decompressor = decompressor_create();
    for (size_t i = 0; i < 3; i++) {
        struct buffer *packed = buffer_create(0);
        compress_append(
            codecs[i], CODEC_LEVEL_DEFAULT, (struct bytes){ (const uint8_t *)"one", 3 }, &packed);
        compress_append(
            codecs[i], CODEC_LEVEL_DEFAULT, (struct bytes){ (const uint8_t *)"two", 3 }, &packed);
        if (codecs[i] == CODEC_GZIP)
            assert_int_equal(packed->data[9], 0xff);
        struct buffer *out = buffer_create(10);
        assert_int_equal(drain(decompressor, codecs[i],
                             (struct bytes){ packed->data, packed->size }, 2, out, SIZE_MAX),
            codecs[i] == CODEC_LZ4 ? 3 : 6);
        assert_memory_equal(out->data, "onetwo", out->size);
        buffer_unref(out);
        buffer_unref(packed);
    }
    decompressor_destroy(decompressor);
}

void test_compress__knows_its_names(void)
{
    enum codec codec;
    assert_true(codec_by_name(STR("zstd"), &codec));
    assert_int_equal(codec, CODEC_ZSTD);
    assert_true(codec_by_name(STR("uncompressed"), &codec));
    assert_int_equal(codec, CODEC_NONE);
    assert_false(codec_by_name(STR("brotli"), &codec));
    assert_string_equal(codec_name(CODEC_LZ4), "lz4");
}
