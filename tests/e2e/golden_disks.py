#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Data directories written by Apache Kafka 4.4.0 (tests/golden/disks): opened, recovered, read, compared with what Kafka itself
said of them, continued, and read again after a restart. With arguments: only these archives."""
import base64
import hashlib
import json
import lzma
import os
import subprocess
import sys
import time

import kafka_wire as wire
import node

DISKS = os.path.join(node.ROOT, "tests", "golden", "disks")
NAMES = ["clean", "killed", "torn", "trimmed"]
ABSENT = ("sasl", "listener", "advertised", "delegation", "authorizer", "super.users", "allow.everyone", "controller.quorum", "inter.broker",
          "controller.listener", "log.dirs", "process.roles", "node.id")


def settings():
    """The configuration that the directories were written with, less listeners and what belongs to security."""
    found = {"log.cleaner.enable": "false"}
    with open(os.path.join(DISKS, "server.properties"), encoding="utf-8") as file:
        for line in file:
            key, _, value = line.strip().partition("=")
            if value and not key.startswith("#") and not key.startswith(ABSENT):
                found[key] = value
    return found


def unpacked(name, folder):
    subprocess.run(["tar", "xJf", os.path.join(DISKS, f"{name}.tar.xz"), "-C", folder], check=True)
    return [os.path.join(folder, "disk1"), os.path.join(folder, "disk2")]


def expected(name):
    with lzma.open(os.path.join(DISKS, f"{name}.expected.json.xz"), "rt", encoding="utf-8") as file:
        return json.load(file)


def shown(data):
    return None if data is None else base64.b64encode(data).decode()


def as_expected(batch, record):
    """A record as expected.json writes it."""
    offset, at, key, value, headers = record
    out = {"o": offset, "ts": at, "le": batch.epoch, "k": shown(key)}
    if batch.log_append:
        out["tt"] = "LogAppendTime"
    if value is not None and len(value) > 1500:
        out["v_len"], out["v_sha256"] = len(value), hashlib.sha256(value).hexdigest()
    else:
        out["v"] = shown(value)
    if headers:
        out["h"] = [[name, shown(content)] for name, content in headers]
    return out


class Disk:
    def __init__(self, name):
        self.name, self.wanted = name, expected(name)
        self.broker = node.Node(settings=settings())
        self.broker.directories = unpacked(name, self.broker.folder)
        self.connection = None

    def user_topics(self):
        return {name: topic for name, topic in self.wanted["topics"].items() if not topic["internal"]}

    def partitions(self):
        for name, topic in self.user_topics().items():
            for index, partition in topic["partitions"].items():
                yield name, int(index), partition

    def opens(self):
        self.broker.start(timeout=60)
        self.connection = self.broker.connect()
        for name, index, _ in self.partitions():
            wire.wait_for(lambda n=name, i=index: self.connection.list_offset(n, i, -1), 30, f"{name}-{index} is served")

    def cluster(self):
        found = self.connection.metadata()
        assert found["cluster"] == self.wanted["cluster"]["cluster_id"], found["cluster"]
        ids = self.connection.topic_ids()
        wanted = {name: (topic["id"], topic["internal"]) for name, topic in self.wanted["topics"].items()}
        assert ids == wanted, {k: (ids.get(k), wanted.get(k)) for k in set(ids) | set(wanted) if ids.get(k) != wanted.get(k)}
        features = self.connection.features()
        assert features == self.wanted["cluster"]["finalized_features"], features
        for name, topic in self.wanted["topics"].items():
            got = {p["index"]: p for p in found["topics"][name]["partitions"]}
            for index, partition in topic["partitions"].items():
                one = got[int(index)]
                for field in ("leader", "replicas", "isr"):
                    assert one[field] == partition[field], f"{name}-{index} {field}: {one[field]}, not {partition[field]}"
                assert one["epoch"] <= partition["leader_epoch"] + 2, f"{name}-{index} leader epoch {one['epoch']}"
            assert len(got) == len(topic["partitions"]), name

    def positions(self):
        for name, index, partition in self.partitions():
            start = self.connection.list_offset(name, index, -2)[1]
            code, high, stable, log_start, _, _ = self.connection.fetch(name, index, start, max_bytes=1)
            got = {"log_start": log_start, "high_watermark": high, "last_stable_offset": stable}
            wanted = {key: partition[key] for key in got}
            assert code == 0 and got == wanted, f"{name}-{index}: {got}, not {wanted}"

    def times(self):
        """ListOffsets: earliest, latest, the largest timestamp, and by time."""
        for name, index, partition in self.partitions():
            offsets = partition["list_offsets"]
            asked = {"-2": offsets["earliest"], "-1": offsets["latest"], "-3": offsets["max_timestamp"], **offsets["for_timestamp"]}
            for timestamp, wanted in asked.items():
                at, offset, epoch = self.connection.list_offset(name, index, int(timestamp))
                assert (at, offset) == (wanted["timestamp"], wanted["offset"]), f"{name}-{index} at {timestamp}: {offset} {at}, not {wanted}"
                if timestamp != "-1" and wanted["leader_epoch"] is not None:
                    assert epoch == wanted["leader_epoch"], f"{name}-{index} at {timestamp}: epoch {epoch}, not {wanted}"

    def producers(self):
        """DescribeProducers: sequences, epochs, the coordinator's epoch, the start of an open transaction. Kafka forgets at its start, we at
        the next look, who wrote records that are older than a producer is kept for."""
        oldest = (time.time() - 86400 * 365) * 1000
        number = lambda value: -1 if value is None else value
        for name, index, partition in self.partitions():
            wanted = sorted((p["pid"], p["epoch"], number(p["last_seq"]), p["last_ts"], number(p["coordinator_epoch"]), number(p["txn_start"]))
                            for p in partition["producers"])
            got = sorted(one for one in self.connection.describe_producers(name, index) if one[3] > oldest)
            assert got == wanted, f"{name}-{index}: {got}, not {wanted}"

    def directories(self):
        """DescribeLogDirs: where each partition lies and how large it is. The half-done move of one is finished first."""
        self.finishes_move()
        found = self.connection.log_dirs()
        for path in self.broker.directories:
            code, sizes, total, usable = found[path]
            assert code == 0 and total >= usable > 0, (path, code, total, usable)
            counts = lambda topic: not self.wanted["topics"][topic]["internal"]
            replicas = self.wanted["log_dirs"][os.path.basename(path)]["replicas"]
            wanted = {(name, int(index)): replicas[f"{name}-{index}"]["size"] for name, index in (one.rsplit("-", 1) for one in replicas) if counts(name)}
            got = {place: size for place, size in sizes.items() if counts(place[0])}
            assert got == wanted, {place: (got.get(place), wanted.get(place)) for place in set(got) | set(wanted) if got.get(place) != wanted.get(place)}

    def finishes_move(self):
        """Kafka left it throttled, and the throttle is among the settings of the brokers."""
        key = "replica.alter.log.dirs.io.max.bytes.per.second"
        if "moving" not in self.wanted["topics"]:
            return
        self.connection.set_configs(4, "1", {key: None})
        where = lambda: [path for path, found in self.connection.log_dir_replicas().items() if ("moving", 0) in found]
        wire.wait_for(lambda: len(where()) == 1, 60, "the move is finished")

    def records(self):
        for name, index, partition in self.partitions():
            start = partition["log_start"]
            got = [as_expected(b, r) for b in self.connection.read(name, index, start) if not b.control for r in b.records() if r[0] >= start]
            committed = {r[0] for b in self.connection.read_committed(name, index, start) for r in b.records()}
            for one in got:
                if one["o"] not in committed:
                    one["rc"] = False
            wanted = partition["records"]
            if got != wanted:
                pair = next(((g, w) for g, w in zip(got, wanted) if g != w), None)
                raise AssertionError(f"{name}-{index}: {len(got)} records, not {len(wanted)}; first difference {pair}")

    def continued(self):
        """New records go on where the old ones end, in every codec, and both are there after a stop and a kill."""
        self.added = {}
        for turn, end in enumerate((self.broker.stop, self.broker.kill)):
            for number, (name, index, partition) in enumerate(self.partitions()):
                codec, at = (number + turn) % 5, int(time.time() * 1000)
                if name in ("ts-edge", "logappend", "moving") or partition["last_stable_offset"] != partition["high_watermark"]:
                    continue
                base = self.connection.produce(name, index, wire.batch([(b"new", b"%d" % number, [("turn", b"%d" % turn)], at)] * 3, codec))
                assert base == partition["high_watermark"] + 3 * turn, f"{name}-{index}: {base} after {partition['high_watermark']}"
                self.added[name, index] = 3 * (turn + 1)
            end()
            self.opens()
            for name, index, partition in self.partitions():
                high = partition["high_watermark"] + self.added.get((name, index), 0)
                start = partition["log_start"]
                found = self.connection.read(name, index, start)
                records = [r for b in found if not b.control for r in b.records() if r[0] >= start]
                assert all(b.whole() for b in found), f"{name}-{index}: damaged batches"
                old = [r["o"] for r in partition["records"]]
                assert [r[0] for r in records] == old + list(range(partition["high_watermark"], high)), f"{name}-{index}: {len(records)} records"
        self.internal_untouched()

    def internal_untouched(self):
        """What is not served yet stays on the disk as it was (in full where the broker leaves it alone)."""
        if self.broker.kind == "kafka":
            return
        for path, file in self.wanted["disk_files"].items():
            if path.endswith(".log") and ("/__consumer_offsets-" in path or "/__transaction_state-" in path or "/__share_group_state-" in path):
                with open(os.path.join(self.broker.folder, path), "rb") as content:
                    assert hashlib.sha256(content.read()).hexdigest() == file["sha256"], f"{path} changed"

    def stopped(self):
        self.broker.stop()
        for directory in self.broker.directories:
            assert os.path.exists(os.path.join(directory, ".kafka_cleanshutdown")), directory


def main():
    failed = passed = 0
    for name in sys.argv[1:] or NAMES:
        disk = Disk(name)
        with disk.broker:
            steps = ("opens", "cluster", "positions", "times", "producers", "directories", "records", "continued", "stopped")
            checks = []
            for step in steps:
                checks.append((f"{name} {step}", getattr(disk, step)))
            print(f"-- {name}")
            bad = node.run_quiet(checks, disk.broker)
            failed, passed = failed + bad, passed + len(checks) - bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
