#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetches what the client suites need, once, below build/clients: class paths from Maven Central, a virtual environment with
confluent-kafka from PyPI, the packages from npm, the programs of the Go clients."""
import os
import subprocess
import sys

import golang
import java
import javascript
import node


def main():
    folder = os.path.join(node.BUILD, "clients")
    os.makedirs(folder, exist_ok=True)
    venv = os.path.join(folder, "venv")
    if not os.path.exists(os.path.join(venv, "lib")) or subprocess.run([os.path.join(venv, "bin", "python"), "-c", "import confluent_kafka"],
                                                                      capture_output=True, check=False).returncode:
        subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True)
        subprocess.run([os.path.join(venv, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "confluent-kafka"], check=True)
    java.classpath()
    node.kafka_classpath()
    node.tools_classpath()
    javascript.program("")
    for client in golang.CLIENTS:
        golang.build(client)
    return 0


if __name__ == "__main__":
    sys.exit(main())
