#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile peers against one node with a small memory budget: whatever they send, hold or leave unread, honest clients are served, memory
stays within the budget, and what they took is given back.

    hostile.py [--full] [--seed N]

The short form takes a part of the mutants and fewer connections; --full takes all. A failure names the seed."""
import argparse
import collections
import errno
import os
import random
import re
import socket
import statistics
import struct
import sys
import time

import kafka_wire as wire
import mutants
import node
from hostile_peers import MEBIBYTE, Honest, Volley, reset

UNREGISTER_BROKER = 64
BUDGET, FRAME_MAX = 64 * MEBIBYTE, 16 * MEBIBYTE
SANITIZED = "san" in os.path.basename(node.BUILD)
# Beyond the budget: code, threads' stacks, the allocator's slack, one batch being decompressed; and for each of two shards what the handler of
# one request makes that began within it. The sanitizers' shadow and quarantine are theirs.
ALLOWANCE = (32 + 2 * 32 if not SANITIZED else 2048) * MEBIBYTE
SETTINGS = {"queued.max.request.bytes": str(BUDGET), "socket.request.max.bytes": str(FRAME_MAX), "auto.create.topics.enable": "false",
            "strom.shards": "2", "num.partitions": "1"}


class Suite:
    def __init__(self, broker, full, seed):
        self.broker, self.full, self.random = broker, full, random.Random(seed)
        self.served = broker.connect().api_versions()
        served = {key: span for key, span in self.served.items() if key != UNREGISTER_BROKER}     # it would do as it is told
        self.requests = mutants.golden(served)
        connection = broker.connect()
        connection.create_topic("honest")
        connection.create_topic("target")
        self.bystander = connection
        self.peers, self.figures, self.rows = [], {}, {}
        for topic in ("honest", "target"):
            wire.wait_for(lambda t=topic: connection.list_offset(t, 0, -1), 20, "served")
        self.honest = Honest(broker.port, "honest")
        self.honest.rate(0.5)
        self.base_kib, self.base_descriptors = self.resident_kib(), self.descriptors()

    # what the node takes ------------------------------------------------------------------------------------------------------

    def resident_kib(self, field="VmRSS"):
        with open(f"/proc/{self.broker.process.pid}/status", encoding="ascii") as status:
            return int(re.search(field + r":\s+(\d+)", status.read()).group(1))

    def forget_most(self):
        """VmHWM, the most that was resident, counts from now on."""
        with open(f"/proc/{self.broker.process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.broker.process.pid}/fd"))

    def attack(self, name, action):
        """Runs it; then the node still stands, serves, took no more than it may, and has given it back."""
        self.forget_most()
        told = action()
        most = self.resident_kib("VmHWM") // 1024
        assert self.broker.process.poll() is None, f"the node ended:\n{self.broker.said()}"
        start = time.monotonic()
        with_new = self.broker.connect(timeout=10 if not SANITIZED else 60)
        assert with_new.api_versions() and self.bystander.api_versions(), "honest clients are not served"
        with_new.close()
        served_in = time.monotonic() - start
        for peer in self.peers:
            reset(peer)
        self.peers.clear()
        wire.wait_for(lambda: self.descriptors() <= self.base_descriptors + 8, 20 if not SANITIZED else 120, f"{self.descriptors()} descriptors, {self.base_descriptors} before")
        print(f"      {name}: {told} at most {most} MiB resident, served in {served_in * 1000:.0f} ms", flush=True)
        self.rows[name] = (max(most, self.rows.get(name, (0,))[0]), self.figures.get(name))
        assert most <= (BUDGET + ALLOWANCE) // MEBIBYTE, f"{most} MiB resident"
        assert served_in < (5 if not SANITIZED else 60), f"a new client waited {served_in:.1f} s"

    def hold(self, name, action, windows=6, keep_on=None):
        """For peers that hold something, or keep_on() doing something each half second: honest clients keep at least half of the throughput
        that they have alone, before and after. Others use the machine, too, so what is measured once too low is measured again."""
        around = 3 if self.full else 1
        windows = windows if self.full else 3
        for _ in range(3):
            alone = self.honest.windows(around)
            def act():
                told = action()
                self.beside = self.honest.windows(windows, keep_on)
                return told
            self.attack(name, act)
            alone += self.honest.windows(around)
            ratio = statistics.median(self.beside) / max(1.0, statistics.median(alone))
            self.figures[name] = max(ratio, self.figures.get(name, 0.0))
            self.rows[name] = (self.rows[name][0], self.figures[name])
            print(f"      {name}: honest {statistics.median(self.beside):.0f}/s, alone {statistics.median(alone):.0f}/s", flush=True)
            if ratio >= 0.5 or SANITIZED:                   # a sanitizer's node is busy with itself
                return
        raise AssertionError(f"honest clients keep {self.figures[name]:.2f} of their throughput")

    def open(self, count, data=b"", receive_buffer=None):
        for _ in range(count):
            peer = socket.socket()
            if receive_buffer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            peer.settimeout(20)
            peer.connect(("127.0.0.1", self.broker.port))
            peer.setblocking(False)
            try:
                if data:
                    peer.send(data)
            except OSError as error:
                assert error.errno in (errno.EAGAIN, errno.ECONNRESET, errno.EPIPE), error
            self.peers.append(peer)

    def volley(self, frames, raw=False):
        return Volley(self.broker.port).send(frames, raw)

    def share(self, frames, most):
        """All of them, or in the short form so many, drawn."""
        return frames if self.full or len(frames) <= most else self.random.sample(frames, most)

    # attacks ------------------------------------------------------------------------------------------------------------------

    def check_idle_connections(self):
        count = 10000 if self.full else 2000
        def act():
            before = self.resident_kib()
            self.open(count, struct.pack(">ihhi", 10, 18, 0, 1) + wire.text(None))
            time.sleep(1)
            each = (self.resident_kib() - before) * 1024 / count
            self.figures["bytes per idle connection"] = each
            assert each <= 8192 or SANITIZED, f"{each:.0f} bytes for an idle connection"
            return f"{count} connections, {each:.0f} bytes each,"
        self.hold("idle connections", act)

    def check_truncations(self):
        frames = [cut for _, _, frame in self.requests for cut in mutants.truncations(frame)]
        self.attack("truncations", lambda: self.volley(self.share(frames, 3000)))

    def check_lengths_that_lie(self):
        requests = self.share(self.requests, 40)
        def act():
            told = collections.Counter()
            for _, _, frame in requests:
                told.update(self.volley(self.share(list(mutants.lies(frame)), 80)))
            return dict(told)
        self.attack("lengths that lie", act)

    def check_longest_strings(self):
        self.attack("longest strings", lambda: self.volley(list(mutants.longest(self.served))))

    def check_random_mutations(self):
        count = 100000 if self.full else 3000
        pool = [frame for _, _, frame in self.requests]
        self.attack("random mutations", lambda: self.volley(mutants.bent(self.random.choice(pool), self.random) for _ in range(count)))

    def check_unknown_versions_and_keys(self):
        frames = [mutants.header(key, version, False) + b"\0" * 20
                  for key in [-32768, -1, *range(120), 999, 32767]
                  for version in (-32768, -1, *(range(25) if key in self.served else (0, 1)), 32767)]
        self.attack("unknown versions and keys", lambda: self.volley(frames))

    def check_responses_as_requests(self):
        """What a broker would send, in the place of a request; headers of too many tags, and of clients that are too long."""
        frames = self.share([frame for _, _, frame in mutants.golden(self.served, "response")], 500)
        flood = mutants.header(18, 3, False) + mutants.uvarint(20000) + b"".join(mutants.uvarint(i) + b"\0" for i in range(20000))
        frames += [flood, struct.pack(">hhih", 18, 0, 1, 32767), struct.pack(">hhih", 18, 0, 1, -2),
                   struct.pack(">hhih", 18, 0, 1, 30000) + b"c" * 30000, struct.pack(">hhih", 3, 0, 1, 4) + b"\xff\xfe\0\xff" + b"\0" * 4]
        self.attack("responses as requests", lambda: self.volley(frames))

    def check_frame_sizes(self):
        sizes = [-1, -0x80000000, 0, 1, 7, FRAME_MAX + 1, 0x7FFFFFFF, 0x16030100, 0x47455420]       # the last two: TLS, and HTTP
        self.attack("frame sizes", lambda: self.volley([struct.pack(">i", size) + b"\0" * 32 for size in sizes] * 20, raw=True))

    def check_arrays_in_a_large_frame(self):
        """What a frame decodes to is many times its size; several of the largest at once."""
        count = 300000
        topics = mutants.header(3, 1, False) + struct.pack(">i", count) + struct.pack(">h", 0) * count
        many = mutants.header(3, 1, False) + struct.pack(">i", 0x7FFFFFF) + b"\0" * (FRAME_MAX - 100)
        offsets = mutants.header(2, 1, False) + struct.pack(">ii", -1, 1) + wire.text("target") + struct.pack(">i", count) + b"\0" * (12 * count)
        self.attack("arrays in a large frame", lambda: self.volley([topics, many, offsets] * (10 if self.full else 3), raw=False))

    def check_decompression_bombs(self):
        zeros = bytes((512 if self.full else 128) * MEBIBYTE)
        def bomb(codec):
            packed = wire.compress(codec, zeros)
            tail = struct.pack(">hiqqqhii", codec, 0, 0, 0, -1, -1, -1, 1) + packed
            return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, wire.crc32c(tail)) + tail
        frames = [mutants.header(0, 7, False) + wire.Connection.produce_body("target", 0, bomb(codec), 1) for codec in (wire.GZIP, wire.LZ4, wire.ZSTD)]
        self.hold("decompression bombs", lambda: self.volley(frames * 4), 6, lambda: self.volley(frames))

    def check_half_frames(self):
        def act():
            self.open(1000, struct.pack(">i", FRAME_MAX) + struct.pack(">hhi", 0, 7, 1) + b"x" * 200)
            return "1000 half frames,"
        self.hold("half frames", act)

    def check_half_frames_of_much(self):
        """Each sends a part of its frame that together is more than all memory."""
        piece = struct.pack(">i", FRAME_MAX) + struct.pack(">hhi", 0, 7, 1) + b"x" * 400000
        def act():
            self.open(300, piece)
            return "300 half frames of 400 kB,"
        self.hold("half frames of much", act, 8)

    def fetch_frame(self, count):
        body = struct.pack(">iiiibi", -1, 20000, 1 << 20, 1 << 20, 0, 1) + wire.text("target")
        body += struct.pack(">i", count) + struct.pack(">iqi", 0, 0, 1000) * count
        frame = mutants.header(1, 4, False) + body
        return struct.pack(">i", len(frame)) + frame

    def send_whole(self, count, frame):
        """As far as the node takes it."""
        self.open(count)
        for peer in self.peers:
            peer.settimeout(0.1)
            try:
                peer.sendall(frame)
            except OSError:
                pass

    def check_parked_fetches(self):
        """Small requests that wait long, each for very many partitions."""
        def act():
            self.send_whole(300, self.fetch_frame(5000))
            time.sleep(2)                                           # until what can be made of them is made
            return "300 fetches of 5000 partitions,"
        self.hold("parked fetches", act)

    def check_wide_fetches(self):
        """What is decoded and built for one is forty times its frame; for the widest it is more than there is."""
        def act():
            self.send_whole(100 if self.full else 10, self.fetch_frame(20000))
            time.sleep(4 if self.full else 2)
            return f"{len(self.peers)} fetches of 20000 partitions,"
        self.hold("wide fetches", act)
        self.attack("widest fetches", lambda: self.volley([self.fetch_frame(1000000)] * 4, raw=True))

    def check_answers_larger_than_memory(self):
        """A partition is named very often, and its producers are told each time."""
        now = int(time.time() * 1000)
        for pid in range(60):
            self.bystander.produce("target", 0, wire.batch([(b"k", b"v", [], now)], pid=9000 + pid, pepoch=0, seq=0))
        frames = [mutants.header(61, 0, True) + b"\x02\x07target" + mutants.uvarint(count + 1) + b"\0\0\0\0" * count + b"\0\0"
                  for count in (20000, 400000)]
        def act():
            for frame in frames * 2:
                peer = self.broker.connect(60)
                try:
                    peer.socket.sendall(struct.pack(">i", len(frame)) + frame)
                    raise AssertionError(f"answered: {len(peer.receive()[1])} bytes")
                except ConnectionError:
                    peer.close()
            return "4 closed,"
        self.attack("answers larger than memory", act)

    def check_never_reading_peers(self):
        for i in range(4):
            self.bystander.create_topic(f"wide-{i}", 250)
        ask = struct.pack(">ihhihi", 14, 3, 1, 7, -1, -1) * 400
        count = 1000 if self.full else 300
        def act():
            self.open(count, ask, receive_buffer=4096)
            time.sleep(2)                                           # until what they asked for is made, as far as it is
            return f"{count} peers,"
        self.hold("never-reading peers", act, 8)
        for i in range(4):
            self.bystander.delete_topic(f"wide-{i}")

    def check_slow_readers(self):
        """They take a byte at a time, so that they are never quite idle."""
        self.bystander.create_topic("wide", 250)
        ask = struct.pack(">ihhihi", 14, 3, 1, 7, -1, -1) * 400
        count = 1000 if self.full else 300
        def act():
            self.open(count, ask, receive_buffer=4096)
            time.sleep(1)
            return f"{count} peers,"
        def take_one():
            for peer in self.peers:
                try:
                    peer.recv(1)
                except OSError:
                    pass
        self.hold("slow readers", act, 8, take_one)
        self.bystander.delete_topic("wide")

    def check_slow_writers(self):
        """They send a byte at a time of a frame that is right, and large."""
        count = 1000 if self.full else 300
        frame = struct.pack(">i", FRAME_MAX) + struct.pack(">hhi", 0, 7, 1) + b"x" * 100
        def act():
            self.sent = 0
            self.open(count, frame[:8])
            return f"{count} peers,"
        def send_one():
            for peer in self.peers:
                try:
                    peer.send(frame[8 + self.sent:9 + self.sent])
                except OSError:
                    pass
            self.sent += 1
        self.hold("slow writers", act, 8, send_one)

    def check_byte_by_byte(self):
        """Slow, but right: each is answered."""
        frame = struct.pack(">ihhi", 10, 18, 0, 5) + wire.text(None)
        def act():
            self.open(50)
            for byte in frame:
                for peer in self.peers:
                    peer.send(bytes([byte]))
                time.sleep(0.005)
            for peer in self.peers:
                peer.settimeout(20)
                assert struct.unpack_from(">ii", peer.recv(4096))[1] == 5
            return "50 answered,"
        self.attack("byte by byte", act)

    def check_churn(self):
        """A thousand connections in a second come and go, some in the middle of what they say."""
        request = struct.pack(">ihhi", 10, 18, 0, 5) + wire.text(None)
        def come_and_go():
            for i in range(500):
                peer = socket.create_connection(("127.0.0.1", self.broker.port), timeout=20)
                if i % 3:
                    peer.send(request[:self.random.randrange(len(request) + 1)])
                if i % 7 == 0:
                    peer.shutdown(socket.SHUT_WR)
                reset(peer)
        self.hold("churn", lambda: "1000 connections a second,", 40 if self.full else 6, come_and_go)

    def check_stop(self):
        """With some of all still there it ends as it should."""
        self.open(100, struct.pack(">i", FRAME_MAX) + b"x" * 1000)
        self.open(100)
        self.open(50, struct.pack(">ihhihi", 14, 3, 1, 7, -1, -1) * 400, receive_buffer=4096)
        self.honest.stop()
        self.broker.stop()
        said = self.broker.said(10000)
        assert "ERROR: AddressSanitizer" not in said and "runtime error" not in said and "assert" not in said, said


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--only", help="checks whose names contain this")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with node.Node(settings=SETTINGS) as broker:
        broker.start()
        suite = Suite(broker, arguments.full, arguments.seed)
        checks = node.checks_of(suite)
        if arguments.only:
            checks = [check for check in checks if arguments.only in check[0] or check[0] == "stop"]
        code = node.run(checks, broker)
        print(f"{'row':30} {'MiB, at most':>12} {'honest':>8}")
        for name, (most, ratio) in suite.rows.items():
            print(f"{name:30} {most:12} {'' if ratio is None else format(ratio, '.2f'):>8}")
    if code:
        print(f"seed {arguments.seed}")
    return code


if __name__ == "__main__":
    sys.exit(main())
