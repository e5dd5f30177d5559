#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: java.py [PATTERN]: the cases of the stock Java client (those whose name the pattern finds) against a broker, then a look by
hand at what it left there."""
import glob
import os
import subprocess
import sys

import content
import kafka_wire
import node

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "java")


def classpath():
    """The client, what it needs, and the compiled cases; compiled anew when a source is newer."""
    path = node.classpath("java", "clients/java/pom.xml")
    folder = os.path.join(node.BUILD, "clients", "java-cases")
    sources = glob.glob(os.path.join(HERE, "src", "*.java"))
    main = os.path.join(folder, "Main.class")
    if not os.path.exists(main) or os.path.getmtime(main) < max(map(os.path.getmtime, sources)):
        subprocess.run(["javac", "-Xlint:all", "-cp", path, "-d", folder, *sources], check=True)
    return f"{folder}:{path}"


def main():
    pattern = sys.argv[1:2]
    path = classpath()
    with node.Node().start() as broker:
        command = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", path, "Main", broker.address, broker.directories[0], *pattern]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        print(*done.stdout.splitlines()[:-1], sep="\n")
        print(done.stderr[-3000:])
        counts = (done.stdout.splitlines() or [""])[-1].split()
        passed, failed = (int(counts[0]), int(counts[2])) if len(counts) == 4 else (0, 1)
        checks = [(f"stored by java {name}", lambda codec=codec, name=name: content.check_topic(broker, f"java-{name}", codec))
                  for codec, name in enumerate(kafka_wire.CODECS) if not pattern]
        checks.append(("stop", broker.stop))
        bad = node.run_quiet(checks, broker)
        print(f"{passed + len(checks) - bad} passed, {failed + bad} failed")
        return 1 if failed + bad else 0


if __name__ == "__main__":
    sys.exit(main())
