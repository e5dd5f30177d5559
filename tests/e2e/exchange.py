#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Directories change hands: what Strom wrote, or continued, is read by Kafka's DumpLogSegments without complaint and served by Apache
Kafka 4.4.0 with the same records; and Strom takes it back. Needs Java; one Kafka at a time."""
import os
import re
import shutil
import sys
import time

import golden_disks
import kafka_wire as wire
import logs
import node

COMPLAINTS = re.compile(r"isvalid: false|mismatch|not found in the log|out of order|corrupt|exception|invalid|Found \d+ invalid", re.I)


def dump(directories):
    """DumpLogSegments over every segment, index, snapshot and metadata file: its complaints."""
    files = {"log": [], "metadata": []}
    for directory in directories:
        for folder, _, names in os.walk(directory):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if folder.endswith("__cluster_metadata-0"):
                    if name.endswith((".log", ".checkpoint")):
                        files["metadata"].append(path)
                elif name.endswith((".log", ".index", ".timeindex", ".snapshot", ".txnindex")) and re.search(r"-\d+$", folder):
                    if os.path.getsize(path):
                        files["log"].append(path)
    found = []
    for kind, paths in files.items():
        options = ["--cluster-metadata-decoder"] if kind == "metadata" else ["--deep-iteration", "--print-data-log"]
        code, out = node.kafka_tool("org.apache.kafka.tools.DumpLogSegments", *options, "--files", ",".join(paths))
        lines = [line for line in out.splitlines() if COMPLAINTS.search(line) and "payload:" not in line]
        if code:
            found.append(f"DumpLogSegments ended with {code}: {out[-2000:]}")
        found += lines[:20]
        print(f"      DumpLogSegments: {len(paths)} {kind} files, {len(out.splitlines())} lines, {len(lines)} complaints")
    return found


def contents(broker, partitions):
    """{(topic, partition): (log start, end, batches as they stand)} with positions from ListOffsets"""
    connection, out = broker.connect(), {}
    for name, index in partitions:
        wire.wait_for(lambda n=name, i=index: connection.list_offset(n, i, -1), 60, f"{name}-{index} is served")
        start, end = connection.list_offset(name, index, -2)[1], connection.list_offset(name, index, -1)[1]
        out[name, index] = (start, end, [batch.data for batch in connection.read(name, index, start)])
    connection.close()
    return out


def same(before, after):
    for key, wanted in before.items():
        got = after[key]
        assert got[:2] == wanted[:2], f"{key}: offsets {got[:2]}, not {wanted[:2]}"
        assert got[2] == wanted[2], f"{key}: {len(got[2])} batches, not {len(wanted[2])}, or other bytes"


def notices_damage(directory):
    """DumpLogSegments, as it is read here, would say so: one bit of a copy is turned."""
    folder = os.path.join(directory, "..", "damaged", "damaged-0")
    os.makedirs(folder)
    with open(os.path.join(directory, "plain-0", "00000000000000000000.log"), "rb") as file:
        data = bytearray(file.read())
    data[len(data) // 2] ^= 1
    with open(os.path.join(folder, "00000000000000000000.log"), "wb") as file:
        file.write(data)
    assert dump([os.path.dirname(folder)]), "a turned bit was not noticed"
    shutil.rmtree(folder)


class Exchange:
    def __init__(self, ours, partitions):
        self.ours, self.partitions = ours, partitions
        self.theirs = node.Node("kafka", settings=ours.settings, directories=ours.directories, folder=ours.folder)
        self.theirs.port, self.theirs.controller_port = ours.port, ours.controller_port

    def ours_to_kafka(self):
        before = contents(self.ours, self.partitions)
        ids = self.ours.connect().topic_ids()
        self.ours.stop()
        complaints = logs.check(self.ours.directories) if not self.compacted() else []
        assert not complaints, "\n".join(complaints[:20])
        complaints = dump(self.ours.directories)
        assert not complaints, "\n".join(complaints[:20])
        self.theirs.start()
        same(before, contents(self.theirs, self.partitions))
        found = self.theirs.connect().topic_ids()
        assert {name: one for name, one in found.items() if not one[1]} == {name: one for name, one in ids.items() if not one[1]}, found

    def compacted(self):
        return any(name.startswith("compacted") for name, _ in self.partitions)

    def kafka_continues(self):
        connection = self.theirs.connect()
        for number, (name, index) in enumerate(self.partitions):
            if name not in ("ts-edge", "logappend", "strict"):
                connection.produce(name, index, wire.batch([(b"theirs", b"%d" % number, [], int(time.time() * 1000))] * 2, number % 5))
        connection.create_topic("made-by-kafka", 2)
        connection.delete_topic("leaves") if any(name == "leaves" for name, _ in self.partitions) else None
        self.partitions = [one for one in self.partitions if one[0] != "leaves"]
        before = contents(self.theirs, self.partitions)
        self.theirs.stop()
        self.ours.start()
        same(before, contents(self.ours, self.partitions))
        topics = self.ours.connect().metadata()["topics"]
        assert "made-by-kafka" in topics and "leaves" not in topics, sorted(topics)

    def killed_to_kafka(self):
        """Kafka recovers what we leave at a kill -9."""
        connection = self.ours.connect()
        for number, (name, index) in enumerate(self.partitions):
            if name not in ("ts-edge", "logappend"):
                connection.produce(name, index, wire.batch([(b"ours", b"%d" % number, [], int(time.time() * 1000))] * 2, number % 5))
        before = contents(self.ours, self.partitions)
        self.ours.kill()
        self.theirs.start()
        same(before, contents(self.theirs, self.partitions))
        self.theirs.stop()


def written(broker):
    """Topics of all kinds, written by the broker: every codec, several segments, idempotent, topic settings, a deleted one."""
    broker.start()
    connection = broker.connect()
    topics = {"plain": (3, {}), "small": (1, {"segment.bytes": "1048576", "index.interval.bytes": "1024"}), "stamped": (1, {"message.timestamp.type": "LogAppendTime"}),
              "packed": (1, {"compression.type": "lz4"}), "keyed": (1, {"cleanup.policy": "compact"}), "leaves": (1, {}), "empty": (2, {}), "gone": (2, {})}
    for name, (count, configs) in topics.items():
        connection.create_topic(name, count, configs)
        for p in range(count):
            wire.wait_for(lambda n=name, p=p: connection.list_offset(n, p, -1), 30, f"{name}-{p} is served")
    now = int(time.time() * 1000)
    for turn in range(40):
        for p in range(3):
            records = [(b"k%d" % i, os.urandom(10) * 20, [("h", b"x")], now + turn * 10 + i) for i in range(20)]
            connection.produce("plain", p, wire.batch(records, turn % 5, pid=4000 + p, pepoch=0, seq=turn * 20))
        for name in ("stamped", "packed", "keyed", "gone", "leaves"):
            connection.produce(name, 0, wire.batch([(b"k%d" % turn, b"v" * 100, [], now + turn)], turn % 5))
        connection.produce("small", 0, wire.batch([(b"k", os.urandom(90000), [], now + turn)]))
    connection.delete_topic("gone")
    return [(name, p) for name, (count, _) in topics.items() if name != "gone" for p in range(count)]


def main():
    passed = failed = 0
    for title, make in (("written", node.Node), ("golden clean", lambda: golden_disks.Disk("clean").broker)):
        with make() as ours:
            if title == "written":
                partitions = written(ours)
            else:
                ours.start(timeout=60)
                disk = golden_disks.expected("clean")
                partitions = [(n, int(p)) for n, t in disk["topics"].items() if not t["internal"] for p in t["partitions"]]
            exchange = Exchange(ours, partitions)
            with exchange.theirs:
                steps = [(f"{title}: {step.replace('_', ' ')}", getattr(exchange, step))
                         for step in ("ours_to_kafka", "kafka_continues", "killed_to_kafka")]
                if title == "written":
                    steps.append(("a turned bit is noticed", lambda folder=ours.directories[0]: notices_damage(folder)))
                bad = node.run_quiet(steps, ours)
            passed, failed = passed + len(steps) - bad, failed + bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
