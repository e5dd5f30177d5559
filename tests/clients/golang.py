#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: golang.py CLIENT [PATTERN]: the cases of a Go client (franz, sarama, kafka-go; those cases whose name the pattern finds) against a
broker, then a look by hand at what it left there. Skipped where Go is older than the module asks."""
import os
import re
import subprocess
import sys

import content
import node

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "go")
CLIENTS = ("franz", "sarama", "kafka-go")


def version(text):
    return tuple(int(part) for part in re.search(r"(\d+)\.(\d+)", text).groups())


def build(client):
    """The client's program, or None where Go is too old."""
    with open(os.path.join(HERE, "go.mod"), encoding="utf-8") as file:
        needed = version(re.search(r"^go .*", file.read(), re.M).group(0))
    here = version(subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout)
    if here < needed:
        print(f"the Go clients need Go {needed}, here is {here}")
        return None
    program = os.path.join(node.BUILD, "clients", client)
    subprocess.run(["go", "build", "-o", program, f"./{client}"], cwd=HERE, check=True,
                   env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"})
    return program


def main():
    client = sys.argv[1]
    program = build(client)
    if program is None:
        print("0 passed, 0 failed, 1 skipped")
        return 0
    with node.Node(settings=content.QUICK_GROUPS).start() as broker:
        return content.run_program(broker, [program, broker.address, broker.directories[0]], client, sys.argv[2:3],
                                   idempotent=client != "kafka-go")


if __name__ == "__main__":
    sys.exit(main())
