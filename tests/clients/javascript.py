#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: javascript.py [PATTERN]: the cases of kafkajs (those whose name the pattern finds) against a broker, then a look by hand at what
it left there."""
import filecmp
import os
import shutil
import subprocess
import sys

import content
import kafka_wire
import node

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "js")


def program(script):
    """The command that runs a script of ours. The packages that package-lock.json names are fetched once."""
    folder, wanted = os.path.join(node.BUILD, "clients", "js"), os.path.join(HERE, "package-lock.json")
    there = os.path.join(folder, "fetched-lock.json")
    if not os.path.exists(there) or not filecmp.cmp(there, wanted, shallow=False):
        os.makedirs(folder, exist_ok=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(HERE, file), folder)
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
        shutil.copy(wanted, there)
    return ["env", f"NODE_PATH={os.path.join(folder, 'node_modules')}", "node", os.path.join(HERE, script)]


def arrange(headers):
    """The client sends no header without a value, and those of one name together."""
    names = [name for name, _ in headers]
    return sorted((one for one in headers if one[1] is not None), key=lambda one: names.index(one[0]))


def main():
    command = program("main.js")
    with node.Node(settings=content.QUICK_GROUPS).start() as broker:
        return content.run_program(broker, [*command, broker.address, broker.directories[0]], "kafkajs", sys.argv[1:2],
                                   codecs=(kafka_wire.NONE, kafka_wire.GZIP, kafka_wire.SNAPPY), arrange=arrange)


if __name__ == "__main__":
    sys.exit(main())
