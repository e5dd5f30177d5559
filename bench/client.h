/* SPDX-License-Identifier: Apache-2.0 */
/* The plain half of the bench: sockets, the few requests that set a run up, and frames built once
 * and sent often. Anything unexpected ends the program with a sentence: a measurement has nothing
 * to recover. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/uuid.h"
#include "wire/message.h"

struct arena;
struct message_schema;

enum {
    PRODUCE_VERSION = 13,
    FETCH_VERSION = 17,
    METADATA_VERSION = 12,
    CREATE_TOPICS_VERSION = 7,
    FIND_COORDINATOR_VERSION = 6,
    FRAME_HEAD_SIZE =
        12, /* length, api key, version, correlation id: what differs between two sendings */
    MAX_PARTITIONS = 1024,
    MAX_CONFIGS = 16,
};

struct options {
    const char *host;
    int port;
    int pid; /* of the broker, for its usage; 0 unknown */
    const char *topic;
    bool create;
    const char *configs[MAX_CONFIGS]; /* key=value */
    int config_count;
    int partitions;
    int connections;
    int window; /* requests in flight on each connection */
    int record_count;
    int record_size;
    int acks;
    int max_bytes;
    double rate; /* requests a second, for the open loop */
    double seconds;
    double warmup;
    int64_t fill; /* stop after so many bytes, or offsets, instead of seconds */
    int groups;
    int members; /* of each */
    int homes;   /* partitions of __consumer_offsets that they hash to */
};

_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t now_ns(void);

int socket_try(const char *host, int port); /* -1: nobody listens */
int socket_connect(const char *host, int port, bool blocking);
void socket_tune(int descriptor); /* no delay, cubic */
void send_all(int descriptor, const void *data, size_t size);
void receive_all(int descriptor, void *data, size_t size);

/* A whole frame: length, header with client id "bench", the request. */
struct buffer *frame_build(
    int16_t api_key, int16_t version, int32_t correlation_id, const void *request);

/* Decodes an answer that lies behind its length; returns its correlation id. */
int32_t answer_decode(
    int16_t api_key, int16_t version, struct bytes answer, struct arena *arena, void *out_response);

/* Sends and waits, on a blocking socket. out_response borrows from the arena. */
void call(int descriptor, int16_t api_key, int16_t version, const void *request,
    struct arena *arena, void *out_response);

/* Creates the topic when asked to, and waits until each partition has a leader. */
struct uuid topic_prepare(const struct options *options);

struct topic_facts {
    struct uuid id;
    int partitions;
};
/* The same for __consumer_offsets, which the broker creates. */
struct topic_facts group_topic_prepare(const struct options *options);

/* One batch of records of value_size bytes; the first record's first 8 value bytes stand at
 * *out_payload_at. */
struct buffer *batch_of_records(int count, int value_size, size_t *out_payload_at);
