#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: franz.py [PATTERN]: the cases of franz-go (those whose name the pattern finds) against a broker, then a look by hand at what it
left there. Skipped where Go is older than its module asks."""
import os
import re
import subprocess
import sys

import content
import node

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "go")


def version(text):
    return tuple(int(part) for part in re.search(r"(\d+)\.(\d+)", text).groups())


def build():
    """The suite's program, or None where Go is too old."""
    with open(os.path.join(HERE, "go.mod"), encoding="utf-8") as file:
        needed = version(re.search(r"^go .*", file.read(), re.M).group(0))
    here = version(subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout)
    if here < needed:
        print(f"franz-go needs Go {needed}, here is {here}")
        return None
    program = os.path.join(node.BUILD, "clients", "franz")
    subprocess.run(["go", "build", "-o", program, "."], cwd=HERE, check=True, env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"})
    return program


def main():
    program = build()
    if program is None:
        print("0 passed, 0 failed, 1 skipped")
        return 0
    with node.Node().start() as broker:
        return content.run_program(broker, [program, broker.address, broker.directories[0]], "franz", sys.argv[1:2])


if __name__ == "__main__":
    sys.exit(main())
