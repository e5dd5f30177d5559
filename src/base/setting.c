/* SPDX-License-Identifier: Apache-2.0 */
#include "base/setting.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static void *field_of(const struct setting *setting, void *base)
{
    return base == NULL || setting->offset == SETTING_NOWHERE ? NULL
                                                              : (char *)base + setting->offset;
}

static bool refuse(const struct setting *setting, struct str text, const char *why,
    struct arena *arena, struct str *out_message)
{
    *out_message = str_from(arena_format(
        arena, "Invalid value %.*s for configuration %s: %s", STR_PRINT(text), setting->name, why));
    return false;
}

static const char *print_number(double value, struct arena *arena)
{
    if (value == (double)(int64_t)value)
        return arena_format(arena, "%.0f", value);
    return arena_format(arena, "%g", value);
}

static const char *why_out_of_bounds(
    const struct setting *setting, double value, struct arena *arena)
{
    bool is_zero_refused = (setting->flags & SETTING_NOT_ZERO) != 0;
    if (is_zero_refused && (value < setting->min || value > setting->max || value == 0))
        return arena_format(arena, "Value must be between 1 and %s or equal to %s",
            print_number(setting->max, arena), print_number(setting->min, arena));
    if (setting->bounded && value < setting->min)
        return arena_format(arena, "Value must be at least %s", print_number(setting->min, arena));
    if (setting->bounded && value > setting->max)
        return arena_format(
            arena, "Value must be no more than %s", print_number(setting->max, arena));
    return NULL;
}

static const char *type_name(enum setting_type type)
{
    switch (type) {
    case SETTING_BOOL:
        return "BOOLEAN";
    case SETTING_INT16:
        return "SHORT";
    case SETTING_INT32:
        return "INT";
    case SETTING_INT64:
        return "LONG";
    case SETTING_DOUBLE:
        return "DOUBLE";
    case SETTING_LIST:
    case SETTING_CHOICES:
        return "LIST";
    case SETTING_CLASS:
        return "CLASS";
    case SETTING_PASSWORD:
        return "PASSWORD";
    case SETTING_STRING:
    case SETTING_CHOICE:
        break;
    }
    return "STRING";
}

static bool fits(enum setting_type type, int64_t value)
{
    if (type == SETTING_INT16)
        return value >= INT16_MIN && value <= INT16_MAX;
    return type != SETTING_INT32 || (value >= INT32_MIN && value <= INT32_MAX);
}

static int64_t largest(enum setting_type type)
{
    return type == SETTING_INT16 ? INT16_MAX : type == SETTING_INT32 ? INT32_MAX : INT64_MAX;
}

static bool parse_number(const struct setting *setting, struct str text, struct arena *arena,
    void *field, struct str *out_message)
{
    int64_t whole = 0;
    double number = 0;
    bool is_number = setting->type == SETTING_DOUBLE
                         ? str_to_double(text, &number)
                         : str_to_int64(text, &whole) && fits(setting->type, whole);
    if (!is_number)
        return refuse(setting, text,
            arena_format(arena, "Not a number of type %s", type_name(setting->type)), arena,
            out_message);
    const char *why =
        why_out_of_bounds(setting, setting->type == SETTING_DOUBLE ? number : (double)whole, arena);
    if (why != NULL)
        return refuse(setting, text, why, arena, out_message);
    if (field == NULL)
        return true;
    if (setting->type == SETTING_DOUBLE)
        *(double *)field = number;
    else if (setting->type == SETTING_INT64)
        *(int64_t *)field = whole;
    else
        *(int32_t *)field = (int32_t)whole;
    return true;
}

static bool equal_any_case(struct str text, const char *word)
{
    return text.size == (int32_t)strlen(word) &&
           strncasecmp(text.data, word, (size_t)text.size) == 0;
}

static bool parse_bool(const struct setting *setting, struct str text, struct arena *arena,
    bool *field, struct str *out_message)
{
    bool value = equal_any_case(text, "true");
    if (!value && !equal_any_case(text, "false"))
        return refuse(
            setting, text, "Expected value to be either true or false", arena, out_message);
    if (field != NULL)
        *field = value;
    return true;
}

static const struct setting_choice *find_choice(const struct setting *setting, struct str text)
{
    for (const struct setting_choice *choice = setting->choices; choice->name != NULL; choice++) {
        if ((setting->flags & SETTING_ANY_CASE) != 0 ? equal_any_case(text, choice->name)
                                                     : str_is(text, choice->name))
            return choice;
    }
    return NULL;
}

static const char *list_choices(const struct setting *setting, struct arena *arena)
{
    const char *all = "";
    for (const struct setting_choice *choice = setting->choices; choice->name != NULL; choice++)
        all = arena_format(
            arena, "%s%s%s", all, choice == setting->choices ? "" : ", ", choice->name);
    return all;
}

static bool refuse_choice(
    const struct setting *setting, struct str text, struct arena *arena, struct str *out_message)
{
    const char *any_case = (setting->flags & SETTING_ANY_CASE) != 0 ? " (case insensitive)" : "";
    return refuse(setting, text,
        arena_format(arena, "String must be one of%s: %s", any_case, list_choices(setting, arena)),
        arena, out_message);
}

static bool parse_choice(const struct setting *setting, struct str text, struct arena *arena,
    int32_t *field, struct str *out_message)
{
    const struct setting_choice *choice = find_choice(setting, text);
    if (choice == NULL)
        return refuse_choice(setting, text, arena, out_message);
    if (field != NULL)
        *field = choice->value;
    return true;
}

/* One named twice counts once. */
static bool parse_choices(const struct setting *setting, struct str text, struct arena *arena,
    int32_t *field, struct str *out_message)
{
    int32_t chosen = 0;
    struct str rest = text, piece;
    while (text.size > 0 && str_split(&rest, ',', &piece)) {
        piece = str_trim(piece);
        if (piece.size == 0) {
            *out_message = str_from(
                arena_format(arena, "Configuration '%s' values must not be empty.", setting->name));
            return false;
        }
        const struct setting_choice *choice = find_choice(setting, piece);
        if (choice == NULL)
            return refuse_choice(setting, piece, arena, out_message);
        chosen |= choice->value;
    }
    if (field != NULL)
        *field = chosen;
    return true;
}

static bool parse_text(const struct setting *setting, struct str text, struct arena *arena,
    struct str *field, struct str *out_message)
{
    if ((setting->flags & SETTING_NOT_EMPTY) != 0 && text.size == 0)
        return refuse(setting, text, "String must be non-empty", arena, out_message);
    if (setting->choices != NULL) {
        struct str rest = text, piece;
        while (text.size > 0 && str_split(&rest, ',', &piece)) {
            if (find_choice(setting, str_trim(piece)) == NULL)
                return refuse_choice(setting, str_trim(piece), arena, out_message);
        }
    }
    if (field != NULL)
        *field = str_copy(arena, text);
    return true;
}

bool setting_parse(const struct setting *setting, struct str text, struct arena *arena, void *base,
    struct str *out_message)
{
    assert(text.data != NULL);
    void *field = field_of(setting, base);
    if (setting->type != SETTING_PASSWORD)
        text = str_trim(text);

    switch (setting->type) {
    case SETTING_BOOL:
        return parse_bool(setting, text, arena, field, out_message);
    case SETTING_INT16:
    case SETTING_INT32:
    case SETTING_INT64:
    case SETTING_DOUBLE:
        return parse_number(setting, text, arena, field, out_message);
    case SETTING_CHOICE:
        return parse_choice(setting, text, arena, field, out_message);
    case SETTING_CHOICES:
        return parse_choices(setting, text, arena, field, out_message);
    case SETTING_STRING:
    case SETTING_LIST:
    case SETTING_CLASS:
    case SETTING_PASSWORD:
        return parse_text(setting, text, arena, field, out_message);
    }
    __builtin_unreachable();
}

bool setting_parse_unset(const struct setting *setting, struct arena *arena, void *base)
{
    if (setting->unset == NULL)
        return false;
    struct setting unchecked = *setting; /* a default need not be one that people may write */
    unchecked.bounded = false;
    unchecked.flags &= ~(unsigned)(SETTING_NOT_EMPTY | SETTING_NOT_ZERO);
    struct str message;
    bool parsed = setting_parse(&unchecked, str_from(setting->unset), arena, base, &message);
    assert(parsed);
    return parsed;
}

static const char *print_choices(const struct setting *setting, int32_t value, struct arena *arena)
{
    const char *all = "";
    for (const struct setting_choice *choice = setting->choices; choice->name != NULL; choice++) {
        if ((value & choice->value) != 0)
            all = arena_format(arena, "%s%s%s", all, all[0] == 0 ? "" : ",", choice->name);
    }
    return all;
}

struct str setting_print(const struct setting *setting, const void *base, struct arena *arena)
{
    const void *field = field_of(setting, (void *)base);
    if (field == NULL)
        return (struct str){ 0 };
    switch (setting->type) {
    case SETTING_BOOL:
        return *(const bool *)field ? STR("true") : STR("false");
    case SETTING_INT16:
    case SETTING_INT32:
        return str_from(arena_format(arena, "%" PRId32, *(const int32_t *)field));
    case SETTING_INT64:
        return str_from(arena_format(arena, "%" PRId64, *(const int64_t *)field));
    case SETTING_DOUBLE:
        return str_from(arena_format(arena, "%.15g", *(const double *)field));
    case SETTING_CHOICES:
        return str_from(print_choices(setting, *(const int32_t *)field, arena));
    case SETTING_CHOICE:
        for (const struct setting_choice *choice = setting->choices; choice->name != NULL;
             choice++) {
            if (choice->value == *(const int32_t *)field)
                return str_from(choice->name);
        }
        assert(false);
        break;
    case SETTING_STRING:
    case SETTING_LIST:
    case SETTING_CLASS:
        return *(const struct str *)field;
    case SETTING_PASSWORD:
        break;
    }
    return (struct str){ 0 };
}

const char *setting_describe_valid(const struct setting *setting, struct arena *arena)
{
    const char *kind = setting->type == SETTING_DOUBLE ? "a number" : "a whole number";
    switch (setting->type) {
    case SETTING_BOOL:
        return "true or false";
    case SETTING_INT16:
    case SETTING_INT32:
    case SETTING_INT64:
    case SETTING_DOUBLE:
        if (!setting->bounded)
            return kind;
        if (setting->max == DBL_MAX)
            return arena_format(arena, "%s, at least %s", kind, print_number(setting->min, arena));
        return arena_format(arena, "%s from %s to %s%s", kind, print_number(setting->min, arena),
            print_number(setting->max, arena),
            (setting->flags & SETTING_NOT_ZERO) != 0 ? " and not 0" : "");
    case SETTING_CHOICE:
        return arena_format(arena, "one of %s", list_choices(setting, arena));
    case SETTING_CHOICES:
        return arena_format(arena, "some of %s", list_choices(setting, arena));
    case SETTING_LIST:
        if (setting->choices != NULL)
            return arena_format(arena, "some of %s", list_choices(setting, arena));
        return "texts with commas between them";
    case SETTING_STRING:
    case SETTING_CLASS:
    case SETTING_PASSWORD:
        break;
    }
    if (setting->choices != NULL)
        return arena_format(arena, "one of %s", list_choices(setting, arena));
    return (setting->flags & SETTING_NOT_EMPTY) != 0 ? "a text that is not empty" : "a text";
}

static bool is_whole_number(struct str text)
{
    for (int32_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return text.size > 0;
}

const char *setting_describe_fault(
    const struct setting *setting, struct str text, struct arena *arena)
{
    bool is_whole = setting->type == SETTING_INT16 || setting->type == SETTING_INT32 ||
                    setting->type == SETTING_INT64;
    int64_t value;
    text = str_trim(text);
    if (is_whole && is_whole_number(text) &&
        (!str_to_int64(text, &value) || value > largest(setting->type)))
        return setting->bounded && setting->max < (double)largest(setting->type)
                   ? arena_format(arena, "too large; it must be at most %s",
                         print_number(setting->max, arena))
                   : arena_format(
                         arena, "too large; it must be at most %" PRId64, largest(setting->type));
    return arena_format(arena, "not valid; it must be %s", setting_describe_valid(setting, arena));
}

const struct setting *setting_find(const struct setting *settings, int count, struct str name)
{
    for (int i = 0; i < count; i++) {
        if (str_is(name, settings[i].name))
            return &settings[i];
    }
    return NULL;
}

const struct setting *setting_nearest(const struct setting *settings, int count, struct str name)
{
    const struct setting *nearest = NULL;
    int best = name.size / 3 + 1; /* further away it is another word */
    for (int i = 0; i < count; i++) {
        struct str other = str_from(settings[i].name);
        if (abs(other.size - name.size) >= best)
            continue;
        int distance = str_distance(name, other);
        if (distance < best) {
            best = distance;
            nearest = &settings[i];
        }
    }
    return nearest;
}
