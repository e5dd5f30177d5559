#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A compacted topic on a running node: what is superseded goes, the newest value of every key stays, while it is written to and read;
tombstones go after their time; all of it is there after a kill and a stop. With BROKER=kafka on Apache Kafka."""
import sys
import time

import kafka_wire as wire
import node

KEYS, SIZE, BATCH = 150, 1000, 50
SETTINGS = {"log.cleaner.backoff.ms": "100", "log.cleaner.min.cleanable.ratio": "0.01"}
TOPIC = {"cleanup.policy": "compact", "segment.bytes": "1048576"}


class Suite:
    def __init__(self, broker):
        self.broker, self.newest, self.turn = broker, {}, 0
        self.connection = broker.connect()
        self.connection.create_topic("state", 1, TOPIC | {"delete.retention.ms": "1000"})

    def write(self, count, dead=()):
        """So many batches, the keys in turn."""
        for _ in range(count):
            records = []
            for _ in range(BATCH):
                self.turn += 1
                key = b"key-%d" % (self.turn * 7 % KEYS)
                value = None if key in dead else (b"%d " % self.turn).ljust(SIZE, b".")
                records.append((key, value, [], int(time.time() * 1000)))
                self.newest[key] = value
            self.connection.produce("state", 0, wire.batch(records))

    def everything(self):
        """The newest value of each key that is there, and how many records there were."""
        found, count, last = {}, 0, -1
        for batch in self.connection.read("state", 0):
            for offset, _, key, value, _ in batch.records():
                assert offset > last, (offset, last)
                last = offset
                found[key] = value
                count += 1
        return found, count

    def agrees(self, found):
        for key, value in self.newest.items():
            if key in found or value is not None:
                assert found.get(key, b"missing") == value, (key, value and value[:20], found.get(key, b"missing"))

    def wait(self, most):
        deadline = time.monotonic() + 60
        while True:
            found, count = self.everything()
            self.agrees(found)
            if count <= most:
                return found
            assert time.monotonic() < deadline, f"{count} records are left, and {most} were to be"
            self.write(1)                       # that also tells of a reader or writer that the swap disturbs

    def check_what_is_superseded_goes_while_it_is_written_and_read(self):
        for _ in range(8):
            self.write(24)
            self.agrees(self.everything()[0])
        assert self.turn == 8 * 24 * BATCH
        self.wait(KEYS + 2600)

    def check_the_log_begins_where_it_did(self):
        assert self.connection.list_offset("state", 0, -2)[1] == 0
        assert self.connection.list_offset("state", 0, -1)[1] == self.turn

    def check_tombstones_go_after_their_time(self):
        dead = {b"key-%d" % i for i in range(50)}
        self.write(6, dead)
        self.write(30, dead)
        deadline = time.monotonic() + 60
        while any(key in dead for key in self.old_keys()):
            assert time.monotonic() < deadline, "tombstones are left"
            self.write(4, dead)
        self.agrees(self.everything()[0])

    def old_keys(self):
        """Keys of what is older than two segments."""
        return [key for batch in self.connection.read("state", 0) for offset, _, key, _, _ in batch.records() if offset < self.turn - 4000]

    def check_it_survives_a_kill_and_a_stop(self):
        for end in (self.broker.kill, self.broker.stop):
            self.write(20)
            end()
            self.broker.start()
            self.connection = self.broker.connect()
            self.agrees(self.everything()[0])
            self.write(5)

    def take_over(self, kind):
        before = self.broker
        before.stop()
        self.broker = node.Node(kind, settings=before.settings, directories=before.directories, folder=before.folder)
        self.broker.start()
        self.connection = self.broker.connect()
        wire.wait_for(lambda: self.connection.list_offset("state", 0, -1), 60, "the topic is served")
        self.agrees(self.everything()[0])
        assert self.connection.list_offset("state", 0, -2)[1] == 0
        assert self.connection.list_offset("state", 0, -1)[1] == self.turn

    def check_apache_kafka_goes_on_with_it_and_back(self):
        self.write(40)
        self.wait(KEYS + 2600)
        ours = self.broker.kind
        self.take_over("kafka")
        self.write(60)
        self.wait(KEYS + 2600)                  # it cleans, too
        self.take_over(ours)
        self.write(60)
        self.wait(KEYS + 2600)

    def check_a_policy_without_compaction_stops_it(self):
        self.connection.set_configs(2, "state", {"cleanup.policy": "delete"})
        before = self.everything()[1]
        self.write(60)
        self.agrees(self.everything()[0])
        assert self.everything()[1] == before + 60 * BATCH


def main():
    with node.Node(settings=SETTINGS).start() as broker:
        suite = Suite(broker)
        checks = node.checks_of(suite)
        code = node.run(checks, broker)
        suite.broker.close()
        return code


if __name__ == "__main__":
    sys.exit(main())
