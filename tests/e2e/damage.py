#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Directories that the metadata does not give to this node: a start deletes nothing, and says what it sets aside."""
import glob
import os
import re
import sys

import kafka_wire as wire
import node

UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAABQ"


class Damage:
    def __init__(self):
        self.broker = node.Node()
        self.broker.start()
        self.connection = self.broker.connect()
        for topic in ("mine", "whole"):
            self.connection.create_topic(topic, 1)
            wire.wait_for(lambda topic=topic: self.connection.list_offset(topic, 0, -1)[1] == 0, 20, "served")
        self.append("mine")
        self.append("whole")
        self.broker.stop()

    def append(self, topic):
        return self.connection.produce(topic, 0, wire.batch([(b"k", b"v" * 100, [], 1700000000000)]))

    def path(self, *names):
        return os.path.join(self.broker.directories[0], *names)

    def restart(self):
        self.broker.stop()
        self.broker.start()
        self.connection = self.broker.connect()
        wire.wait_for(lambda: self.connection.list_offset("whole", 0, -1)[1] == 1, 20, "served again")

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
        self.append("mine")
        self.restart()
        assert self.connection.list_offset("mine", 0, -1)[1] == 1
        assert os.path.isdir(self.path(kept)), "kept by the next start, too"


def main():
    damage = Damage()
    try:
        return node.run([("damage stray", damage.stray)], damage.broker)
    finally:
        damage.broker.close()


if __name__ == "__main__":
    sys.exit(main())
