#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Limits of connections that change while the broker runs, and are seen to act. BROKER=kafka runs it against Kafka."""
import os
import socket
import subprocess
import sys
import time

import kafka_wire as wire
import node

BROKER, OWN, PATIENCE = 4, "1", 20


class Suite:
    def __init__(self, broker):
        self.broker = broker
        self.control = broker.connect()
        self.base = 1                                   # the control's own

    def opened(self, count):
        """So many new connections, each asked for the versions; (peer, it was answered) of each within a second or so."""
        peers = [socket.create_connection(("127.0.0.1", self.broker.port), timeout=10) for _ in range(count)]
        for peer in peers:
            try:
                peer.sendall(b"\0\0\0\x0a\0\x12\0\0\0\0\0\x01\xff\xff")
            except OSError:
                pass
        return peers

    @staticmethod
    def state(peer, patience=0.3):
        """What became of it: answered, closed, or waits."""
        peer.settimeout(patience)
        try:
            return "answered" if peer.recv(4096) else "closed"
        except TimeoutError:
            return "waits"
        except OSError:
            return "closed"

    def set(self, **values):
        self.control.set_configs(BROKER, OWN, {key.replace("_", "."): value for key, value in values.items()})

    def expect(self, count, outcomes):
        """The change takes a moment to be heard of."""
        def right():
            peers = self.opened(count)
            try:
                found = [self.state(peer) for peer in peers]
            finally:
                for peer in peers:
                    peer.close()
            time.sleep(0.1)
            return sorted(found) == sorted(outcomes)
        wire.wait_for(right, PATIENCE, f"of {count} connections: {outcomes}")

    def check_per_address(self):
        """What is over it is closed at once; overrides go before; without them all come in again."""
        self.set(max_connections_per_ip=str(self.base + 2))
        self.expect(4, ["answered"] * 2 + ["closed"] * 2)
        self.set(max_connections_per_ip_overrides=f"127.0.0.1:{self.base + 3}")
        self.expect(4, ["answered"] * 3 + ["closed"])
        self.set(max_connections_per_ip=None, max_connections_per_ip_overrides=None)
        self.expect(4, ["answered"] * 4)

    def check_names(self):
        """An override may name a host. While its name server is slow everybody else is served, and then it counts."""
        if self.broker.kind == "kafka":
            return
        library = os.path.join(self.broker.folder, "slow_names.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, os.path.join(node.ROOT, "tests", "e2e", "slow_names.c"), "-ldl"], check=True)
        with node.Node(environment={"LD_PRELOAD": library}) as broker:
            broker.start()
            suite, begin = Suite(broker), time.monotonic()
            suite.set(max_connections_per_ip_overrides=f"slow:{suite.base + 1}")
            other = broker.connect(timeout=4)
            other.metadata([])
            other.close()
            assert time.monotonic() - begin < 4, "nobody was served while a name was looked up"
            suite.expect(3, ["answered"] + ["closed"] * 2)
            broker.stop()

    def check_all(self):
        """What is over it waits, and comes in when another leaves."""
        self.set(max_connections=str(self.base + 2))
        self.expect(3, ["answered"] * 2 + ["waits"])
        peers = self.opened(3)
        states = {peer: self.state(peer) for peer in peers}
        next(peer for peer in peers if states[peer] == "answered").close()
        late = next(peer for peer in peers if states[peer] == "waits")
        assert self.state(late, PATIENCE) == "answered"
        for peer in peers:
            peer.close()
        self.set(max_connections=None)
        self.expect(4, ["answered"] * 4)

    def check_of_a_listener(self):
        key = "listener.name.plaintext.max.connections"
        self.set(**{key: str(self.base + 1)})
        self.expect(2, ["answered", "waits"])
        self.set(**{key: None})
        self.expect(3, ["answered"] * 3)

    def check_lowered(self):
        """Below what is there: the least recently active go. (Of Kafka's threads each has its own, so it may be anyone, also who asked.)"""
        peers = self.opened(4)
        assert [self.state(peer, PATIENCE) for peer in peers] == ["answered"] * 4
        self.control.socket.settimeout(5)
        try:
            self.set(max_connections=str(self.base + 1))
        except OSError:
            pass
        wire.wait_for(lambda: sum(self.state(peer, 0.05) == "waits" for peer in peers) <= 2, PATIENCE, "two or three of four are closed")
        for peer in peers + [self.control]:
            peer.close()
        self.control = self.broker.connect()
        self.set(max_connections=None)
        self.expect(4, ["answered"] * 4)

    def check_rate(self):
        self.expect_rate("max.connection.creation.rate")

    def check_rate_of_a_listener(self):
        self.expect_rate("listener.name.plaintext.max.connection.creation.rate")

    def expect_rate(self, key):
        """Some come at once, and the others late; none is refused. (10 seconds' worth; the checks before have used a part.)"""
        self.set(**{key: "5"})
        start = time.monotonic()
        peers = self.opened(100)
        answered = sum(self.state(peer, 0.02) == "answered" for peer in peers)
        assert 10 <= answered < 100, answered
        assert self.state(peers[-1], 60) == "answered" and time.monotonic() - start > 2
        for peer in peers:
            peer.close()
        self.set(**{key: None})
        self.expect(4, ["answered"] * 4)


class SaidAtStart(Suite):
    """The same limits, from the file. (Suite's own checks are for a node of which none is said.)"""
    SETTINGS = {"listener.name.plaintext.max.connections": "4", "max.connections": "100", "max.connections.per.ip": "50",
                "max.connections.per.ip.overrides": "127.0.0.1:3"}

    def check_the_file(self):
        self.expect(3, ["answered"] * 2 + ["closed"])
        self.set(max_connections_per_ip_overrides="127.0.0.1:50")
        self.expect(4, ["answered"] * 3 + ["waits"])
        self.set(max_connections_per_ip_overrides=None)
        self.expect(3, ["answered"] * 2 + ["closed"])


def main():
    with node.Node().start() as broker, node.Node(settings=SaidAtStart.SETTINGS).start() as limited:
        return node.run(node.checks_of(Suite(broker)) + [("said at the start", SaidAtStart(limited).check_the_file)], broker)


if __name__ == "__main__":
    sys.exit(main())
