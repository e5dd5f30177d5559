/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/topic_name.h"

#include "base/arena.h"

static bool is_legal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

const char *topic_name_fault(struct arena *arena, struct str name)
{
    if (name.size == 0)
        return "Topic name is invalid: the empty string is not allowed";
    if (str_is(name, ".") || str_is(name, ".."))
        return arena_format(arena, "Topic name is invalid: '%.*s' is not allowed", STR_PRINT(name));
    if (name.size > TOPIC_NAME_MAX)
        return arena_format(arena, "Topic name is invalid: the length of '%.*s' is longer than the max allowed length %d",
                            STR_PRINT(name), (int)TOPIC_NAME_MAX);
    for (int32_t i = 0; i < name.size; i++)
        if (!is_legal(name.data[i]))
            return arena_format(arena,
                                "Topic name is invalid: '%.*s' contains one or more characters other than ASCII "
                                "alphanumerics, '.', '_' and '-'",
                                STR_PRINT(name));
    return NULL;
}
