/* SPDX-License-Identifier: Apache-2.0 */
/* usage: check FILE: judges a recorded history (tests/sim/HISTORY); - is standard input. Prints
 * what it found, the first ten of each kind, the counts, and last `N operations, M findings`.
 * Exits with 1 when there are findings, with 2 when the file is not a history. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check/history.h"
#include "check/judge.h"

int main(int argument_count, char **arguments)
{
    if (argument_count != 2) {
        fputs("usage: check FILE\n"
              "Judges a history (tests/sim/HISTORY; - is standard input). Prints the first ten findings of\n"
              "each kind, and last `N operations, M findings`. Exits with 1 when there are findings, with 2\n"
              "when the file is not a history.\n",
            stderr);
        return 2;
    }
    FILE *file = strcmp(arguments[1], "-") == 0 ? stdin : fopen(arguments[1], "re");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", arguments[1], strerror(errno));
        return 2;
    }
    struct history history;
    struct judgement judgement;
    history_open(&history, file);
    bool is_judged = judge(&history, &judgement);
    if (is_judged)
        printf("%lld operations, %lld findings\n", (long long)judgement.operation_count,
            (long long)judgement.finding_count);
    else
        fprintf(stderr, "line %lld: %s\n", (long long)history.line_count, history.refused);
    history_close(&history);
    fclose(file);
    return !is_judged ? 2 : judgement.finding_count > 0 ? 1 : 0;
}
