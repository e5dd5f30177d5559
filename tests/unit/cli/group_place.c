/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/group_place.h"

#include "cli/place.h"
#include "test.h"

static void expect(const char *text, int kind, int64_t number)
{
    struct group_place place;
    assert_true(group_place_parse(text, &place));
    assert_int_equal(place.kind, kind);
    if (kind != GROUP_PLACE_CURRENT)
        assert_int_equal(place.number, number);
}

void test_group_place__knows_all_spellings(void)
{
    expect("earliest", GROUP_PLACE_TIME, PLACE_EARLIEST);
    expect("beginning", GROUP_PLACE_TIME, PLACE_EARLIEST);
    expect("latest", GROUP_PLACE_TIME, PLACE_LATEST);
    expect("end", GROUP_PLACE_TIME, PLACE_LATEST);
    expect("current", GROUP_PLACE_CURRENT, 0);
    expect("0", GROUP_PLACE_OFFSET, 0);
    expect("17", GROUP_PLACE_OFFSET, 17);
    expect("1970-01-02", GROUP_PLACE_TIME, 86400000);
}

void test_group_place__refuses_the_rest(void)
{
    static const char *const texts[] = { "", "first", "-1", "-0", "1x", "2026-13-01" };
    struct group_place place;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(group_place_parse(texts[i], &place));
}

void test_group_place__reads_durations_as_people_and_as_iso_8601_write_them(void)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = { { "90s", 90000 }, { "15m", 900000 }, { "2h", 7200000 }, { "1d12h", 129600000 },
        { "1w", 604800000 }, { "PT15M", 900000 }, { "P1DT12H", 129600000 }, { "pt1h30m", 5400000 },
        { "P2D", 172800000 } };
    static const char *const wrong[] = { "", "P", "PT", "5", "h", "1x", "1h5", "-1h", "1.5h",
        "99999999999999999999s", "9223372036854775807s", "T1H" };
    int64_t ms;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(duration_parse(rows[i].text, &ms));
        assert_int_equal(ms, rows[i].ms);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(duration_parse(wrong[i], &ms));
}

/* Whatever is asked for, the result lies in what the partition holds: 10 to 20. */
void test_group_place__ends_where_records_are(void)
{
    static const struct {
        struct group_place place;
        int64_t committed, found, next;
    } rows[] = {
        { { GROUP_PLACE_TIME, PLACE_EARLIEST }, 15, -1, 10 },
        { { GROUP_PLACE_TIME, PLACE_LATEST }, 15, -1, 20 },
        { { GROUP_PLACE_TIME, 1000 }, 15, 12, 12 },
        { { GROUP_PLACE_TIME, 1000 }, 15, -1, 20 },
        { { GROUP_PLACE_OFFSET, 13 }, 15, -1, 13 },
        { { GROUP_PLACE_OFFSET, 3 }, 15, -1, 10 },
        { { GROUP_PLACE_OFFSET, 33 }, -1, -1, 20 },
        { { GROUP_PLACE_SHIFT, -3 }, 15, -1, 12 },
        { { GROUP_PLACE_SHIFT, 4 }, 15, -1, 19 },
        { { GROUP_PLACE_SHIFT, -30 }, 15, -1, 10 },
        { { GROUP_PLACE_SHIFT, 30 }, 15, -1, 20 },
        { { GROUP_PLACE_SHIFT, INT64_MAX }, 15, -1, 20 },
        { { GROUP_PLACE_SHIFT, 1 }, -1, -1, -1 },
        { { GROUP_PLACE_CURRENT, 0 }, 15, -1, 15 },
        { { GROUP_PLACE_CURRENT, 0 }, 5, -1, 10 },
        { { GROUP_PLACE_CURRENT, 0 }, -1, -1, 20 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(
            group_place_in(rows[i].place, rows[i].committed, 10, 20, rows[i].found), rows[i].next);
}
