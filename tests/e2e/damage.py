#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Directories as a person or a broken machine leaves them: a start deletes nothing, serves what is whole, and says what is not."""
import glob
import os
import re
import subprocess
import sys

import kafka_wire as wire
import node

STORAGE_ERROR = 56
UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAABQ"


def report(broker, name):
    """The one line of that name in all that the broker said in this start."""
    lines = [line for line in broker.said(10000).splitlines() if name in line]
    assert len(lines) == 1, f"{len(lines)} lines with {name}:\n{broker.said()}"
    return lines[0]


class Damage:
    def __init__(self):
        self.broker = node.Node(settings={"log.segment.bytes": "1048576"})
        self.broker.start()
        self.connection = self.broker.connect()
        for topic in ("mine", "whole", "torn"):
            self.connection.create_topic(topic, 1)
            wire.wait_for(lambda topic=topic: self.connection.list_offset(topic, 0, -1)[1] == 0, 20, "served")
        for i in range(40):
            self.append("torn", 100000)
        self.append("mine", 100)
        self.append("whole", 100)
        self.broker.stop()

    def append(self, topic, size):
        return self.connection.produce(topic, 0, wire.batch([(b"k", b"v" * size, [], 1700000000000)]))

    def path(self, *names):
        return os.path.join(self.broker.directories[0], *names)

    def restart(self):
        self.broker.stop()
        self.broker.start()
        self.connection = self.broker.connect()
        wire.wait_for(lambda: self.connection.list_offset("whole", 0, -1)[1] == 1, 20, "served again")

    def cli(self, *words, timeout=60):
        done = subprocess.run([node.STROM, *words, "--bootstrap-server", self.broker.address], capture_output=True, text=True,
                              timeout=timeout, check=False)
        return done.returncode, done.stdout, done.stderr

    def stray(self):
        """A directory of another topic id, and one that the metadata does not know, are renamed as Kafka does, and kept."""
        with open(self.path("mine-0", "partition.metadata"), "w", encoding="utf-8") as file:
            file.write(f"version: 0\ntopic_id: {UNKNOWN_ID}")
        lost = "n" * 240
        os.mkdir(self.path(f"{lost}-0"))
        with open(self.path(f"{lost}-0", "partition.metadata"), "w", encoding="utf-8") as file:
            file.write(f"version: 0\ntopic_id: {UNKNOWN_ID}")
        self.restart()
        names = [os.path.basename(path) for path in glob.glob(self.path("*-stray"))]
        assert len(names) == 2 and all(re.fullmatch(r"(mine|n+)-0\.[0-9a-f]{32}-stray", name) and len(name) <= 255 for name in names), names
        kept = [name for name in names if name.startswith("mine")][0]
        assert os.path.getsize(self.path(kept, "0" * 20 + ".log")) > 100
        said = [line for line in self.broker.said(10000).splitlines() if "partition_is_stray" in line]
        assert len(said) == 2 and all(UNKNOWN_ID in line for line in said), said
        assert self.connection.list_offset("mine", 0, -1)[1] == 0, "the topic of the metadata begins anew"
        self.append("mine", 100)
        self.restart()
        assert self.connection.list_offset("mine", 0, -1)[1] == 1
        assert os.path.isdir(self.path(kept)), "kept by the next start, too"


def main():
    damage = Damage()
    try:
        steps = ("stray",)
        return node.run([(f"damage {step}", getattr(damage, step)) for step in steps], damage.broker)
    finally:
        damage.broker.close()


if __name__ == "__main__":
    sys.exit(main())
