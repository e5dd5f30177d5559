#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/tidy against planted violations: each is found, at its line, and clean code passes. usage: tidy_test.py TIDY"""
import os
import subprocess
import sys
import tempfile

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
FLOORS = "base :\nio : base\nwire : base # pure\nstorage : base io wire\n"
CASES = [
    # path, text, what the complaint must say (None: clean)
    ("src/storage/good.c", SPDX + '#include "storage/good.h"\n#include "io/file.h"\n#include "produce.h"\nint x; /* open(1) */\n', None),
    ("src/storage/good.h", SPDX + "#pragma once\nint log_open(int x);\n", None),
    ("src/io/file.c", SPDX + '#include "io/file.h"\nint f(void)\n{\n    return open("x", 0);\n}\n', None),
    ("src/base/memory.c", SPDX + "void g(void *p)\n{\n    free(p);\n}\n", None),
    ("src/wire/own.c", SPDX + "static int send(int x)\n{\n    return x;\n}\nint h(void)\n{\n    return send(1);\n}\n", None),
    ("src/storage/text.c", SPDX + 'const char *t = "sprintf(x) fsync(1)";\n', None),
    ("src/storage/method.c", SPDX + "int f(struct a *a)\n{\n    return a->open(1);\n}\n", None),
    ("src/base/up.c", SPDX + '#include "io/loop.h"\n', 'up.c:2: base may not include "io/loop.h"'),
    ("src/io/gen.c", SPDX + '#include "produce.h"\n', "generated for wire"),
    ("src/storage/lost.c", SPDX + '#include "nothing.h"\n', "neither"),
    ("src/attic/a.c", SPDX + "int x;\n", "no room"),
    ("src/storage/copy.c", SPDX + "void f(char *a, char *b)\n{\n    strcpy(a, b);\n}\n", "copy.c:4: strcpy()"),
    ("src/storage/take.c", SPDX + "void *f(void)\n{\n    return malloc(1);\n}\n", "take.c:4: malloc()"),
    ("src/storage/sync.c", SPDX + "int f(int x)\n{\n    return fdatasync(x);\n}\n", "only io touches the system"),
    ("src/wire/clock.c", SPDX + "long f(void)\n{\n    return time(0);\n}\n", "only io touches the system"),
    ("src/storage/thread.c", SPDX + "void f(void)\n{\n    pthread_create(0, 0, 0, 0);\n}\n", "pthread_create()"),
    ("src/wire/print.c", SPDX + 'void f(void)\n{\n    printf("x");\n}\n', "whoever decides reports"),
    ("src/storage/util.c", SPDX + "int x;\n", "says nothing"),
    ("tests/helpers/a.c", SPDX + "int x;\n", "says nothing"),
    ("src/storage/bare.c", "int x;\n", "no SPDX"),
    ("src/storage/guard.h", SPDX + "#ifndef GUARD\n#define GUARD\n#endif\n", "#pragma once"),
    ("src/storage/later.c", SPDX + "/* TO" "DO: finish */\n", "names its issue"),
    ("src/storage/tracked.c", SPDX + "/* TO" "DO #12: finish */\n", None),
    ("src/storage/type.c", SPDX + "typedef struct a b;\n", "without typedef"),
]


def run(tidy, path, text):
    with tempfile.TemporaryDirectory() as root:
        for name, content in (("src/FLOORS", FLOORS), ("schemas/produce", ""), (path, text)):
            os.makedirs(os.path.join(root, os.path.dirname(name)), exist_ok=True)
            with open(os.path.join(root, name), "w", encoding="utf-8") as file:
                file.write(content)
        done = subprocess.run([sys.executable, tidy, "--notes", root], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout


def main():
    failed = 0
    long_body = SPDX + "int f(void)\n{\n" + "    ;\n" * 71 + "}\n"
    for path, text, complaint in CASES + [("src/storage/long.c", long_body, None)]:
        code, output = run(sys.argv[1], path, text)
        good = code == 0 and output.endswith("1 passed, 0 failed\n") if complaint is None else code == 1 and complaint in output
        if path.endswith("long.c"):
            good = good and "f() has 71 lines" in output
        if not good:
            failed += 1
            print(f"{path}: wanted {complaint!r}, exit {code}:\n{output}")
    print(f"{len(CASES) + 1 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
