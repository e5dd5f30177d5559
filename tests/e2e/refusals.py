#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a peer is answered that says what it may not, or nothing: nothing, mostly, and its connection ends. BROKER=kafka runs it against Kafka."""
import socket
import struct
import sys
import time

import kafka_wire as wire
import node

FRAME_MAX, IDLE_MS, PATIENCE_S = 20000, 3000, 10
API_VERSIONS, METADATA, VOTE, UNSUPPORTED_VERSION = 18, 3, 52, 35
CORRELATION = 7


def header(key, version, client=b"\0\1x"):
    return struct.pack(">hhi", key, version, CORRELATION) + client


def framed(data):
    return struct.pack(">i", len(data)) + data


ASK = framed(header(API_VERSIONS, 0))
NO_TOPICS = struct.pack(">i", 0)


class Suite:
    def __init__(self, broker):
        self.broker = broker

    def told(self, data, answers=0):
        """Whether the connection was closed after data and so many answers; the answers are returned."""
        with socket.create_connection(("127.0.0.1", self.broker.port), timeout=PATIENCE_S) as peer:
            peer.sendall(data)
            got = b""
            found = []
            while True:
                while len(got) >= 4 and len(got) >= 4 + struct.unpack_from(">i", got)[0]:
                    size = struct.unpack_from(">i", got)[0]
                    found.append(got[4:4 + size])
                    got = got[4 + size:]
                if len(found) > answers:
                    raise AssertionError(f"answered: {found[-1][:40].hex()}")
                try:
                    part = peer.recv(1 << 16)
                except ConnectionResetError:
                    part = b""
                if not part:
                    assert len(found) == answers, f"closed after {len(found)} answers"
                    return found
                got += part

    def closes(self, cases, answers=0):
        for name, data in cases.items():
            start = time.monotonic()
            try:
                self.told(data, answers)
            except (AssertionError, TimeoutError) as problem:
                raise AssertionError(f"{name}: {problem!r}") from None
            assert time.monotonic() - start < IDLE_MS / 1000, f"{name}: it ended for being idle only"

    def answers(self, cases):
        """Each is answered, and so is what follows on the same connection."""
        for name, data in cases.items():
            with socket.create_connection(("127.0.0.1", self.broker.port), timeout=PATIENCE_S) as peer:
                peer.sendall(data + ASK)
                try:
                    for _ in range(2):
                        size = struct.unpack(">i", peer.recv(4, socket.MSG_WAITALL))[0]
                        assert struct.unpack_from(">i", peer.recv(size, socket.MSG_WAITALL))[0] == CORRELATION
                except (OSError, struct.error) as problem:
                    raise AssertionError(f"{name}: {problem!r}") from None

    def check_unknown_keys_and_versions(self):
        self.closes({
            "unknown key": framed(header(999, 0)), "negative key": framed(header(-1, 0)), "least key": framed(header(-32768, 0)),
            "a controller's key": framed(header(VOTE, 0) + b"\0" * 20), "version above": framed(header(METADATA, 77) + NO_TOPICS),
            "version below": framed(header(METADATA, -1) + NO_TOPICS), "version that went": framed(header(1, 0) + b"\0" * 30),
        })

    def check_unknown_version_of_api_versions(self):
        """The one that is answered: in the form of version 0, with what it may be asked in (KIP-511)."""
        self.closes({"tags that cannot be read": framed(header(API_VERSIONS, 77) + b"\xff\xee")})
        for version in (6, 77, 32767, -1, -32768):
            with socket.create_connection(("127.0.0.1", self.broker.port), timeout=PATIENCE_S) as peer:
                peer.sendall(framed(header(API_VERSIONS, version) + b"\0\xff\xee"))
                size = struct.unpack(">i", peer.recv(4, socket.MSG_WAITALL))[0]
                answer = peer.recv(size, socket.MSG_WAITALL)
                assert struct.unpack_from(">ihihhh", answer) == (CORRELATION, UNSUPPORTED_VERSION, 1, API_VERSIONS, 0, 5), (version, answer.hex())
                assert size == 16, size
                peer.sendall(ASK)
                size = struct.unpack(">i", peer.recv(4, socket.MSG_WAITALL))[0]
                assert struct.unpack_from(">ih", peer.recv(size, socket.MSG_WAITALL)) == (CORRELATION, 0)

    def check_sizes(self):
        self.closes({f"size {size}": struct.pack(">i", size) + b"\0" * 16 for size in (-1, -0x80000000, 0, FRAME_MAX + 1, 0x7FFFFFFF)})
        self.closes({"http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "tls": b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3" + b"\0" * 300})
        rest = FRAME_MAX - len(header(METADATA, 1) + NO_TOPICS)
        self.answers({"the largest": framed(header(METADATA, 1) + NO_TOPICS + b"\0" * rest)})
        self.closes({"one more": framed(header(METADATA, 1) + NO_TOPICS + b"\0" * (rest + 1))})

    def check_what_cannot_be_read(self):
        self.closes({
            "one byte": framed(b"\0"), "half a header": framed(b"\0\3\0\1\0\0"), "no client": framed(struct.pack(">hhi", METADATA, 1, 7)),
            "client that is too long": framed(struct.pack(">hhihh", METADATA, 1, 7, 30000, 0)),
            "no body": framed(header(METADATA, 1)), "array too long": framed(header(METADATA, 1) + struct.pack(">i", 1000)),
            "largest array": framed(header(METADATA, 1) + struct.pack(">i", 0x7FFFFFFF)),
            "text too long": framed(header(METADATA, 1) + struct.pack(">ih", 1, 200) + b"x"),
            "null where none may be": framed(header(METADATA, 1) + struct.pack(">ih", 1, -1)),
        })

    def check_what_is_read_all_the_same(self):
        self.answers({
            "null client": framed(header(METADATA, 1, b"\xff\xff") + NO_TOPICS), "empty client": framed(header(METADATA, 1, b"\0\0") + NO_TOPICS),
            "client of other bytes": framed(header(METADATA, 1, b"\0\2\xff\xfe") + NO_TOPICS),
            "more than is read": framed(header(METADATA, 1) + NO_TOPICS + b"\0\1\2\3"),
            "null array": framed(header(METADATA, 1) + struct.pack(">i", -1)),
        })

    def check_answers_before_the_end(self):
        """What came before is answered, in order, and what comes after is not."""
        self.closes({"bad after good": ASK * 3 + framed(header(999, 0)) + ASK * 2}, answers=3)

    def check_idle(self):
        """Whoever says nothing is let go, and no earlier than said; whoever says something now and then stays."""
        quiet = socket.create_connection(("127.0.0.1", self.broker.port), timeout=3 * IDLE_MS / 1000 + PATIENCE_S)
        half = socket.create_connection(("127.0.0.1", self.broker.port), timeout=3 * IDLE_MS / 1000 + PATIENCE_S)
        busy = self.broker.connect()
        half.sendall(b"\0\0\0\x10\0")
        start = time.monotonic()
        while time.monotonic() < start + 1.5 * IDLE_MS / 1000:
            busy.api_versions()
            time.sleep(0.2)
        for peer in (quiet, half):
            assert peer.recv(1) == b"", "answered"
        assert busy.api_versions()
        start = time.monotonic()
        assert busy.socket.recv(1) == b""
        assert 0.9 * IDLE_MS / 1000 <= time.monotonic() - start <= 2 * IDLE_MS / 1000 + 2, time.monotonic() - start


if __name__ == "__main__":
    sys.exit(node.run_suite(Suite, {"socket.request.max.bytes": str(FRAME_MAX), "connections.max.idle.ms": str(IDLE_MS),
                                    "queued.max.request.bytes": "1048576"}))
