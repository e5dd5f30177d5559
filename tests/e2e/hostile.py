#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile peers against one node with a small memory budget: whatever they send, hold or leave unread, honest clients are served, memory
stays within the budget, and what they took is given back.

    hostile.py [--full] [--seed N]

The short form takes a part of the mutants and fewer connections; --full takes all. A failure names the seed."""
import argparse
import collections
import errno
import multiprocessing
import os
import random
import re
import selectors
import socket
import struct
import sys
import time

import kafka_wire as wire
import mutants
import node

MEBIBYTE = 1 << 20
UNREGISTER_BROKER = 64
BUDGET, FRAME_MAX = 64 * MEBIBYTE, 16 * MEBIBYTE
SANITIZED = "sanitize" in node.BUILD
# Beyond the budget: code, threads' stacks, the allocator's slack, one batch being decompressed. The sanitizers' shadow and quarantine are theirs.
ALLOWANCE = (64 if not SANITIZED else 2048) * MEBIBYTE
SETTINGS = {"queued.max.request.bytes": str(BUDGET), "socket.request.max.bytes": str(FRAME_MAX), "auto.create.topics.enable": "false",
            "strom.shards": "2", "num.partitions": "1"}


def serve_honestly(port, topic, count, stop):
    """What a client does that has nothing to do with it: produce and ask for the end, one after the other."""
    records = wire.batch([(b"k", b"v" * 1000, [], 1700000000000)])
    connection, parent = None, os.getppid()
    while not stop.is_set() and os.getppid() == parent:
        try:
            connection = connection or wire.Connection(port, timeout=20)
            connection.produce(topic, 0, records, acks=1)
            connection.list_offset(topic, 0, -1)
            count.value += 1
        except OSError:
            connection = None
            time.sleep(0.01)


class Honest:
    """The honest client in a process of its own, and its rate."""

    def __init__(self, port, topic):
        self.count, self.stop_event = multiprocessing.Value("q", 0), multiprocessing.Event()
        self.process = multiprocessing.Process(target=serve_honestly, args=(port, topic, self.count, self.stop_event), daemon=True)
        self.process.start()

    def rate(self, seconds):
        before, start = self.count.value, time.monotonic()
        time.sleep(seconds)
        return (self.count.value - before) / (time.monotonic() - start)

    def stop(self):
        self.stop_event.set()
        self.process.join(30)
        assert self.process.exitcode == 0, "the honest client did not come to its end"


def reset(peer):
    """Closed without leaving its port in TIME_WAIT."""
    try:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    peer.close()


class Volley:
    """Sends frames, each on a connection on which nothing is under way, many at once; what is answered, closed, or stays quiet is counted."""
    WIDTH, QUIET_S = 100, 0.05

    def __init__(self, port):
        self.port, self.selector = port, selectors.DefaultSelector()
        self.spare, self.flying, self.counts = [], {}, collections.Counter()

    def launch(self, data):
        peer = self.spare.pop() if self.spare else socket.create_connection(("127.0.0.1", self.port), timeout=20)
        peer.settimeout(20)
        try:
            peer.sendall(data)
        except OSError:
            self.end(peer, "closed")
            return
        peer.setblocking(False)
        self.flying[peer] = time.monotonic() + (self.QUIET_S if len(data) < MEBIBYTE else 20)
        self.selector.register(peer, selectors.EVENT_READ)

    def end(self, peer, outcome):
        self.counts[outcome] += 1
        if peer in self.flying:
            del self.flying[peer]
            self.selector.unregister(peer)
        if outcome == "answered":
            self.spare.append(peer)
        else:
            reset(peer)

    def collect(self):
        for key, _ in self.selector.select(0.01):
            try:
                answer = key.fileobj.recv(1 << 16)
                key.fileobj.settimeout(20)
                while len(answer) >= 4 and len(answer) < struct.unpack_from(">i", answer)[0] + 4:
                    more = key.fileobj.recv(1 << 20)
                    if not more:
                        break
                    answer += more
                self.end(key.fileobj, "answered" if answer else "closed")
            except OSError:
                self.end(key.fileobj, "closed")
        now = time.monotonic()
        for peer in [peer for peer, due in self.flying.items() if due < now]:
            self.end(peer, "quiet")

    def send(self, frames, raw=False):
        for frame in frames:
            self.launch(frame if raw else struct.pack(">i", len(frame)) + frame)
            while len(self.flying) >= self.WIDTH:
                self.collect()
        while self.flying:
            self.collect()
        for peer in self.spare:
            reset(peer)
        self.spare.clear()
        return dict(self.counts)


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
        self.peers, self.figures = [], {}
        for topic in ("honest", "target"):
            wire.wait_for(lambda t=topic: connection.list_offset(t, 0, -1), 20, "served")
        self.honest = Honest(broker.port, "honest")
        self.honest.rate(0.5)
        self.base_kib, self.base_descriptors = self.resident_kib(), self.descriptors()

    # what the node takes ------------------------------------------------------------------------------------------------------

    def resident_kib(self):
        with open(f"/proc/{self.broker.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.broker.process.pid}/fd"))

    def attack(self, name, action):
        """Runs it; then the node still stands, serves, and has given back what it took."""
        rest = self.honest.rate(0.5)
        start, count = time.monotonic(), self.honest.count.value
        told = action()
        during = (self.honest.count.value - count) / (time.monotonic() - start)
        resident = self.resident_kib()
        assert self.broker.process.poll() is None, f"the node ended:\n{self.broker.said()}"
        start = time.monotonic()
        with_new = self.broker.connect(timeout=10)
        assert with_new.api_versions() and self.bystander.api_versions(), "honest clients are not served"
        with_new.close()
        served_in = time.monotonic() - start
        for peer in self.peers:
            reset(peer)
        self.peers.clear()
        wire.wait_for(lambda: self.descriptors() <= self.base_descriptors + 8, 20, f"{self.descriptors()} descriptors, {self.base_descriptors} before")
        print(f"      {name}: {told} resident {resident // 1024} MiB, honest {during:.0f}/s of {rest:.0f}/s, served in {served_in * 1000:.0f} ms", flush=True)
        assert resident * 1024 <= BUDGET + ALLOWANCE, f"{resident} KiB resident"
        assert served_in < 5, f"a new client waited {served_in:.1f} s"
        return during, rest

    def hold(self, name, action, seconds=3):
        """For peers that hold something and are quiet then: honest clients keep at least half of their rate. Others use the machine, too, so
        what is measured once too low is measured again."""
        for _ in range(3):
            if self.hold_once(name, action, seconds) >= 0.5:
                return
        raise AssertionError(f"honest clients keep {self.figures[name]:.2f} of their throughput")

    def hold_once(self, name, action, seconds):
        def act():
            told = action()
            self.during = self.honest.rate(seconds)
            return told
        _, before = self.attack(name, act)
        after = self.honest.rate(0.5)
        ratio = self.during / max(1.0, (before + after) / 2)
        self.figures[name] = ratio
        print(f"      {name}: honest throughput {ratio:.2f} of what it is alone", flush=True)
        return ratio

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
        self.attack("decompression bombs", lambda: self.volley(frames * 4))

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
        self.hold("half frames of much", act, 4)

    def check_parked_fetches(self):
        """Small requests that wait long, each for very many partitions."""
        count = 5000
        body = struct.pack(">iiiibi", -1, 20000, 1 << 20, 1 << 20, 0, 1) + wire.text("target")
        body += struct.pack(">i", count) + struct.pack(">iqi", 0, 0, 1000) * count
        frame = mutants.header(1, 4, False) + body
        def act():
            self.open(300)
            for peer in self.peers:
                peer.settimeout(0.1)
                try:
                    peer.sendall(struct.pack(">i", len(frame)) + frame)
                except OSError:
                    pass
            return f"{len(self.peers)} fetches of {count} partitions,"
        self.hold("parked fetches", act)

    def check_never_reading_peers(self):
        for i in range(4):
            self.bystander.create_topic(f"wide-{i}", 250)
        ask = struct.pack(">ihhihi", 14, 3, 1, 7, -1, -1) * 400
        count = 1000 if self.full else 300
        def act():
            self.open(count, ask, receive_buffer=4096)
            most = 0
            for _ in range(60 if self.full or SANITIZED else 20):       # until what they asked for is made, as far as it is
                time.sleep(0.1)
                most = max(most, self.resident_kib())
            self.figures["MiB resident under never-reading peers"] = most / 1024
            assert most * 1024 <= BUDGET + ALLOWANCE, f"{most} KiB resident"
            return f"{count} peers, at most {most // 1024} MiB,"
        self.hold("never-reading peers", act, 4)
        for i in range(4):
            self.bystander.delete_topic(f"wide-{i}")

    def check_slow_readers(self):
        """They take a few bytes at a time, so that they are never quite idle."""
        self.bystander.create_topic("wide", 250)
        ask = struct.pack(">ihhihi", 14, 3, 1, 7, -1, -1) * 400
        def act():
            self.open(200, ask, receive_buffer=4096)
            start, rates = time.monotonic(), self.honest.count.value
            while time.monotonic() < start + 3:
                for peer in self.peers:
                    try:
                        peer.recv(64)
                    except OSError:
                        pass
                time.sleep(0.1)
            return f"honest {(self.honest.count.value - rates) / 3:.0f}/s meanwhile,"
        self.hold("slow readers", act)
        self.bystander.delete_topic("wide")

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
        count = 20000 if self.full else 3000
        request = struct.pack(">ihhi", 10, 18, 0, 5) + wire.text(None)
        def act():
            for i in range(count):
                peer = socket.create_connection(("127.0.0.1", self.broker.port), timeout=20)
                if i % 3:
                    peer.send(request[:self.random.randrange(len(request) + 1)])
                if i % 7 == 0:
                    peer.shutdown(socket.SHUT_WR)
                reset(peer)
            return f"{count} connections came and went,"
        self.attack("churn", act)

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
        checks = [(name[6:].replace("_", " "), getattr(suite, name)) for name in vars(Suite) if name.startswith("check_")]
        if arguments.only:
            checks = [check for check in checks if arguments.only in check[0] or check[0] == "stop"]
        code = node.run(checks, broker)
        for name, figure in suite.figures.items():
            print(f"figure: {name}: {figure:.2f}")
    if code:
        print(f"seed {arguments.seed}")
    return code


if __name__ == "__main__":
    sys.exit(main())
