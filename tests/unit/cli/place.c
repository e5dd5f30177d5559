/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/place.h"

#include "test.h"

static void expect(const char *text, int64_t timestamp, int64_t offset)
{
    struct place place;
    assert_true(place_parse(text, &place));
    assert_int_equal(place.offset, offset);
    if (offset == -1)
        assert_int_equal(place.timestamp, timestamp);
}

void test_place__knows_all_spellings(void)
{
    expect(NULL, PLACE_LATEST, -1);
    expect("end", PLACE_LATEST, -1);
    expect("beginning", PLACE_EARLIEST, -1);
    expect("0", 0, 0);
    expect("17", 0, 17);
    expect("-0", PLACE_LATEST, -1);
    expect("-1", 0, -2);
    expect("-10", 0, -11);
    expect("1970-01-02", 86400000, -1);
    expect("2026-01-31T12:00:00Z", 1769860800000, -1);
    expect("2026-01-31T12:00:00", 1769860800000, -1);
}

void test_place__refuses_the_rest(void)
{
    static const char *const texts[] = { "", "start", "1x", "2026-13-01",
        "2026-01-31T12:00:00+01:00", "-9223372036854775808" };
    struct place place;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(place_parse(texts[i], &place));
}
