# SPDX-License-Identifier: Apache-2.0
"""The peers of the hostile suite: the honest client, whose rate is measured, and volleys of frames."""
import collections
import multiprocessing
import os
import selectors
import socket
import struct
import time

import kafka_wire as wire

MEBIBYTE, WINDOW_S = 1 << 20, 0.5


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

    def windows(self, count, keep_on=None):
        """The rates of so many half seconds, one after the other; keep_on() is called at the beginning of each."""
        rates = []
        for _ in range(count):
            before, start = self.count.value, time.monotonic()
            if keep_on:
                keep_on()
            time.sleep(max(0.0, start + WINDOW_S - time.monotonic()))
            rates.append((self.count.value - before) / (time.monotonic() - start))
        return rates

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
