#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: java.py [PATTERN]: the cases of the stock Java client (those whose name the pattern finds) against a broker, then a look by
hand at what it left there."""
import glob
import os
import subprocess
import sys

import content
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
    path = classpath()
    with node.Node().start() as broker:
        command = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", path, "Main", broker.address, broker.directories[0]]
        return content.run_program(broker, command, "java", sys.argv[1:2])


if __name__ == "__main__":
    sys.exit(main())
