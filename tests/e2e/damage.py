#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that are not what was written. Directories that the metadata does not give to this node: a start deletes nothing, and says what it
sets aside. A log that rots while it is served goes offline, and says so; the others are served."""
import glob
import os
import re
import shutil
import subprocess
import sys

import kafka_wire as wire
import node

UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAABQ"
STORAGE_ERROR, BATCHES, MAGIC_AT, EPOCH = 56, 200, 16, 1700000000000


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

    def append(self, topic, partition=0, time=0):
        return self.connection.produce(topic, partition, wire.batch([(b"k", b"v" * 100, [], EPOCH + time)]))

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
        os.unlink(self.path("whole-0", "partition.metadata"))     # its name tells whose it is: restart() reads its record
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
        self.connection.create_topic(lost, 1)
        wire.wait_for(lambda: self.connection.list_offset(lost, 0, -1)[1] == 0, 20, "a topic of that name begins beside what was set aside")
        assert len(glob.glob(self.path("*-stray"))) == 2

    def flip(self, path, position):
        with open(path, "r+b") as file:
            file.seek(position)
            byte = file.read(1)
            file.seek(position)
            file.write(bytes([byte[0] ^ 8]))

    def refused(self, what):
        try:
            what()
        except wire.KafkaError as error:
            assert error.code == STORAGE_ERROR, error
            return
        raise AssertionError("served from a damaged log")

    def seen(self, leader, offline):
        """Metadata tell it of the first partition, and that the other is well."""
        def told():
            topic = self.connection.metadata(["rotten"])["topics"]["rotten"]
            first, second = sorted(topic["partitions"], key=lambda p: p["index"])
            assert second["leader"] == 1 and not second["offline"], second
            return first["leader"] == leader and first["offline"] == offline
        wire.wait_for(told, 20, f"the metadata show leader {leader}")

    def said_of_rot(self):
        return [line for line in self.broker.said(100000).splitlines() if "partition_damaged" in line]

    def rot(self):
        """Damage that a read meets: one report with file and position, the partition is offline, the other is served."""
        self.connection.create_topic("rotten", 2)
        for p in (0, 1):
            wire.wait_for(lambda p=p: self.connection.list_offset("rotten", p, -1)[1] == 0, 20, "served")
            for time in range(BATCHES):
                self.append("rotten", p, time)
        file = self.path("rotten-0", "0" * 20 + ".log")
        size = os.path.getsize(file) // BATCHES
        self.broker.stop()
        self.flip(file, size * 50 + MAGIC_AT)
        self.restart()
        assert self.connection.fetch("rotten", 0, 10, max_bytes=size)[0] == 0, "what is whole is served until the damage is met"
        done = subprocess.run([node.STROM, "consume", "rotten", "-p", "0", "--from", "beginning", "--until-end", "-f", "%o\n", "-b",
                               self.broker.address], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1 and "KAFKA_STORAGE_ERROR" in done.stderr, (done.returncode, done.stderr)
        assert done.stdout.split() == [str(i) for i in range(50)], done.stdout[-100:]
        assert self.connection.fetch("rotten", 0, 10)[0] == STORAGE_ERROR
        self.seen(-1, [1])
        self.refused(lambda: self.append("rotten"))
        self.refused(lambda: self.connection.list_offset("rotten", 0, -1))
        said = self.said_of_rot()
        assert len(said) == 1 and file in said[0] and f"position={size * 50}" in said[0], said
        assert sum(b.count for b in self.connection.read("rotten", 1)) == BATCHES
        assert self.append("rotten", 1) == BATCHES

    def rot_by_time(self):
        """The same, met by a search for a time."""
        self.restart()
        self.seen(1, [])
        self.refused(lambda: self.connection.list_offset("rotten", 0, EPOCH + 50))
        assert len(self.said_of_rot()) == 1
        self.seen(-1, [1])

    def restored(self):
        """With the file as it was, all of it is served again."""
        self.broker.stop()
        file = self.path("rotten-0", "0" * 20 + ".log")
        self.flip(file, os.path.getsize(file) // BATCHES * 50 + MAGIC_AT)
        self.restart()
        self.seen(1, [])
        assert sum(b.count for b in self.connection.read("rotten", 0)) == BATCHES
        assert self.append("rotten") == BATCHES
        assert not self.said_of_rot()

    def stray_of_old(self):
        """What a checkpoint file says of a log that is set aside must not judge a new log of its name."""
        recovery, folder = self.path("recovery-point-offset-checkpoint"), self.path("again-0")
        self.connection.create_topic("again", 1)
        wire.wait_for(lambda: self.connection.list_offset("again", 0, -1)[1] == 0, 20, "served")
        for _ in range(BATCHES):
            self.append("again")
        self.broker.stop()
        shutil.copytree(folder, folder + ".kept")
        shutil.copy(recovery, recovery + ".kept")
        self.restart()
        self.connection.delete_topic("again")
        self.broker.stop()
        os.rename(folder + ".kept", folder)
        os.rename(recovery + ".kept", recovery)
        self.restart()
        self.connection.create_topic("again", 1)
        wire.wait_for(lambda: self.connection.list_offset("again", 0, -1)[1] == 0, 20, "served")
        self.append("again")
        self.broker.kill()
        self.restart()
        assert self.connection.list_offset("again", 0, -1)[1] == 1

    def cut(self):
        """A log that is shorter than it was at the stop: nothing of it is served, until the file is restored."""
        self.broker.stop()
        file = self.path("rotten-0", "0" * 20 + ".log")
        with open(file, "rb") as whole:
            kept = whole.read()
        os.truncate(file, len(kept) // 2)
        for _ in range(2):
            self.restart()
            self.seen(-1, [1])
            self.refused(lambda: self.append("rotten"))
            said = [line for line in self.broker.said(100000).splitlines() if "log_damaged" in line]
            assert len(said) == 1 and file in said[0], said
            assert os.path.getsize(file) == len(kept) // 2
        self.broker.stop()
        with open(file, "wb") as whole:
            whole.write(kept)
        self.restart()
        self.seen(1, [])
        assert sum(b.count for b in self.connection.read("rotten", 0)) == BATCHES + 1


def moved():
    """A partition that was moved by hand to the node's other directory is served from there, and the metadata follow."""
    with node.Node() as broker:
        broker.directories = [os.path.join(broker.folder, name) for name in ("one", "two")]
        broker.start()
        connection = broker.connect()
        connection.create_topic("walker", 1)
        wire.wait_for(lambda: connection.list_offset("walker", 0, -1)[1] == 0, 20, "served")
        for _ in range(3):
            connection.produce("walker", 0, wire.batch([(b"k", b"v", [], EPOCH)]))
        for round_count in (3, 4, 5):
            broker.stop()
            here, there = sorted(broker.directories, key=lambda path: not os.path.isdir(os.path.join(path, "walker-0")))
            os.rename(os.path.join(here, "walker-0"), os.path.join(there, "walker-0"))
            broker.start()
            connection = broker.connect()
            wire.wait_for(lambda: connection.metadata(["walker"])["topics"]["walker"]["partitions"][0]["leader"] == 1, 20, "led")
            assert connection.list_offset("walker", 0, -1)[1] == round_count
            assert connection.produce("walker", 0, wire.batch([(b"k", b"v", [], EPOCH)])) == round_count
            assert not os.path.exists(os.path.join(here, "walker-0"))
        broker.stop()


def main():
    damage = Damage()
    try:
        steps = [("damage " + name.replace("_", " "), getattr(damage, name)) for name in ("stray", "stray_of_old", "rot", "rot_by_time", "restored", "cut")]
        return node.run(steps + [("damage moved", moved)], damage.broker)
    finally:
        damage.broker.close()


if __name__ == "__main__":
    sys.exit(main())
