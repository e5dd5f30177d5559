#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetches what the client suites need, once, below build/clients: class paths from Maven Central, a virtual environment with the clients
from PyPI, the packages from npm, the programs of the Go clients."""
import os
import subprocess
import sys

import golang
import java
import javascript
import node

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    venv = os.path.join(node.BUILD, "clients", "venv")
    if not os.path.exists(os.path.join(venv, "lib")):
        os.makedirs(os.path.dirname(venv), exist_ok=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True)
    subprocess.run([os.path.join(venv, "bin", "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r",
                    os.path.join(HERE, "requirements.txt")], check=True)
    java.classpath()
    node.kafka_classpath()
    node.tools_classpath()
    javascript.program("")
    for client in golang.CLIENTS:
        golang.build(client)
    return 0


if __name__ == "__main__":
    sys.exit(main())
