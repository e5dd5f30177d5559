#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real disks that fail: one of two log directories is full, then lost. What lies on the other is served all along. Needs root, since each
directory is a small ext4 of its own."""
import os
import shutil
import sys
import tempfile
import time

import kafka_wire as wire
import node
import power

STORAGE_ERROR = 56


class Faults:
    def __init__(self, folder):
        self.disks = []
        for name in ("one", "two"):
            os.mkdir(os.path.join(folder, name))
            self.disks.append(power.Disk(os.path.join(folder, name), size=64 << 20))
            self.disks[-1].mount()
        self.broker = node.Node(directories=[os.path.join(disk.mount_point, "data") for disk in self.disks],
                                settings={"log.segment.bytes": "1048576"})
        self.broker.start()
        self.connection = self.broker.connect()
        self.connection.create_topic("spread", 6)
        for p in range(6):
            wire.wait_for(lambda p=p: self.connection.list_offset("spread", p, -1), 20, "served")
            self.connection.produce("spread", p, wire.batch([(b"k", b"v" * 100, [], 1700000000000)]))
        second = self.broker.directories[1]
        self.on_second = [p for p in range(6) if os.path.isdir(os.path.join(second, f"spread-{p}"))]
        self.on_first = [p for p in range(6) if p not in self.on_second]
        self.kept = {p: 1 for p in range(6)}

    def spreads(self):
        assert self.on_first and self.on_second, (self.on_first, self.on_second)

    def readable(self, partitions):
        for p in partitions:
            found = sum(b.count for b in self.connection.read("spread", p))
            assert found == self.kept[p], f"spread-{p}: {found} records, not {self.kept[p]}"

    def full(self):
        """Appends to the full directory are refused, reading goes on, and when there is room again so do appends."""
        filler = os.path.join(self.disks[1].mount_point, "filler")
        free = shutil.disk_usage(self.disks[1].mount_point).free
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(0, free - (2 << 20)))
        p, refused = self.on_second[0], False
        for _ in range(200):
            try:
                self.connection.produce("spread", p, wire.batch([(b"k", os.urandom(100000), [], 1700000000000)]))
                self.kept[p] += 1
            except wire.KafkaError as error:
                assert error.code == STORAGE_ERROR, error
                refused = True
                break
        assert refused, "20 MB went into 2"
        self.readable(range(6))
        self.connection.produce("spread", self.on_first[0], wire.batch([(b"k", b"v", [], 1700000000000)]))
        self.kept[self.on_first[0]] += 1
        os.unlink(filler)

        def again():
            self.connection.produce("spread", p, wire.batch([(b"k", b"v", [], 1700000000000)]))
            return True
        wire.wait_for(again, 20, "room again")
        self.kept[p] += 1
        self.readable(range(6))

    def lost(self):
        """A directory that fails goes offline; its partitions say so, the others are served."""
        self.disks[1].cut_power()
        for p in self.on_second:
            try:
                self.connection.produce("spread", p, wire.batch([(b"k", b"v", [], 1700000000000)]))
                raise AssertionError(f"spread-{p}: acknowledged on a lost disk")
            except wire.KafkaError as error:
                assert error.code in (STORAGE_ERROR, 6), error
        for p in self.on_first:
            self.connection.produce("spread", p, wire.batch([(b"k", b"v", [], 1700000000000)]))
            self.kept[p] += 1
        self.readable(self.on_first)

        def told():
            found = {p["index"]: p for p in self.connection.metadata(["spread"])["topics"]["spread"]["partitions"]}
            return all(found[p]["leader"] == -1 and found[p]["offline"] == [1] for p in self.on_second) and \
                all(found[p]["leader"] == 1 for p in self.on_first)
        wire.wait_for(told, 20, "Metadata tells which partitions are offline")
        first, second = (self.connection.log_dirs()[directory] for directory in self.broker.directories)
        assert first[0] == 0 and {place for place in first[1] if place[0] == "spread"} == {("spread", p) for p in self.on_first}, first
        assert second == (STORAGE_ERROR, {}, -1, -1), second
        try:
            self.connection.delete_records("spread", self.on_second[0], 1)
            raise AssertionError("deleted on a lost disk")
        except wire.KafkaError as error:
            assert error.code in (STORAGE_ERROR, 6), error
        assert self.connection.delete_records("spread", self.on_first[1], 1) == 1
        self.kept[self.on_first[1]] -= 1
        assert self.broker.process.poll() is None, "the node lives on with the directory that is left"

    def returns(self):
        """After a stop and with the disk back, everything acknowledged is there."""
        self.broker.stop()
        self.disks[1].unmount()
        self.disks[1].mount()
        self.broker.start()
        self.connection = self.broker.connect()
        for p in range(6):
            wire.wait_for(lambda p=p: self.connection.list_offset("spread", p, -1), 20, f"spread-{p} is served again")
        self.readable(range(6))
        self.broker.stop()

    def close(self):
        self.broker.close()
        for disk in self.disks:
            disk.unmount()


def main():
    if os.geteuid() != 0:
        print("needs root to mount\n0 passed, 0 failed, 1 skipped")
        return 0
    folder = tempfile.mkdtemp(prefix="strom-disks-")
    faults = None
    try:
        faults = Faults(folder)
        return node.run([(f"disk {step}", getattr(faults, step)) for step in ("spreads", "full", "lost", "returns")], faults.broker)
    finally:
        if faults:
            faults.close()
        time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
