/* SPDX-License-Identifier: Apache-2.0 */
/* A reply is the place that one request holds in the order of its connection's answers. It stands in line from the
 * moment its frame arrived; when it is ready its spans are sent once all before it are. Spans are memory (which the
 * owner of the reply keeps until done()) or ranges of files (sent without being read); spans and references are the
 * owner's to free in done(). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;
struct conn;

struct span {
    const uint8_t *data; /* NULL: a range of file */
    struct file *file;
    int64_t position;
    size_t size;
};

struct reply {
    struct reply *next; /* in the order of requests */
    struct conn *conn;
    const struct span *spans;
    int32_t span_count; /* 0 when ready: the request has no answer (acks=0) */
    int32_t span_index; /* the span being sent, and how much of it is gone */
    size_t span_sent;
    int64_t charged; /* to the budget, from ready to done(); the connection's */
    bool ready;
    bool closes;                        /* the connection ends once this is sent */
    void (*done)(struct reply *reply);  /* sent, or the connection is gone; the reply is the owner's again */
};
