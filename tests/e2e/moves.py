#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Partitions move between the log directories of a node (AlterReplicaLogDirs, KIP-113, KIP-858, KIP-1066): errors, the move itself under
producers, throttled, cancelled, replaced, over restarts and kills, and what DescribeLogDirs tells meanwhile. BROKER=kafka: against Kafka."""
import os
import struct
import subprocess
import sys
import threading
import time

import kafka_wire as wire
import node

NONE, UNKNOWN_TOPIC, INVALID_TOPIC, STORAGE, LOG_DIR_NOT_FOUND = 0, 3, 17, 56, 57
INVALID_ASSIGNMENT = 39
SPREAD = 24                                 # partitions: so many that each directory gets some
RATE = "replica.alter.log.dirs.io.max.bytes.per.second"
TOPIC, BROKER = 2, 4
AT = int(time.time() * 1000)


def alter(connection, wishes, version=2):
    """{(topic, partition): error code} of AlterReplicaLogDirs; wishes: [(directory, topic, partition)]"""
    one = lambda w: (w[0], [(w[1], [w[2]])])
    if version < 2:
        body = struct.pack(">i", len(wishes))
        for path, topics in map(one, wishes):
            body += wire.text(path) + struct.pack(">i", 1) + wire.text(topics[0][0]) + struct.pack(">ii", 1, topics[0][1][0])
        r = connection.call(34, version, body)
        r.take("i")
        found = r.array(lambda: (r.string(), r.array(lambda: r.take("ih"))))
        return {(name, index): code for name, partitions in found for index, code in partitions}
    compact = lambda text: wire.uvarint(len(text) + 1) + text.encode()
    body = wire.uvarint(len(wishes) + 1)
    for path, topics in map(one, wishes):
        body += compact(path) + b"\2" + compact(topics[0][0]) + b"\2" + struct.pack(">i", topics[0][1][0]) + b"\0\0"
    r = connection.call_flexible(34, version, body + b"\0")
    r.take("i")
    found = r.compact_array(lambda: (r.compact_string(), r.compact_array(lambda: (r.take("ih"), r.tags())[0]), r.tags()))
    return {(name, index): code for name, partitions, _ in found for index, code in partitions}


class Moves:
    def __init__(self, broker):
        self.broker = broker
        self.one, self.two, self.three = broker.directories
        self.again()

    def again(self):
        self.connection = self.broker.connect()

    def place(self, topic, partition=0):
        """{directory: (lag, is future)}"""
        found = self.connection.log_dir_replicas()
        return {path: rows[topic, partition] for path, rows in found.items() if (topic, partition) in rows}

    def served_from(self, topic, partition=0):
        return next(path for path, (_, future) in self.place(topic, partition).items() if not future)

    def other(self, topic, partition=0):
        return next(path for path in self.broker.directories if path not in self.place(topic, partition))

    def create(self, topic, records=0, size=1000, **configs):
        self.connection.create_topic(topic, 1, {key.replace("_", "."): value for key, value in configs.items()})
        wire.wait_for(lambda: self.connection.list_offset(topic, 0, -1), 20, f"{topic} is served")
        for i in range(0, records, 10):
            self.produce(topic, i, min(10, records - i), size)

    def produce(self, topic, first, count=1, size=1000):
        records = [(b"k%d" % n, b"%d:" % n + os.urandom(size // 2).hex().encode(), [], AT + n) for n in range(first, first + count)]
        return self.connection.produce(topic, 0, wire.batch(records))

    def numbers(self, topic):
        return [int(r[3].split(b":")[0]) for b in self.connection.read(topic, 0) for r in b.records()]

    def move(self, topic, path, code=NONE):
        assert alter(self.connection, [(path, topic, 0)]) == {(topic, 0): code}

    def throttle(self, rate):
        self.connection.set_configs(BROKER, "", {RATE: rate})

    def wait_moved(self, topic, path):
        wire.wait_for(lambda: self.place(topic) == {path: (0, False)}, 30, f"{topic} is in {path}: {self.place(topic)}")

    def on_disk(self, topic, path):
        return sorted(name for name in os.listdir(path) if name.startswith(topic + "-0") and not name.endswith("-delete"))

    def restart(self, end, topic):
        end()
        self.broker.start(timeout=120)
        self.again()
        wire.wait_for(lambda: self.connection.list_offset(topic, 0, -1), 30, f"{topic} is served")

    def check_errors(self):
        self.create("errors")
        here = self.served_from("errors")
        long = "n" * 225
        self.create(long)
        wanted = [((here, "errors", 0), NONE), (("/not/there", "errors", 0), LOG_DIR_NOT_FOUND), ((here, "nobody", 0), UNKNOWN_TOPIC),
                  ((here, "errors", 7), UNKNOWN_TOPIC), ((here, long, 0), INVALID_TOPIC), (("/not/there", "nobody", 0), LOG_DIR_NOT_FOUND)]
        for version in (1, 2):
            for wish, code in wanted:
                assert alter(self.connection, [wish], version) == {wish[1:]: code}, (wish, code)

    def check_move(self):
        self.create("plain", 100)
        path = self.other("plain")
        self.move("plain", path)
        self.wait_moved("plain", path)
        assert self.numbers("plain") == list(range(100))
        assert self.produce("plain", 100) == 100
        wire.wait_for(lambda: self.on_disk("plain", path) == ["plain-0"], 10, self.on_disk("plain", path))
        self.restart(self.broker.stop, "plain")
        assert self.numbers("plain") == list(range(101)) and self.place("plain") == {path: (0, False)}

    def check_preference(self):
        """Where a topic is wanted that is not there yet is remembered."""
        for path in (self.three, self.one):
            name = "wanted-" + os.path.basename(path)
            self.move(name, path, UNKNOWN_TOPIC)
            self.create(name)
            assert self.served_from(name) == path

    def check_under_load(self):
        """Producers go on while their partition moves around; nothing is lost, doubled or reordered."""
        self.create("busy", 50)
        done, sent = threading.Event(), [50]

        def run():
            connection = self.broker.connect()
            while not done.is_set():
                n = sent[0]
                connection.produce("busy", 0, wire.batch([(b"k", b"%d:" % n + b"v" * 5000, [], AT + n)]))
                sent[0] += 1
        thread = threading.Thread(target=run)
        thread.start()
        try:
            while sent[0] < 300:
                path = self.other("busy")
                self.move("busy", path)
                self.wait_moved("busy", path)
        finally:
            done.set()
            thread.join()
        assert self.numbers("busy") == list(range(sent[0])), sent[0]
        self.restart(self.broker.kill, "busy")
        assert self.numbers("busy") == list(range(sent[0])), sent[0]

    def check_throttled_and_told(self):
        self.create("slow", 400, 10000)
        here, path = self.served_from("slow"), self.other("slow")
        self.throttle("100000")
        self.move("slow", path)
        wire.wait_for(lambda: self.place("slow").get(path, (0, False))[1], 10, "it moves")
        lag = self.place("slow")[path][0]
        assert 0 < lag <= 400 and self.place("slow")[here] == (0, False), self.place("slow")
        assert any(name.endswith("-future") for name in self.on_disk("slow", path))
        self.move("slow", path)  # once more: nothing new
        self.throttle(None)
        self.wait_moved("slow", path)
        assert self.numbers("slow") == list(range(400))

    def check_cancelled_and_replaced(self):
        self.create("mind", 400, 10000)
        here = self.served_from("mind")
        others = [path for path in self.broker.directories if path != here]
        self.throttle("50000")
        self.move("mind", others[0])
        wire.wait_for(lambda: self.place("mind").get(others[0]), 10, "it moves")
        self.move("mind", others[1])
        wire.wait_for(lambda: others[1] in self.place("mind") and others[0] not in self.place("mind"), 10, "it moves elsewhere")
        self.move("mind", here)
        wire.wait_for(lambda: self.place("mind") == {here: (0, False)}, 10, "it stays")
        for path in others:
            wire.wait_for(lambda path=path: not self.on_disk("mind", path), 10, "the future log is deleted")
        self.move("mind", others[1])
        self.throttle(None)
        self.wait_moved("mind", others[1])
        assert self.numbers("mind") == list(range(400)), self.numbers("mind")

    def check_resumed(self):
        """A stop, and a kill, in the middle of a move."""
        for number, end in enumerate((self.broker.stop, self.broker.kill)):
            name = f"resumed-{number}"
            self.create(name, 400, 10000)
            path = self.other(name)
            self.throttle("200000")
            self.move(name, path)
            wire.wait_for(lambda: 0 < self.place(name)[path][0] < 400, 20, "some of it is there")
            end()
            future = self.on_disk(name, path)
            assert len(future) == 1 and future[0].endswith("-future"), future
            self.restart(lambda: None, name)
            wire.wait_for(lambda: self.place(name).get(path, (0, False))[1], 10, "it goes on")
            assert self.on_disk(name, path) == future
            self.throttle(None)
            self.wait_moved(name, path)
            assert self.numbers(name) == list(range(400))
            assert self.produce(name, 400) == 400

    def check_start_and_deleted_records(self):
        """The log start moves along, also inside a batch; an empty log keeps its offsets."""
        for name, start in (("trimmed", 137), ("emptied", 200)):
            self.create(name, 200)
            assert self.connection.delete_records(name, 0, start) == start
            path = self.other(name)
            self.move(name, path)
            self.wait_moved(name, path)
            self.restart(self.broker.kill, name)
            assert self.connection.list_offset(name, 0, -2)[1] == start
            assert self.connection.list_offset(name, 0, -1)[1] == 200
            assert self.produce(name, 200) == 200

    def check_deleted_meanwhile(self):
        self.create("gone", 400, 10000)
        path = self.other("gone")
        self.throttle("50000")
        self.move("gone", path)
        wire.wait_for(lambda: path in self.place("gone"), 10, "it moves")
        self.connection.delete_topic("gone")
        for directory in self.broker.directories:
            wire.wait_for(lambda directory=directory: not self.on_disk("gone", directory), 10, "all of it is deleted")
        self.throttle(None)

    def check_producers(self):
        """A producer's sequence goes on where it was, and what it sends again is known."""
        self.create("sequence")
        batch = lambda n: wire.batch([(b"k", b"%d:" % n, [], AT)], pid=4000, pepoch=0, seq=n)
        for n in range(5):
            assert self.connection.produce("sequence", 0, batch(n)) == n
        path = self.other("sequence")
        self.move("sequence", path)
        self.wait_moved("sequence", path)
        for n in range(5):
            assert self.connection.produce("sequence", 0, batch(n)) == n
        assert self.connection.produce("sequence", 0, batch(5)) == 5
        assert self.numbers("sequence") == list(range(6))

    def check_new_directory(self):
        """A directory that is new in log.dirs fills: what is made goes where the fewest partitions are."""
        new = os.path.join(self.broker.folder, "four")
        self.broker.directories.append(new)
        self.broker.stop()
        os.makedirs(new)
        try:
            self.broker.start()
            raise AssertionError("started with an empty directory, which could be a disk that is not there")
        except RuntimeError as error:
            assert "the broker ended with 1" in str(error), error
        self.broker.format(self.broker.configuration(), "--ignore-formatted")
        self.restart(lambda: None, "plain")
        for n in range(5):
            counts = {path: len(rows) for path, rows in self.connection.log_dir_replicas().items()}
            self.create(f"filling-{n}")
            assert counts[self.served_from(f"filling-{n}")] == min(counts.values()), (counts, self.place(f"filling-{n}"))
        assert self.connection.log_dir_replicas()[new]
        assert self.numbers("plain")

    def check_directory_offline_at_the_start(self):
        """What cannot be opened is offline with its partitions, which are not begun anew elsewhere; it comes back as it was."""
        assert os.geteuid() == 0, "mounts need root"
        lost = self.two
        self.connection.create_topic("spread", SPREAD)
        for p in range(SPREAD):
            wire.wait_for(lambda p=p: self.connection.list_offset("spread", p, -1), 20, "it is served")
            assert self.connection.produce("spread", p, wire.batch([(b"k", b"%d:" % p, [], AT)])) == 0
        away = [p for p in range(SPREAD) if ("spread", p) in self.connection.log_dir_replicas()[lost]]
        assert 0 < len(away) < SPREAD
        self.broker.stop()
        subprocess.run(["mount", "--bind", lost, lost], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", lost], check=True)
            self.broker.start(timeout=120)
            self.again()
            self.without(lost, away)
        finally:
            self.broker.stop()
            subprocess.run(["umount", lost], check=True)
        self.broker.start(timeout=120)
        self.again()
        for p in range(SPREAD):
            wire.wait_for(lambda p=p: self.connection.list_offset("spread", p, -1), 30, "it is served again")
            assert self.connection.produce("spread", p, wire.batch([(b"k", b"%d:" % p, [], AT)])) == 1, p
        assert [p for p in range(SPREAD) if ("spread", p) in self.connection.log_dir_replicas()[lost]] == away

    def partitions(self, topic):
        return self.connection.metadata([topic])["topics"][topic]["partitions"]

    def without(self, lost, away):
        served = lambda: sorted(p["index"] for p in self.partitions("spread") if p["leader"] == 1)
        wire.wait_for(lambda: served() == [p for p in range(SPREAD) if p not in away], 20, "the others are served")
        for p in away:
            try:
                self.connection.produce("spread", p, wire.batch([(b"k", b"v", [], AT)]))
                raise AssertionError(f"spread-{p}: acknowledged without its disk")
            except wire.KafkaError as error:
                assert error.code in (STORAGE, 6), error
        assert {path: code for path, (code, *_) in self.connection.log_dirs().items()} == \
            {path: STORAGE if path == lost else NONE for path in self.broker.directories}
        self.create("meanwhile", 10)
        assert self.served_from("meanwhile") != lost
        if self.broker.kind == "strom":
            said = self.broker.said(1000)
            assert f"log_directory_failed path={lost}" in said and "partitions_begin_empty" not in said, said
            self.move("meanwhile", lost, STORAGE)

    def check_cordoned(self):
        self.create("inside")
        here, path = self.served_from("inside"), self.other("inside")
        self.connection.set_configs(BROKER, "1", {"cordoned.log.dirs": path})
        wire.wait_for(lambda: self.connection.cordoned_log_dirs() == [path], 20, "it is cordoned")
        self.move("inside", path, INVALID_ASSIGNMENT)
        self.connection.set_configs(BROKER, "1", {"cordoned.log.dirs": here})
        wire.wait_for(lambda: self.connection.cordoned_log_dirs() == [here], 20, "the other is")
        self.move("inside", path)
        self.wait_moved("inside", path)
        self.connection.set_configs(BROKER, "1", {"cordoned.log.dirs": None})
        wire.wait_for(lambda: self.connection.cordoned_log_dirs() == [], 20, "none is")

    def check_cordoned_at_once(self):
        """Not with the next heartbeat only, however far away that is."""
        settings = {"broker.heartbeat.interval.ms": "60000", "broker.session.timeout.ms": "300000"}
        with node.Node(settings=settings).start() as broker:
            directory, connection = broker.directories[0], broker.connect()
            for value, wanted in ((directory, [directory]), ("", []), (directory, [directory]), (None, [])):
                connection.set_configs(BROKER, "1", {"cordoned.log.dirs": value})
                wire.wait_for(lambda: connection.cordoned_log_dirs() == wanted, 10, f"{value}: {wanted}")


def main():
    broker = node.Node(settings={"log.segment.bytes": "1048576", "strom.shards": "2", "broker.heartbeat.interval.ms": "200"})
    broker.directories = [os.path.join(broker.folder, name) for name in ("one", "two", "three")]
    with broker.start():
        suite = Moves(broker)
        wanted = sys.argv[1:]
        checks = [(name[6:].replace("_", " "), getattr(suite, name)) for name in vars(Moves)
                  if name.startswith("check_") and (not wanted or name[6:] in wanted)]
        return node.run(checks + [("stop", broker.stop)], broker)


if __name__ == "__main__":
    sys.exit(main())
