/* SPDX-License-Identifier: Apache-2.0 */
/* A reference-counted run of bytes on its way from socket to log to socket. Counts are atomic: a buffer may be
 * referenced by several shards, but only one may write to it. When it came out of a budget, the last unref
 * gives the bytes back there. */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct budget;

struct buffer {
    _Atomic int32_t references;
    struct budget *budget; /* NULL: charged to nobody */
    size_t charged;        /* bytes to give back to budget */
    size_t size;           /* bytes in use */
    size_t capacity;
    uint8_t data[];
};

struct buffer *buffer_create(size_t capacity);                                  /* one reference, size 0 */
struct buffer *buffer_create_charged(size_t capacity, struct budget *budget);   /* already reserved by the caller */
/* The only reference to it, now with more room; the caller has reserved the difference where it is charged. */
struct buffer *buffer_grow(struct buffer *buffer, size_t capacity);
struct buffer *buffer_ref(struct buffer *buffer);
void buffer_unref(struct buffer *buffer); /* NULL does nothing */
