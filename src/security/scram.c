/* SPDX-License-Identifier: Apache-2.0 */
#include "security/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static const EVP_MD *digest_of(enum scram_mechanism mechanism)
{
    return mechanism == SCRAM_SHA_256 ? EVP_sha256() : EVP_sha512();
}

size_t scram_key_size(enum scram_mechanism mechanism)
{
    return mechanism == SCRAM_SHA_256 ? 32 : 64;
}

bool scram_mechanism_by_name(struct str name, enum scram_mechanism *out_mechanism)
{
    *out_mechanism = str_is(name, "SCRAM-SHA-256") ? SCRAM_SHA_256 : SCRAM_SHA_512;
    return *out_mechanism == SCRAM_SHA_256 || str_is(name, "SCRAM-SHA-512");
}

bool scram_salt_password(enum scram_mechanism mechanism, struct str password, struct bytes salt,
    int32_t iterations, uint8_t *salted)
{
    return PKCS5_PBKDF2_HMAC(password.data, password.size, salt.data, (int)salt.size, iterations,
               digest_of(mechanism), (int)scram_key_size(mechanism), salted) == 1;
}

static bool keyed_hash(
    enum scram_mechanism mechanism, const uint8_t *key, const char *text, uint8_t *out)
{
    unsigned size;
    return HMAC(digest_of(mechanism), key, (int)scram_key_size(mechanism), (const uint8_t *)text,
               strlen(text), out, &size) != NULL;
}

bool scram_derive(
    enum scram_mechanism mechanism, const uint8_t *salted, struct scram_keys *out_keys)
{
    uint8_t client_key[SCRAM_KEY_MAX];
    unsigned size;
    out_keys->size = scram_key_size(mechanism);
    return keyed_hash(mechanism, salted, "Client Key", client_key) &&
           EVP_Digest(client_key, out_keys->size, out_keys->stored_key, &size, digest_of(mechanism),
               NULL) == 1 &&
           keyed_hash(mechanism, salted, "Server Key", out_keys->server_key);
}
