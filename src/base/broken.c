/* SPDX-License-Identifier: Apache-2.0 */
/* Not in the product: see broken.h. */
#include "base/broken.h"

#define BROKEN_ROW(name, id, sentence) { #name, id, sentence },
const struct broken_rule broken_rules[] = { BROKEN_RULES(BROKEN_ROW) };

int broken_chosen = BROKEN_COUNT;

int broken_find(struct str name)
{
    for (int i = 0; i < BROKEN_COUNT; i++)
        if (str_is(name, broken_rules[i].name))
            return i;
    return -1;
}
