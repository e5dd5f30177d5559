/* SPDX-License-Identifier: Apache-2.0 */
#include "security/scram.h"

#include "base/arena.h"
#include "base/base64.h"
#include "test.h"

/* The user of RFC 7677: the password "pencil" under its salt, 4,096 times. */
static void expect(enum scram_mechanism mechanism, const char *stored_key, const char *server_key)
{
    struct arena arena;
    struct bytes salt;
    struct scram_keys keys;
    uint8_t salted[SCRAM_KEY_MAX];
    arena_init(&arena);
    assert_true(base64_parse("W22ZaJ0SNY7soEsUEjb6gQ==", 24, &arena, &salt));
    assert_true(scram_salt_password(mechanism, STR("pencil"), salt, 4096, salted));
    assert_true(scram_derive(mechanism, salted, &keys));
    assert_string_equal(
        base64_print((struct bytes){ keys.stored_key, keys.size }, &arena), stored_key);
    assert_string_equal(
        base64_print((struct bytes){ keys.server_key, keys.size }, &arena), server_key);
    arena_deinit(&arena);
}

void test_scram__derives_the_keys_of_its_rfcs(void)
{
    expect(SCRAM_SHA_256, "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    expect(SCRAM_SHA_512,
        "6AAub3065EYRmyFpM2RNwqK+eGnrkYuEWbXn19LsEmBqzu8QaCXNc1FwpnX9NhH2hK/60dzj9DoO5DvVkOHbvg==",
        "jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6rA==");
}
