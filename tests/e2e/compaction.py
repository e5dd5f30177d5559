#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same history cleaned by Apache Kafka 4.4.0 and by us: the same segments, batches, records and aborted transactions are left, but
for the very time of a delete horizon. In rounds, so that what one cleaning left is cleaned again; once keeping tombstones and markers,
once with horizons that have passed by the next round. Needs Java. usage: compaction.py [SEED]"""
import os
import random
import shutil
import struct
import subprocess
import sys
import time

import kafka_wire as wire
import logs
import node

CLEAN_DIRECTORY = os.path.join(node.BUILD, "tests", "clean_directory")
SEGMENT_BYTES, ROUNDS = 20000, 3
TOPICS = {"kept": 10 * 365 * 86400000, "gone": 1}                 # and the time for which their tombstones are kept
SETTINGS = {"transaction.partition.verification.enable": "false", "log.cleaner.backoff.ms": "100", "log.retention.ms": "-1"}


class Producer:
    """One that writes by hand: id and epoch are made up, which Kafka takes."""
    def __init__(self, pid, transactional):
        self.pid, self.transactional, self.sequence, self.is_open = pid, transactional, 0, False


class History:
    def __init__(self, draw, topic):
        self.draw, self.topic = draw, topic
        self.now = int(time.time() * 1000) - 86400000
        self.producers = [Producer(1000 + i, i < 3) for i in range(5)] + [Producer(-1, False)]

    def records(self):
        out = []
        for _ in range(self.draw.choice([1, 1, 2, 5, 40])):
            key = None if self.draw.random() < 0.02 else f"key-{self.draw.randrange(60)}".encode()
            value = None if self.draw.random() < 0.15 else self.draw.randbytes(self.draw.choice([0, 10, 100]))
            headers = [("h", self.draw.choice([None, b"", b"header"]))] if self.draw.random() < 0.1 else []
            out.append((key, value, headers, self.now + self.draw.randrange(-500, 500)))
        return out

    def append(self, connection):
        self.now += self.draw.randrange(1000)
        producer, records = self.draw.choice(self.producers), self.records()
        if producer.transactional and producer.is_open and self.draw.random() < 0.3:
            self.end(connection, producer)
        sequence = producer.sequence if producer.pid >= 0 else -1
        batch = bytearray(wire.batch(records, self.draw.randrange(5), producer.pid, 0 if producer.pid >= 0 else -1, sequence))
        if producer.transactional:
            producer.is_open = True
            struct.pack_into(">h", batch, 21, struct.unpack_from(">h", batch, 21)[0] | 16)
            struct.pack_into(">I", batch, 17, wire.crc32c(bytes(batch[21:])))
        body = connection.produce_body(self.topic, 0, bytes(batch))
        if producer.transactional:
            body = wire.text("by hand") + body[2:]
        wire.check(connection.produce_answer(connection.call(0, 7, body))[0])
        producer.sequence += len(records)

    def end(self, connection, producer):
        """WriteTxnMarkers v1, as a coordinator sends it."""
        name = bytes([len(self.topic) + 1]) + self.topic.encode()
        body = b"\2" + struct.pack(">qhb", producer.pid, 0, self.draw.random() < 0.5) + b"\2" + name + b"\2" + struct.pack(">i", 0) + b"\0"
        r = connection.call_flexible(27, 1, body + struct.pack(">i", 0) + b"\0\0")
        topic = lambda: (r.compact_string(), r.compact_array(lambda: (r.take("ih"), r.tags())), r.tags())
        answer = r.compact_array(lambda: (r.take("q"), r.compact_array(topic), r.tags()))
        wire.check(answer[0][1][0][1][0][0][1])
        producer.is_open = False

    def go_on(self, connection):
        for _ in range(300):
            self.append(connection)
        for producer in self.producers:
            if producer.is_open:
                self.end(connection, producer)


def segments(folder):
    return sorted(int(name[:-4]) for name in os.listdir(folder) if name.endswith(".log"))


def files_from(folder, base):
    return [name for name in os.listdir(folder) if name[:20].isdigit() and int(name[:20]) >= base and not name.endswith(".snapshot")]


def batch_facts(batch):
    """All that a batch says; a delete horizon is told as such."""
    has_horizon = bool(batch.attributes & 64)
    return (batch.base, batch.last, batch.epoch, batch.attributes, "horizon" if has_horizon else batch.base_ts, batch.max_ts, batch.pid,
            batch.pepoch, batch.seq, batch.records())


def facts(folder, end):
    """What is below `end`: [(segment, its aborted transactions, its batches)]"""
    out = []
    for base in segments(folder):
        if base < end:
            path = os.path.join(folder, f"{base:020}")
            with open(path + ".log", "rb") as file:
                found = wire.batches(file.read())
            assert all(batch.whole() for batch in found), path
            aborted = b""
            if os.path.exists(path + ".txnindex"):
                with open(path + ".txnindex", "rb") as file:
                    aborted = file.read()
            out.append((base, aborted.hex(), [batch_facts(batch) for batch in found]))
    return out


def cleaned_up_to(directory, topic):
    with open(os.path.join(directory, "cleaner-offset-checkpoint"), encoding="utf-8") as file:
        return dict((line.rsplit(" ", 2)[0], int(line.rsplit(" ", 2)[2])) for line in file.read().splitlines()[2:]).get(topic, 0)


class Comparison:
    def __init__(self, seed):
        draw = random.Random(seed)
        self.kafka = node.Node("kafka", settings=SETTINGS)
        self.data = self.kafka.directories[0]
        self.histories = {topic: History(draw, topic) for topic in TOPICS}
        self.cleaned = dict.fromkeys(TOPICS, 0)

    def folder(self, topic):
        return os.path.join(self.data, f"{topic}-0")

    def ours(self, topic):
        return os.path.join(self.kafka.folder, "ours", topic)

    def write(self, is_first):
        self.kafka.settings = SETTINGS | {"log.cleaner.enable": "false"}
        self.kafka.start()
        connection = self.kafka.connect()
        for topic, retention in TOPICS.items():
            if is_first:
                connection.create_topic(topic, 1, {"internal.segment.bytes": str(SEGMENT_BYTES), "min.cleanable.dirty.ratio": "0.0001",
                                                   "delete.retention.ms": str(retention)})
            connection.set_configs(2, topic, {"cleanup.policy": "delete"})           # then records without a key are taken
            self.histories[topic].go_on(connection)
            connection.set_configs(2, topic, {"cleanup.policy": "compact"})
        connection.close()
        self.kafka.stop()

    def take_over(self, topic):
        """Our copy: what we cleaned before, and behind it what Kafka has appended since."""
        theirs, ours = self.folder(topic), self.ours(topic)
        os.makedirs(ours, exist_ok=True)
        for name in files_from(ours, self.cleaned[topic]):
            os.remove(os.path.join(ours, name))
        for name in files_from(theirs, self.cleaned[topic]):
            shutil.copy(os.path.join(theirs, name), ours)

    def clean_theirs(self):
        ends = {topic: segments(self.folder(topic))[-1] for topic in TOPICS}
        self.kafka.settings = SETTINGS
        self.kafka.start()
        wire.wait_for(lambda: all(cleaned_up_to(self.data, topic) == end for topic, end in ends.items()), 60, "Kafka has cleaned")
        self.kafka.stop()
        return ends

    def clean_ours(self, topic, map_bytes):
        done = subprocess.run([CLEAN_DIRECTORY, self.ours(topic), f"first_dirty={self.cleaned[topic]}", f"wall_ms={int(time.time() * 1000)}",
                               f"delete_retention_ms={TOPICS[topic]}", f"segment_bytes={SEGMENT_BYTES}", f"map_bytes={map_bytes}"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        print("     ", done.stdout.splitlines()[-1])

    def round(self, number):
        self.write(number == 0)
        for topic in TOPICS:
            self.take_over(topic)
        before = {topic: facts(self.folder(topic), 1 << 62) for topic in TOPICS}
        ends = self.clean_theirs()
        for topic, end in ends.items():
            self.clean_ours(topic, 1 << 24)
            self.cleaned[topic] = end
            wanted, got = facts(self.folder(topic), end), facts(self.ours(topic), end)
            self.compare(topic, wanted, got)
            complaints = []
            for base in segments(self.ours(topic)):
                path = os.path.join(self.ours(topic), f"{base:020}.log")
                logs.indexes(path, base, logs.segment(path, complaints), complaints)
            assert not complaints, complaints
            count = lambda found: sum(len(batches) for _, _, batches in found)
            assert 0 < count(got) < count(before[topic]) and any(batch[3] & 64 for _, _, batches in got for batch in batches)
            print(f"      {topic}: {count(before[topic])} batches before, {count(got)} after, in {len(got)} segments")

    def compare(self, topic, wanted, got):
        assert [base for base, _, _ in got] == [base for base, _, _ in wanted], f"{topic}: segments {[s[0] for s in got]}, not {[s[0] for s in wanted]}"
        for (base, aborted, batches), (_, our_aborted, our_batches) in zip(wanted, got):
            missing = [batch for batch in batches if batch not in our_batches]
            surplus = [batch for batch in our_batches if batch not in batches]
            assert not missing and not surplus, f"{topic} segment {base}\nmissing {missing[:3]}\nsurplus {surplus[:3]}"
            assert our_batches == batches, f"{topic} segment {base}: another order"
            assert our_aborted == aborted, f"{topic} segment {base}: .txnindex {our_aborted}, not {aborted}"


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    comparison = Comparison(seed)
    with comparison.kafka:
        return node.run([(f"round {number + 1} of what Kafka and we clean", lambda n=number: comparison.round(n)) for number in range(ROUNDS)],
                        comparison.kafka)


if __name__ == "__main__":
    sys.exit(main())
