/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/place.h"

#include <string.h>
#include <time.h>

#include "base/str.h"

static bool parse_time(const char *text, int64_t *out_ms)
{
    struct tm parts = { 0 };
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL)
        rest = strptime(text, "%Y-%m-%d", &parts);
    if (rest == NULL || (rest[0] != 0 && strcmp(rest, "Z") != 0))
        return false;
    *out_ms = (int64_t)timegm(&parts) * 1000;
    return true;
}

bool place_parse(const char *text, struct place *out_place)
{
    *out_place = (struct place){ PLACE_LATEST, -1 };
    int64_t number;
    if (text == NULL || strcmp(text, "end") == 0)
        return true;
    if (strcmp(text, "beginning") == 0) {
        out_place->timestamp = PLACE_EARLIEST;
        return true;
    }
    if (str_to_int64(str_from(text), &number) && number > INT64_MIN) {
        out_place->offset = number >= 0 && text[0] != '-' ? number : number - 1;
        return true;
    }
    return parse_time(text, &out_place->timestamp);
}
