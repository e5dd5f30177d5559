/* SPDX-License-Identifier: Apache-2.0 */
/* Values as Java prints them: what DescribeConfigs answers is compared with Kafka's. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/setting.h"

/* As Java prints a double: the fewest digits that give it back, always with a point; an exponent
 * below 0.001 and from ten million on. */
static struct str normalize_double(double value, struct arena *arena)
{
    char digits[32], text[40];
    int precision = 1;
    if (!isfinite(value))
        return isnan(value) ? STR("NaN") : value < 0 ? STR("-Infinity") : STR("Infinity");
    while (precision <= 17) {
        snprintf(digits, sizeof(digits), "%.*e", precision - 1, value);
        if (strtod(digits, NULL) == value)
            break;
        precision++;
    }
    char *mark = strchr(digits, 'e');
    int64_t exponent = 0;
    str_to_int64(str_from(mark + 1), &exponent);
    double size = fabs(value);
    if (size == 0 || (size >= 1e-3 && size < 1e7)) {
        int decimals = precision - 1 - (int)exponent;
        snprintf(text, sizeof(text), "%.*f", decimals < 1 ? 1 : decimals, value);
        return str_copy(arena, str_from(text));
    }
    *mark = 0;
    snprintf(text, sizeof(text), "%s%sE%d", digits, strchr(digits, '.') == NULL ? ".0" : "",
        (int)exponent);
    return str_copy(arena, str_from(text));
}

static bool list_holds(struct str list, struct str element)
{
    struct str piece;
    while (list.size > 0 && str_split(&list, ',', &piece)) {
        if (str_equal(str_trim(piece), element))
            return true;
    }
    return false;
}

static struct str normalize_list(struct str text, bool is_distinct, struct arena *arena)
{
    char *list = arena_take(arena, (size_t)text.size + 1);
    int32_t size = 0;
    struct str piece;
    bool is_first = true;
    while (text.size > 0 && str_split(&text, ',', &piece)) {
        piece = str_trim(piece);
        if (is_distinct && list_holds((struct str){ list, size }, piece))
            continue;
        if (!is_first)
            list[size++] = ',';
        is_first = false;
        if (piece.size > 0)
            memcpy(list + size, piece.data, (size_t)piece.size);
        size += piece.size;
    }
    return (struct str){ list, size };
}

static bool is_distinct(const struct setting *setting)
{
    return setting->type == SETTING_CHOICES || (setting->flags & SETTING_DISTINCT) != 0;
}

struct str setting_list_fault(
    const struct setting *setting, struct str text, bool may_repeat, struct arena *arena)
{
    struct str rest = str_trim(text), piece;
    bool has_pieces = is_distinct(setting) && rest.size > 0;
    while (has_pieces && str_split(&rest, ',', &piece)) {
        if (str_trim(piece).size == 0)
            return str_from(
                arena_format(arena, "Configuration '%s' values must not be empty.", setting->name));
        if (!may_repeat && list_holds(rest, str_trim(piece)))
            return str_from(arena_format(
                arena, "Configuration '%s' values must not be duplicated.", setting->name));
    }
    return (struct str){ 0 };
}

struct str setting_normalize(const struct setting *setting, struct str text, struct arena *arena)
{
    int64_t whole;
    double number;
    bool is_number;
    if (setting->type == SETTING_PASSWORD)
        return str_copy(arena, text);
    text = str_trim(text);
    switch (setting->type) {
    case SETTING_BOOL:
        return text.size == 4 ? STR("true") : STR("false");
    case SETTING_INT16:
    case SETTING_INT32:
    case SETTING_INT64:
        is_number = str_to_int64(text, &whole);
        assert(is_number);
        return str_from(arena_format(arena, "%" PRId64, whole));
    case SETTING_DOUBLE:
        is_number = str_to_double(text, &number);
        assert(is_number);
        return normalize_double(number, arena);
    case SETTING_LIST:
    case SETTING_CHOICES:
        return normalize_list(text, is_distinct(setting), arena);
    case SETTING_STRING:
    case SETTING_CLASS:
    case SETTING_PASSWORD:
    case SETTING_CHOICE:
        break;
    }
    return str_copy(arena, text);
}
