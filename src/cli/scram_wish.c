/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/scram_wish.h"

#include "base/base64.h"
#include "io/io.h"
#include "security/scram.h"

struct wish {
    enum scram_mechanism mechanism;
    struct str name, password, salt, salted_password, iterations;
};

static struct str unquoted(struct str text)
{
    if (text.size >= 2 && text.data[0] == '"' && text.data[text.size - 1] == '"')
        return (struct str){ text.data + 1, text.size - 2 };
    return text;
}

static const char *split(struct str text, struct wish *out)
{
    struct str rest = text, mechanism, pair;
    *out = (struct wish){ 0 };
    str_split(&rest, '=', &mechanism);
    if (!scram_mechanism_by_name(mechanism, &out->mechanism))
        return "it must begin with SCRAM-SHA-256= or SCRAM-SHA-512=";
    if (rest.size < 2 || rest.data[0] != '[' || rest.data[rest.size - 1] != ']')
        return "write MECHANISM=[name=...,password=...]";
    rest = (struct str){ rest.data + 1, rest.size - 2 };
    while (str_split(&rest, ',', &pair)) {
        struct str value = pair, key;
        str_split(&value, '=', &key);
        if (str_is_null(value))
            return "write MECHANISM=[name=...,password=...]";
        struct str *field = str_is(key, "name")             ? &out->name
                            : str_is(key, "password")       ? &out->password
                            : str_is(key, "salt")           ? &out->salt
                            : str_is(key, "saltedpassword") ? &out->salted_password
                            : str_is(key, "iterations")     ? &out->iterations
                                                            : NULL;
        if (field == NULL)
            return "its keys are name, password, saltedpassword, salt and iterations";
        *field = unquoted(value);
    }
    if (out->name.size == 0)
        return "it needs a name";
    if ((out->password.size == 0) == (out->salted_password.size == 0))
        return "it needs a password or a saltedpassword";
    return out->salted_password.size > 0 && out->salt.size == 0 ? "a saltedpassword needs its salt"
                                                                : NULL;
}

static const char *read_salt(
    const struct wish *wish, struct io *io, struct arena *arena, struct quorum_scram *out)
{
    enum { SALT_SIZE = 24 };
    if (wish->salt.size > 0)
        return base64_parse(wish->salt.data, (size_t)wish->salt.size, arena, &out->salt)
                   ? NULL
                   : "the salt must be base64";
    uint8_t *salt = arena_take(arena, SALT_SIZE);
    io_random(io, salt, SALT_SIZE);
    out->salt = (struct bytes){ salt, SALT_SIZE };
    return NULL;
}

static const char *read_iterations(const struct wish *wish, int32_t *out)
{
    int64_t iterations = SCRAM_ITERATIONS_MIN;
    if (wish->iterations.size > 0 &&
        (!str_to_int64(wish->iterations, &iterations) || iterations < SCRAM_ITERATIONS_MIN ||
            iterations > SCRAM_ITERATIONS_MAX))
        return "iterations must be a number from 4096 to 16384";
    *out = (int32_t)iterations;
    return NULL;
}

static const char *read_salted(
    const struct wish *wish, const struct quorum_scram *scram, struct arena *arena, uint8_t *salted)
{
    struct bytes given;
    if (wish->password.size > 0)
        return scram_salt_password(
                   wish->mechanism, wish->password, scram->salt, scram->iterations, salted)
                   ? NULL
                   : "the password cannot be salted";
    if (!base64_parse(
            wish->salted_password.data, (size_t)wish->salted_password.size, arena, &given) ||
        given.size != scram_key_size(wish->mechanism))
        return "the saltedpassword must be base64 of a hash of the mechanism";
    memcpy(salted, given.data, given.size);
    return NULL;
}

const char *scram_wish_read(
    struct str text, struct io *io, struct arena *arena, struct quorum_scram *out_scram)
{
    struct wish wish;
    uint8_t salted[SCRAM_KEY_MAX];
    *out_scram = (struct quorum_scram){ 0 };
    const char *wrong = split(text, &wish);
    if (wrong == NULL)
        wrong = read_salt(&wish, io, arena, out_scram);
    if (wrong == NULL)
        wrong = read_iterations(&wish, &out_scram->iterations);
    if (wrong == NULL)
        wrong = read_salted(&wish, out_scram, arena, salted);
    if (wrong != NULL)
        return wrong;
    struct scram_keys *keys = arena_take(arena, sizeof(*keys));
    if (!scram_derive(wish.mechanism, salted, keys))
        return "the keys cannot be derived";
    out_scram->name = str_copy(arena, wish.name).data;
    out_scram->mechanism = (int8_t)wish.mechanism;
    out_scram->stored_key = (struct bytes){ keys->stored_key, keys->size };
    out_scram->server_key = (struct bytes){ keys->server_key, keys->size };
    return NULL;
}
