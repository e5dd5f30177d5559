#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Very many groups, spoken to by hand: requests that name thousands of them."""
import struct
import sys

import kafka_wire as wire
import node

UNKNOWN_GROUP = 69
OWN = {"queued.max.request.bytes": str(128 << 20), "socket.request.max.bytes": str(16 << 20)}
DESCRIBE, DELETE, COMMIT, FETCH, FIND, LIST = 15, 42, 8, 9, 10, 16
text = wire.text


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


class Suite:
    def __init__(self, broker):
        self.broker = broker

    def client(self):
        """A connection to a node whose coordinators are there."""
        connection = self.broker.connect()
        def found():
            r = connection.call(FIND, 1, text("any") + b"\0")
            r.take("i")
            return r.take("h") == 0
        wire.wait_for(found, 30, "a coordinator is found")
        return connection

    def commit(self, connection, group, offset, topic="orders", note=""):
        partition = struct.pack(">iq", 0, offset) + text(note)
        body = text(group) + struct.pack(">i", -1) + text("") + struct.pack(">q", -1) + array([text(topic) + array([partition])])
        r = connection.call(COMMIT, 2, body)
        topics = r.array(lambda: (r.string(), r.array(lambda: r.take("ih"))))
        return topics[0][1][0][1]

    def committed(self, connection, group, topic="orders"):
        r = connection.call(FETCH, 2, text(group) + array([text(topic) + array([struct.pack(">i", 0)])]))
        topics = r.array(lambda: (r.string(), r.array(lambda: (r.take("iq")[1], r.string(), r.take("h")))))
        assert r.take("h") == 0
        return topics[0][1][0][0]

    def describe(self, connection, groups):
        r = connection.call(DESCRIBE, 0, array([text(group) for group in groups]))
        member = lambda: (r.string(), r.string(), r.string(), r.raw(r.take("i")), r.raw(r.take("i")))
        return r.array(lambda: (r.take("h"), r.string(), r.string(), r.string(), r.string(), r.array(member)))

    def delete(self, connection, groups):
        r = connection.call(DELETE, 0, array([text(group) for group in groups]))
        r.take("i")
        return r.array(lambda: (r.string(), r.take("h")))

    def listed(self, connection):
        r = connection.call(LIST, 0, b"")
        assert r.take("h") == 0
        return {group for group, _ in r.array(lambda: (r.string(), r.string()))}

    def settle(self, commit):
        """Once its log is loaded."""
        wire.wait_for(lambda: commit() == 0, 30, "an offset is committed")

    def check_a_request_that_names_thousands(self):
        """Each is answered in its place, whatever the rounds in which coordinators are asked."""
        connection = self.client()
        connection.create_topic("orders", 1)
        names = [f"group-{i}" for i in range(3000)]
        there = names[::100]
        for group in there:
            self.settle(lambda: self.commit(connection, group, 7))
        wire.wait_for(lambda: all(one[0] == 0 for one in self.describe(connection, names)), 30, "all are loaded")
        told = self.describe(connection, names)
        assert [one[1] for one in told] == names
        assert {one[1] for one in told if one[2] == "Empty"} == set(there), told[:3]
        assert {one[2] for one in told} == {"Empty", "Dead"}
        assert self.listed(connection) == set(there)
        gone = self.delete(connection, names + there)
        assert [group for group, _ in gone] == names + there
        assert [group for group, error in gone if error == 0] == there
        assert {error for _, error in gone} == {0, UNKNOWN_GROUP}
        assert self.listed(connection) == set()

    def check_a_group_with_more_offsets_than_a_decision_takes_away(self):
        """It is answered when the last of them is gone, and is new then; those beside it are answered, too."""
        connection = self.client()
        connection.create_topic("wide", 1200)
        offsets = array([text("wide") + array([struct.pack(">iq", i, 7) + text("") for i in range(1200)])])
        def commit(group):
            r = connection.call(COMMIT, 2, text(group) + struct.pack(">i", -1) + text("") + struct.pack(">q", -1) + offsets)
            (_, errors), = r.array(lambda: (r.string(), r.array(lambda: r.take("ih")[1])))
            return max(errors)
        for group in ("vast", "vaster"):
            self.settle(lambda: commit(group))
        self.settle(lambda: self.commit(connection, "small", 7))
        assert self.delete(connection, ["vast", "none", "small", "vaster"]) == \
            [("vast", 0), ("none", UNKNOWN_GROUP), ("small", 0), ("vaster", 0)]
        assert self.listed(connection) == set()
        assert self.committed(connection, "vast", "wide") == -1
        self.settle(lambda: self.commit(connection, "vast", 8))
        assert self.committed(connection, "vast") == 8
        assert self.committed(connection, "vast", "wide") == -1
        assert self.delete(connection, ["vast"]) == [("vast", 0)]

    def check_others_are_answered_meanwhile(self):
        """A hundred thousand groups in one request are no reason to leave another connection alone."""
        connection, other = self.client(), self.broker.connect()
        names = array([text(str(i)) for i in range(100_000)])
        sent = connection.send(DESCRIBE, 0, names)
        connection.socket.setblocking(False)
        answered = 0
        while True:
            other.metadata(["orders"])
            answered += 1
            try:
                begun = connection.socket.recv(1)
                break
            except BlockingIOError:
                pass
        assert sent and begun, "closed"
        assert answered >= 10, f"{answered} answers while one request was worked on"
        connection.close()

    def check_one_answer_has_a_bound(self):
        """Strom's own: what is gathered for one request is charged, and ends its connection when it is too much."""
        if self.broker.kind == "kafka":
            return
        connection = self.client()
        self.settle(lambda: self.commit(connection, "large", 1, note="n" * 4000))
        group = lambda: b"\x06large" + b"\0" + b"\0"
        count = 40_000
        varint = bytes([(count + 1) & 0x7f | 0x80, (count + 1) >> 7 & 0x7f | 0x80, (count + 1) >> 14])
        try:
            connection.call_flexible(FETCH, 8, varint + group() * count + b"\0\0")
            raise AssertionError("answered")
        except ConnectionError:
            pass
        assert "answer_too_large" in self.broker.said(200)
        assert self.committed(self.broker.connect(), "large") == 1


if __name__ == "__main__":
    sys.exit(node.run_suite(Suite, {} if node.KIND == "kafka" else OWN))
