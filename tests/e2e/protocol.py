#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One node, spoken to by hand: what stock clients rarely do, hostile input, and a controlled stop and start."""
import os
import re
import socket
import struct
import sys
import threading
import time

import kafka_wire as wire
import node

SERVED = {0: (0, 13), 1: (4, 18), 2: (1, 11), 3: (0, 13), 18: (0, 5), 19: (2, 7), 20: (1, 6), 21: (0, 2), 22: (0, 5), 23: (2, 4), 34: (1, 2), 35: (1, 5), 60: (0, 2), 61: (0, 0), 75: (0, 0)}
SERVED.update({37: (0, 3), 43: (0, 2), 45: (0, 1), 46: (0, 0), 48: (0, 1), 49: (0, 1), 55: (0, 2), 57: (0, 2), 64: (0, 0)})
SERVED.update({8: (2, 10), 9: (1, 10), 10: (0, 6), 11: (0, 9), 12: (0, 4), 13: (0, 5), 14: (0, 5), 15: (0, 6), 16: (0, 5), 42: (0, 3), 47: (0, 0), 68: (0, 1), 69: (0, 1)})
SERVED.update({32: (1, 4), 33: (0, 2), 44: (0, 1), 74: (0, 1)})
OUT_OF_ORDER, CORRUPT, TOO_LARGE, INVALID_RECORD, INVALID_TIMESTAMP, OFFSET_OUT_OF_RANGE, NOT_LEADER, INVALID_REQUEST, INVALID_PARTITIONS = 45, 2, 10, 87, 32, 1, 6, 42, 37


def one(key=b"k", value=b"v", at=1700000000000):
    return (key, value, [], at)


class Suite:
    def __init__(self, broker):
        self.broker = broker

    def topic(self, name, partitions=1, **configs):
        connection = self.broker.connect()
        connection.create_topic(name, partitions, {key.replace("_", "."): value for key, value in configs.items()})
        for partition in range(partitions):
            wire.wait_for(lambda p=partition: connection.list_offset(name, p, -1), 20, f"{name}-{partition} is served")
        return connection

    def refused(self, connection, topic, records, code, partition=0):
        try:
            connection.produce(topic, partition, records)
        except wire.KafkaError as error:
            assert error.code == code, f"error {error.code}, not {code}"
            return
        raise AssertionError(f"taken, not refused with {code}")

    def check_versions(self):
        """What is advertised is what is served, with Kafka's ranges."""
        found = self.broker.connect().api_versions()
        if self.broker.kind == "kafka":
            found = {key: found[key] for key in SERVED}
        assert {key: span for key, span in found.items() if key in SERVED} == SERVED, {k: v for k, v in found.items() if SERVED.get(k) != v}
        assert set(found) == set(SERVED), f"advertised besides: {set(found) - set(SERVED)}"

    def check_every_codec_is_kept(self):
        connection = self.topic("codecs")
        for codec in range(5):
            records = [(b"k%d" % i, b"v" * 500 * (i % 3), [("h", b"x"), ("none", None)], 1700000000000 + i) for i in range(50)]
            assert connection.produce("codecs", 0, wire.batch(records, codec)) == codec * 50
        found = connection.read("codecs", 0)
        assert [batch.codec for batch in found] == [0, 1, 2, 3, 4] and all(batch.whole() for batch in found)
        for batch in found:
            assert batch.records() == [(batch.base + i, 1700000000000 + i, b"k%d" % i, b"v" * 500 * (i % 3), [("h", b"x"), ("none", None)]) for i in range(50)]

    def check_idempotence(self):
        """A duplicate gets the first offset again, a gap is refused."""
        connection = self.topic("idempotent")
        send = lambda seq: connection.produce("idempotent", 0, wire.batch([one()], pid=4000, pepoch=0, seq=seq))
        assert [send(seq) for seq in range(6)] == [0, 1, 2, 3, 4, 5]
        assert [send(seq) for seq in range(1, 6)] == [1, 2, 3, 4, 5]
        self.refused(connection, "idempotent", wire.batch([one()], pid=4000, pepoch=0, seq=9), OUT_OF_ORDER)
        assert send(6) == 6

    def check_a_name_that_is_used_again_at_once(self):
        """A topic is created while the one of its name is being deleted: it is served all the same."""
        connection, other = self.topic("phoenix", 3), self.broker.connect()
        for _ in range(40):
            deletion = threading.Thread(target=other.delete_topic, args=("phoenix",))
            deletion.start()
            while True:
                try:
                    connection.create_topic("phoenix", 3)
                    break
                except (wire.KafkaError, ValueError) as error:
                    assert "36" in str(error), error
            deletion.join()
            for partition in range(3):
                wire.wait_for(lambda p=partition: connection.list_offset("phoenix", p, -1)[1] == 0, 20, f"phoenix-{partition} is served")
                assert connection.produce("phoenix", partition, wire.batch([one()])) == 0

    def check_timeouts_of_nothing(self):
        """They are for other replicas; the one that is there answers when it has the record."""
        connection = self.topic("hurried")
        for offset, timeout_ms in enumerate((0, 1, -1, -(1 << 31))):
            assert connection.produce("hurried", 0, wire.batch([one()]), timeout_ms=timeout_ms) == offset

    def check_deleted_records_stay_deleted(self):
        """The answer to DeleteRecords is a promise: it outlives a kill that follows at once. (Kafka writes its checkpoint each minute.)"""
        if self.broker.kind == "kafka":
            return
        connection = self.topic("trimmed", segment_bytes="1048576")
        now = int(time.time() * 1000)
        records = [wire.batch([one(value=b"x" * 300000, at=now)], pid=78, pepoch=0, seq=i) for i in range(5)]
        for number, batch in enumerate(records):
            assert connection.produce("trimmed", 0, batch) == number
        assert connection.delete_records("trimmed", 0, 3) == 3
        assert connection.fetch("trimmed", 0, 2)[0] == OFFSET_OUT_OF_RANGE and connection.fetch("trimmed", 0, 3)[3] == 3
        assert connection.delete_records("trimmed", 0, -1) == 5
        self.broker.kill()
        self.broker.start()
        connection = self.broker.connect()
        wire.wait_for(lambda: connection.fetch("trimmed", 0, 5)[0] == 0, 20, "served again")
        assert connection.list_offset("trimmed", 0, -2)[1] == 5 and connection.list_offset("trimmed", 0, -1)[1] == 5
        assert connection.produce("trimmed", 0, records[4]) == 4, "the producers of deleted records are known"
        assert connection.produce("trimmed", 0, wire.batch([one(at=now)], pid=78, pepoch=0, seq=5)) == 5

    def check_directories_are_told_from_the_root(self):
        if self.broker.kind != "kafka":
            with node.Node(settings={"log.dirs": "near"}).start() as other:
                assert list(other.connect().log_dirs()) == [os.path.join(os.path.realpath(other.folder), "near")]

    def check_refusals(self):
        connection = self.topic("strict", max_message_bytes="2000")
        damaged = bytearray(wire.batch([one(value=b"x" * 100)]))
        damaged[-3] ^= 1
        self.refused(connection, "strict", bytes(damaged), CORRUPT)
        self.refused(connection, "strict", wire.batch([one(value=b"x" * 3000)]), TOO_LARGE)
        self.refused(connection, "nowhere", wire.batch([one()]), 3)
        self.refused(connection, "strict", wire.batch([one()]), 3, partition=7)
        self.topic("keyed", cleanup_policy="compact")
        self.refused(connection, "keyed", wire.batch([one(key=None)]), INVALID_RECORD)
        self.topic("timely", message_timestamp_before_max_ms="1000")
        self.refused(connection, "timely", wire.batch([one()]), INVALID_TIMESTAMP)
        assert connection.produce("strict", 0, wire.batch([one()])) == 0

    def check_refused_records_are_named(self):
        connection = self.topic("worded", cleanup_policy="compact", message_timestamp_before_max_ms="1000")
        now = int(time.time() * 1000)
        words = "Compacted topic cannot accept message without key in topic partition worded-0"
        assert connection.produce_words("worded", 0, wire.batch([one(at=now), one(key=None, at=now)])) == (
            INVALID_RECORD, [(1, words)], "One or more records have been rejected due to 1 record errors in total, and only showing the first "
            f"three errors at most: [RecordError(batchIndex=1, message='{words}')]")
        code, errors, whole = connection.produce_words("worded", 0, wire.batch([one(), one(at=now)]))
        assert (code, whole) == (INVALID_TIMESTAMP, "One or more records have been rejected due to invalid timestamp")
        assert len(errors) == 1 and errors[0][1].startswith(
            f"Timestamp {one()[3]} of message with offset 0 is out of range. The timestamp should be within ["), errors

    def check_refused_topics(self):
        connection = self.broker.connect()
        for configs, words in (
                ({"remote.storage.enable": "true"}, "Tiered Storage functionality is disabled"),
                ({"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"}, "min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"),
                ({"segment.bytes": "1", "nothing": "1"}, "Unknown topic config name: nothing"),
                ({"leader.replication.throttled.replicas": "x"}, "must be the literal '*'"),
                ({"compression.gzip.level": "0"}, "Value must be between 1 and 9 or equal to -1"),
                ({"cleanup.policy": "delete,,compact"}, "values must not be empty")):
            try:
                connection.create_topic("refused", 1, configs)
            except ValueError as error:
                assert str(error).startswith("40: ") and words in str(error), error
            else:
                raise AssertionError(f"taken: {configs}")

    def check_a_refused_request_names_its_client(self):
        if self.broker.kind == "kafka":
            return
        connection = self.broker.connect()
        connection.send(26, 2, wire.text("a transaction"))
        assert connection.socket.recv(1) == b"", "EndTxn is not served"
        wire.wait_for(lambda: "end_txn key 26 version 2 client e2e peer" in self.broker.said(), 5, "the report")

    def check_a_topic_deleted_twice_is_answered_once(self):
        connection = self.topic("twice")
        assert connection.delete_topics(["twice", "twice"]) == [("twice", INVALID_REQUEST)]
        assert connection.fetch("twice", 0, 0)[0] == 0

    def check_nobody_fetches_as_a_replica(self):
        connection = self.topic("followed")
        assert connection.fetch("followed", 0, 0)[0] == 0
        for replica in (0, 1):
            assert connection.fetch("followed", 0, 0, replica=replica)[0] == NOT_LEADER

    def check_a_topic_grows(self):
        """Old partitions keep what they have; the new ones are led and take records."""
        connection = self.topic("growing")
        connection.produce("growing", 0, wire.batch([one()]))
        assert connection.create_partitions("growing", 3) == 0
        for partition in (1, 2):
            wire.wait_for(lambda p=partition: connection.list_offset("growing", p, -1), 20, f"growing-{partition} is served")
            assert connection.produce("growing", partition, wire.batch([one()])) == 0
        assert connection.list_offset("growing", 0, -1)[1] == 1
        assert connection.create_partitions("growing", 3) == INVALID_PARTITIONS

    def check_append_time_and_topic_codec(self):
        connection = self.topic("stamped", message_timestamp_type="LogAppendTime", compression_type="zstd")
        before = int(time.time() * 1000)
        code, base, at = connection.produce_answer(connection.call(0, 7, connection.produce_body("stamped", 0, wire.batch([one(), one()], wire.GZIP))))
        assert (code, base) == (0, 0) and before <= at <= time.time() * 1000 + 1
        batch, = connection.read("stamped", 0)
        assert batch.codec == wire.ZSTD and batch.log_append and batch.whole() and [r[1] for r in batch.records()] == [at, at]

    def check_fetch_limits(self):
        connection = self.topic("limits")
        for _ in range(10):
            connection.produce("limits", 0, wire.batch([one(value=b"x" * 1000) for _ in range(5)]))
        whole = wire.batches(connection.fetch("limits", 0, 7, max_bytes=1)[4])
        assert [batch.base for batch in whole] == [5], "a whole batch, though it is larger than asked and begins before the offset"
        assert len(connection.fetch("limits", 0, 0, max_bytes=12000)[4]) <= 12000
        code, high, stable, start, data, _ = connection.fetch("limits", 0, 50)
        assert (code, high, stable, start, data) == (0, 50, 50, 0, b"")
        assert connection.fetch("limits", 0, 51)[0] == OFFSET_OUT_OF_RANGE
        assert connection.list_offset("limits", 0, -2)[1] == 0 and connection.list_offset("limits", 0, -1)[1] == 50

    def check_long_poll(self):
        """A poll waits its time when nothing comes, and is woken by an append at once."""
        connection, other = self.topic("polled"), self.broker.connect()
        start = time.monotonic()
        connection.fetch("polled", 0, 0, wait_ms=300)
        assert 0.28 < time.monotonic() - start < 2, "an empty poll waits"
        timer = threading.Timer(0.2, lambda: other.produce("polled", 0, wire.batch([one()])))
        start = time.monotonic()
        timer.start()
        data = connection.fetch("polled", 0, 0, wait_ms=10000)[4]
        assert len(wire.batches(data)) == 1 and time.monotonic() - start < 2, "an append wakes the poll"

    def check_pipelining(self):
        connection = self.topic("pipelined")
        sent = [connection.send(0, 7, connection.produce_body("pipelined", 0, wire.batch([one(value=b"%d" % i)]))) for i in range(200)]
        got = [connection.receive() for _ in sent]
        assert [correlation for correlation, _ in got] == sent
        assert [connection.produce_answer(body)[1] for _, body in got] == list(range(200))

    def check_null_records(self):
        connection = self.topic("nothing")
        body = wire.text(None) + struct.pack(">hii", -1, 3000, 1) + wire.text("nothing") + struct.pack(">iii", 1, 0, -1)
        if self.broker.kind != "kafka":                         # Kafka 4.4.0 hangs here
            assert connection.produce_answer(connection.call(0, 7, body))[0] in (INVALID_RECORD, CORRUPT, 42)

    def check_hostile_input(self):
        """Each ends its own connection and no other."""
        bystander = self.broker.connect()
        for name, data in {
            "a frame too large": struct.pack(">i", 0x7FFFFFFF) + b"x" * 100,
            "a negative size": struct.pack(">i", -5),
            "an unknown api": struct.pack(">ihhi", 10, 999, 0, 1) + wire.text(None),
            "an api not served, or a body that cannot be": struct.pack(">ihhi", 14, 0, 7, 1) + wire.text(None) + b"\x7f\xff\xff\xff",
            "an array that lies": struct.pack(">ihhi", 14, 3, 8, 1) + wire.text(None) + b"\x7f\xff\xff\xff",
            "a version out of range": struct.pack(">ihhi", 10, 0, 99, 1) + wire.text(None),
        }.items():
            hostile = socket.create_connection(("127.0.0.1", self.broker.port), timeout=10)
            hostile.sendall(data)
            try:
                left = hostile.recv(100)
            except ConnectionResetError:
                left = b""
            assert left == b"", f"{name}: answered {left!r}"
            hostile.close()
            assert bystander.api_versions(), name

    def check_never_reads(self):
        """A client that asks and never reads costs the others nothing."""
        connection = self.topic("flood")
        for _ in range(20):
            connection.produce("flood", 0, wire.batch([one(value=b"x" * 100000)]))
        greedy = self.broker.connect()
        greedy.socket.settimeout(0.5)
        body = struct.pack(">iiiibiii", -1, 0, 1, 10 << 20, 0, 0, -1, 1) + wire.text("flood") + struct.pack(">iiiqqii", 1, 0, -1, 0, -1, 10 << 20, 0) + wire.text("")
        try:
            for _ in range(2000):
                greedy.send(1, 11, body)
        except OSError:
            pass
        start = time.monotonic()
        assert connection.api_versions() and len(connection.read("flood", 0)) == 20
        assert time.monotonic() - start < 5
        greedy.close()

    def check_many_small_requests(self):
        """Small frames with large answers, which nobody reads, take no more memory than a connection may have waiting."""
        connection = self.broker.connect()
        for i in range(4):
            connection.create_topic(f"wide-{i}", 300)
        frames = struct.pack(">ihhihi", 14, 3, 1, 7, -1, -1) * 3000  # Metadata of all topics
        greedy = []
        for _ in range(20):
            peer = socket.socket()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", self.broker.port))
            peer.settimeout(0.2)
            try:
                peer.sendall(frames)
            except OSError:
                pass
            greedy.append(peer)
        start = time.monotonic()
        assert connection.api_versions()
        assert time.monotonic() - start < 5, "others wait"
        if self.broker.kind != "kafka":
            with open(f"/proc/{self.broker.process.pid}/status", encoding="ascii") as status:
                resident = int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))
            assert resident < 256 * 1024, f"{resident} KiB resident"
        for peer in greedy:
            peer.close()
        for i in range(4):
            connection.delete_topic(f"wide-{i}")

    def check_offsets_named_twice(self):
        """A partition that is named twice is refused, and answered once; a request of very many names is answered all the same."""
        connection = self.topic("named", 2)

        def codes(indexes):
            wishes = b"".join(struct.pack(">iq", index, -1) for index in indexes)
            r = connection.call(2, 1, struct.pack(">ii", -1, 1) + wire.text("named") + struct.pack(">i", len(indexes)) + wishes)
            return r.array(lambda: (r.string(), r.array(lambda: r.take("ihqq"))))[0][1]

        assert sorted(answer[:2] for answer in codes([0, 1, 0])) == [(0, 42), (1, 0)]
        many = codes(range(300000))
        assert len(many) == 300000 and [answer[1] for answer in many[:3]] == [0, 0, 3] and many[-1][1] == 3

    def check_an_answer_too_large_ends_its_connection(self):
        """Very many names of one partition, each answered with its producers: more than an answer may take of the memory budget."""
        if self.broker.kind == "kafka":
            return
        connection, now = self.topic("crowded"), int(time.time() * 1000)
        for pid in range(60):
            connection.produce("crowded", 0, wire.batch([one(at=now)], pid=9000 + pid, pepoch=0, seq=0))
        describe = lambda peer, count: peer.call_flexible(61, 0, b"\x02\x08crowded" + wire.uvarint(count + 1) + b"\0\0\0\0" * count + b"\0\0")
        assert len(describe(connection, 3).data) > 3 * 60 * 36
        try:
            describe(self.broker.connect(), 200000)
        except (ConnectionError, OSError):
            pass
        else:
            raise AssertionError("answered")
        assert connection.api_versions() and "answer_too_large" in self.broker.said()

    def check_restart(self):
        """SIGTERM leaves the clean mark; the same records are there after the start, and appends go on."""
        connection = self.topic("kept", 3)
        for partition in range(3):
            for i in range(20):
                connection.produce("kept", partition, wire.batch([one(value=b"%d" % i)], i % 5))
        before = [[b.records() for b in connection.read("kept", p)] for p in range(3)]
        idempotent = wire.batch([one(at=int(time.time() * 1000))], pid=77, pepoch=0, seq=0)
        assert connection.produce("kept", 0, idempotent) == 20
        self.broker.stop()
        assert os.path.exists(os.path.join(self.broker.directories[0], ".kafka_cleanshutdown")), "no clean mark"
        self.broker.start()
        connection = self.broker.connect()
        wire.wait_for(lambda: connection.fetch("kept", 2, 0)[0] == 0, 20, "served again")
        assert [[b.records() for b in connection.read("kept", p, 0, 20)] for p in range(3)] == before
        assert connection.produce("kept", 0, idempotent) == 20, "the producer's state outlives the stop"
        assert connection.produce("kept", 1, wire.batch([one()])) == 20

    def check_delete(self):
        connection = self.topic("gone", 2)
        connection.produce("gone", 0, wire.batch([one()]))
        connection.delete_topic("gone")
        assert connection.metadata(["gone"])["topics"]["gone"]["error"] == 3
        wire.wait_for(lambda: not os.path.isdir(os.path.join(self.broker.directories[0], "gone-0")), 10, "the directory goes")
        again = self.topic("gone")
        assert again.list_offset("gone", 0, -1)[1] == 0


if __name__ == "__main__":
    sys.exit(node.run_suite(Suite))
