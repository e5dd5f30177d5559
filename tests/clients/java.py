#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Java client's suite against a broker, then a look at what it left there."""
import os
import subprocess
import sys

import content
import kafka_wire
import node

HERE = os.path.dirname(os.path.abspath(__file__))


def classpath():
    return node.classpath("java", "clients/java/pom.xml")


def main():
    with node.Node().start() as broker:
        done = subprocess.run(["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", classpath(), os.path.join(HERE, "java", "src", "Suite.java"),
                               broker.address], capture_output=True, text=True, timeout=300, check=False)
        print(*done.stdout.splitlines()[:-1], sep="\n")
        print(done.stderr[-3000:])
        counts = (done.stdout.splitlines() or [""])[-1].split()
        passed, failed = (int(counts[0]), int(counts[2])) if len(counts) == 4 else (0, 1)
        checks = [(f"stored by java {name}", lambda codec=codec, name=name: content.check_topic(broker, f"java-{name}", codec))
                  for codec, name in enumerate(kafka_wire.CODECS)]
        bad = node.run_quiet(checks + [("stop", broker.stop)], broker)
        passed, failed = passed + len(checks) + 1 - bad, failed + bad
        print(f"{passed} passed, {failed} failed")
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
