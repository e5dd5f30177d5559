/* SPDX-License-Identifier: Apache-2.0 */
/* What SCRAM (RFC 5802, RFC 7677) keeps of a password: two keys from which it cannot be told. Pure;
 * OpenSSL does the hashing. The password's bytes are taken as they are, as Kafka does. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/str.h"

enum scram_mechanism {
    SCRAM_SHA_256 = 1,
    SCRAM_SHA_512 = 2
}; /* as the metadata log numbers them */
enum { SCRAM_KEY_MAX = 64, SCRAM_ITERATIONS_MIN = 4096, SCRAM_ITERATIONS_MAX = 16384 };

struct scram_keys {
    size_t size;
    uint8_t stored_key[SCRAM_KEY_MAX], server_key[SCRAM_KEY_MAX];
};

size_t scram_key_size(enum scram_mechanism mechanism);
bool scram_mechanism_by_name(
    struct str name, enum scram_mechanism *out_mechanism); /* SCRAM-SHA-256 ... */

/* salted gets scram_key_size() bytes. False: OpenSSL refused, which no input of ours explains. */
bool scram_salt_password(enum scram_mechanism mechanism, struct str password, struct bytes salt,
    int32_t iterations, uint8_t *salted);
bool scram_derive(
    enum scram_mechanism mechanism, const uint8_t *salted, struct scram_keys *out_keys);
