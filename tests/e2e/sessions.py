#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetch in detail: sessions (KIP-227), limits over several partitions, waiting for enough bytes, epochs. BROKER=kafka runs it against Kafka."""
import struct
import sys
import threading
import time

import kafka_wire as wire
import node

ID_NOT_FOUND, INVALID_EPOCH, UNKNOWN_TOPIC, OUT_OF_RANGE, FENCED, UNKNOWN_EPOCH = 70, 71, 3, 1, 74, 75


def one(value):
    return (b"k", value, [], 1700000000000)


class Fetcher:
    """Fetch version 11 with several partitions and a session."""

    def __init__(self, connection):
        self.connection = connection

    def send(self, topics, session=0, epoch=-1, wait_ms=0, min_bytes=1, max_bytes=50 << 20, forget=()):
        body = struct.pack(">iiiibiii", -1, wait_ms, min_bytes, max_bytes, 0, session, epoch, len(topics))
        for topic, partitions in topics:
            body += wire.text(topic) + struct.pack(">i", len(partitions))
            for partition in partitions:
                index, offset, size, leader_epoch = (tuple(partition) + (1 << 20, -1))[:4] if len(partition) == 2 else tuple(partition)
                body += struct.pack(">iiqqi", index, leader_epoch, offset, -1, size)
        body += struct.pack(">i", len(forget))
        for topic, indexes in forget:
            body += wire.text(topic) + struct.pack(">i", len(indexes)) + b"".join(struct.pack(">i", i) for i in indexes)
        return self.connection.call(1, 11, body + wire.text(""))

    def fetch(self, *args, **kwargs):
        """error, session id, {(topic, partition): (error, high watermark, bytes)}"""
        r = self.send(*args, **kwargs)
        _, error, session = r.take("ihi")
        found = {}

        def partition(topic):
            index, code, high, _, _ = r.take("ihqqq")
            r.array(lambda: r.take("qq"))
            r.take("i")
            found[topic, index] = code, high, r.raw(r.take("i")) or b""

        def topic():
            name = r.string()
            r.array(lambda: partition(name))
        r.array(topic)
        return error, session, found


class Suite:
    def __init__(self, broker):
        self.broker = broker

    def topic(self, name, partitions, fill=0):
        connection = self.broker.connect()
        connection.create_topic(name, partitions, {})
        for partition in range(partitions):
            wire.wait_for(lambda p=partition: connection.list_offset(name, p, -1), 20, f"{name}-{partition} is served")
            if fill:
                connection.produce(name, partition, wire.batch([one(b"x" * fill)]))
        return connection

    def check_a_session_names_only_what_is_new(self):
        connection = self.topic("new", 4, 100)
        fetcher = Fetcher(connection)
        error, session, found = fetcher.fetch([("new", [(i, 0) for i in range(4)])], epoch=0)
        assert error == 0 and session > 0 and len(found) == 4 and all(len(f[2]) > 100 for f in found.values()), (error, session, found)
        error, again, found = fetcher.fetch([("new", [(i, 1) for i in range(4)])], session=session, epoch=1)
        assert (error, again, found) == (0, session, {}), (error, again, found)
        connection.produce("new", 2, wire.batch([one(b"y")]))
        error, _, found = fetcher.fetch([], session=session, epoch=2, wait_ms=2000)
        assert error == 0 and list(found) == [("new", 2)] and found["new", 2][1] == 2, (error, found)
        error, _, found = fetcher.fetch([("new", [(2, 2)])], session=session, epoch=3)
        assert (error, found) == (0, {}), (error, found)

    def check_a_quiet_session_waits_and_is_woken(self):
        connection = self.topic("quiet", 3, 10)
        fetcher = Fetcher(connection)
        _, session, _ = fetcher.fetch([("quiet", [(i, 1) for i in range(3)])], epoch=0)
        begin = time.monotonic()
        error, _, found = fetcher.fetch([], session=session, epoch=1, wait_ms=300)
        assert error == 0 and found == {} and 0.25 < time.monotonic() - begin < 2, (error, found, time.monotonic() - begin)
        threading.Timer(0.2, lambda: self.broker.connect().produce("quiet", 1, wire.batch([one(b"late")]))).start()
        begin = time.monotonic()
        error, _, found = fetcher.fetch([], session=session, epoch=2, wait_ms=10000)
        assert error == 0 and list(found) == [("quiet", 1)] and time.monotonic() - begin < 5, (error, found)

    def check_what_did_not_fit_comes_next(self):
        connection = self.topic("fit", 5, 3000)
        fetcher = Fetcher(connection)
        _, session, found = fetcher.fetch([("fit", [(i, 0) for i in range(5)])], epoch=0, max_bytes=4000)
        seen = {key: 1 for key, value in found.items() if value[2]}
        assert len(seen) == 1, seen
        epoch = 1
        while len(seen) < 5 and epoch < 10:
            wishes = [(i, 1) for (_, i) in seen]
            error, _, found = fetcher.fetch([("fit", wishes)], session=session, epoch=epoch, max_bytes=4000, wait_ms=500)
            assert error == 0
            new = [key for key, value in found.items() if value[2]]
            assert len(new) == 1, found
            seen[new[0]] = 1
            epoch += 1
        assert len(seen) == 5, seen

    def check_forgotten_partitions_stay_away(self):
        connection = self.topic("forget", 2, 10)
        fetcher = Fetcher(connection)
        _, session, _ = fetcher.fetch([("forget", [(0, 1), (1, 1)])], epoch=0)
        connection.produce("forget", 0, wire.batch([one(b"a")]))
        connection.produce("forget", 1, wire.batch([one(b"b")]))
        error, _, found = fetcher.fetch([], session=session, epoch=1, wait_ms=500, forget=[("forget", [0])])
        assert error == 0 and list(found) == [("forget", 1)], (error, found)

    def check_wrong_sessions_are_refused(self):
        connection = self.topic("wrong", 1, 10)
        fetcher = Fetcher(connection)
        _, session, _ = fetcher.fetch([("wrong", [(0, 0)])], epoch=0)
        assert fetcher.fetch([], session=session, epoch=7)[0] == INVALID_EPOCH
        assert fetcher.fetch([], session=session + 1, epoch=1)[0] == ID_NOT_FOUND
        error, closed, found = fetcher.fetch([("wrong", [(0, 0)])], session=session, epoch=-1)
        assert error == 0 and closed == 0 and len(found) == 1
        assert fetcher.fetch([], session=session, epoch=1)[0] == ID_NOT_FOUND

    def check_a_deleted_topic_is_told(self):
        connection = self.topic("gone", 1, 10)
        fetcher = Fetcher(connection)
        _, session, _ = fetcher.fetch([("gone", [(0, 1)])], epoch=0)
        threading.Timer(0.2, lambda: self.broker.connect().delete_topic("gone")).start()
        begin = time.monotonic()
        error, _, found = fetcher.fetch([], session=session, epoch=1, wait_ms=10000)
        assert error == 0 and found["gone", 0][0] in (UNKNOWN_TOPIC, 6) and time.monotonic() - begin < 5, (error, found)

    def check_enough_bytes_are_waited_for(self):
        connection = self.topic("enough", 2)
        fetcher = Fetcher(connection)

        def later():
            other = self.broker.connect()
            for i in range(6):
                time.sleep(0.05)
                other.produce("enough", i % 2, wire.batch([one(b"z" * 400)]))
        thread = threading.Thread(target=later)
        thread.start()
        error, _, found = fetcher.fetch([("enough", [(0, 0), (1, 0)])], wait_ms=10000, min_bytes=1500)
        thread.join()
        assert error == 0 and sum(len(f[2]) for f in found.values()) >= 1500, found

    def check_epochs_and_ranges(self):
        connection = self.topic("epochs", 1, 10)
        fetcher = Fetcher(connection)
        size = 1 << 20
        _, _, found = fetcher.fetch([("epochs", [(0, 0, size, 0)])])
        assert found["epochs", 0][0] == 0, found
        assert fetcher.fetch([("epochs", [(0, 0, size, 50)])])[2]["epochs", 0][0] == UNKNOWN_EPOCH
        assert fetcher.fetch([("epochs", [(0, 99, size, -1)])], wait_ms=5000)[2]["epochs", 0][0] == OUT_OF_RANGE
        assert fetcher.fetch([("epochs", [(7, 0, size, -1)])])[2]["epochs", 7][0] == UNKNOWN_TOPIC
        assert fetcher.fetch([("none", [(0, 0, size, -1)])])[2]["none", 0][0] == UNKNOWN_TOPIC

    def check_what_follows_a_creation_waits_in_order(self):
        """Two creations and six batches in one write: the batches are taken in order, after their topic is there."""
        connection = self.broker.connect()
        if self.broker.kind == "kafka":
            return                                               # there, a new topic is known a little later
        for name in ("first", "second"):
            body = struct.pack(">i", 1) + wire.text(name) + struct.pack(">ihii", 1, 1, 0, 0) + struct.pack(">ib", 30000, 0)
            connection.send(19, 4, body)
            for sequence in range(3):
                batch = wire.batch([one(b"%d" % sequence)], wire.NONE, 77, 0, sequence)
                connection.send(0, 7, connection.produce_body(name, 0, batch))
        for _ in range(2):
            connection.receive()
            answers = [connection.produce_answer(connection.receive()[1])[:2] for _ in range(3)]
            assert answers == [(0, 0), (0, 1), (0, 2)], answers

    def check_the_first_batch_comes_whole(self):
        connection = self.topic("whole", 2, 5000)
        fetcher = Fetcher(connection)
        _, _, found = fetcher.fetch([("whole", [(0, 0, 100, -1), (1, 0, 100, -1)])], max_bytes=100)
        sizes = [len(found["whole", i][2]) for i in range(2)]
        assert sizes[0] > 5000 and sizes[1] == 0, sizes


if __name__ == "__main__":
    sys.exit(node.run_suite(Suite))
