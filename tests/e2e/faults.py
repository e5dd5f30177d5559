#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: faults.py [--rounds N] [--seed N] [--pause SECONDS]

Faults of a real machine under acks=all load: system calls of one of two log directories fail (a preloaded library), a file system is full,
the process is stopped for a while as by SIGSTOP, the wall clock jumps by an hour and by a year. After each, everything acknowledged and
everything that a reader saw is there, byte for byte. Needs root for the full file system."""
import argparse
import errno
import os
import mmap
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import kafka_wire as wire
import load
import logs
import node

CALLS = ["write", "read", "sync", "rename", "open"]
HOUR, YEAR = 3600, 365 * 24 * 3600


class Control:
    """What tests/e2e/failing.c reads."""

    def __init__(self, folder):
        self.library, self.path = os.path.join(folder, "failing.so"), os.path.join(folder, "control")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", self.library, os.path.join(node.ROOT, "tests", "e2e", "failing.c"), "-ldl"],
                       check=True)
        with open(self.path, "wb") as file:
            file.truncate(4096)
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 4096)

    def environment(self):
        return {"LD_PRELOAD": self.library, "FAILING_CONTROL": self.path}

    def put(self, field, call, value):
        struct.pack_into("q", self.memory, 8 + 8 * (field * len(CALLS) + CALLS.index(call)), value)

    def step_clock(self, seconds):
        struct.pack_into("q", self.memory, 0, seconds)

    def arm(self, call, code, below, spared):
        path = below.encode() + b"\0"
        at = 8 + 8 * 3 * len(CALLS)
        self.memory[at:at + len(path)] = path
        self.put(1, call, spared)
        self.put(2, call, 0)
        self.put(0, call, code)

    def disarm(self):
        for call in CALLS:
            self.put(0, call, 0)

    def failed(self, call):
        return struct.unpack_from("q", self.memory, 8 + 8 * (2 * len(CALLS) + CALLS.index(call)))[0]


class Faults:
    def __init__(self, folder, options):
        self.options, self.draw, self.control = options, random.Random(options.seed), Control(folder)
        self.broker = node.Node(folder=folder, directories=[os.path.join(folder, "one"), os.path.join(folder, "two")],
                                environment=self.control.environment(),
                                settings={"log.segment.bytes": "1048576", "log.retention.ms": "-1", "log.index.interval.bytes": "1024",
                                          "log.message.timestamp.after.max.ms": str(2 ** 63 - 1)})
        self.broker.start()
        self.work = load.Load(self.broker, seed=options.seed)
        self.work.create()
        self.second = [p for p in range(load.PARTITIONS) if os.path.isdir(os.path.join(self.broker.directories[1], f"{self.work.topic}-{p}"))]
        assert 0 < len(self.second) < load.PARTITIONS, self.second

    def progress(self):
        """Acknowledged so far, of each partition."""
        with self.work.lock:
            return [len(of_partition) for of_partition in self.work.acknowledged]

    def await_progress(self, partitions, count=20):
        before = self.progress()
        wire.wait_for(lambda: all(self.progress()[p] >= before[p] + count for p in partitions), 30, f"appends to {partitions}")

    def verify(self):
        complaints = self.work.verify()
        assert not complaints, "\n  ".join([f"{len(complaints)} complaints"] + complaints[:10])

    def recover(self):
        """After a step that failed, so that the next one is judged by itself."""
        self.control.step_clock(0)
        self.restart()

    def restart(self):
        self.work.stop()
        self.control.disarm()
        self.broker.kill()
        self.broker.start()
        self.work.await_served()
        self.verify()

    def offline(self):
        connection = self.broker.connect()
        found = {p["index"]: p for p in connection.metadata([self.work.topic])["topics"][self.work.topic]["partitions"]}
        connection.close()
        return sorted(index for index, p in found.items() if p["leader"] == -1)

    def step(self, function, *arguments):
        try:
            function(*arguments)
        except Exception:
            self.recover()
            raise

    def fails(self, call, code, loses_directory):
        """A call fails for good: the directory goes offline with all its partitions, the other goes on, the node lives."""
        self.work.start()
        self.await_progress(range(load.PARTITIONS))
        self.control.arm(call, code, self.broker.directories[1], self.draw.randrange(40))
        wire.wait_for(lambda: self.control.failed(call) > 0, 60, f"a {call} fails")
        first = [p for p in range(load.PARTITIONS) if p not in self.second]
        if loses_directory:
            wire.wait_for(lambda: self.offline() == self.second, 30, "its partitions are offline")
        self.await_progress(first)
        if loses_directory:
            before = self.progress()                     # what was answered before has been read by now
            self.await_progress(first)
            after = self.progress()
            assert all(after[p] == before[p] for p in self.second), "acknowledged by a directory that is lost"
        assert self.broker.process.poll() is None, self.broker.said()
        self.restart()

    def passes(self, call, code):
        """A call fails for a while: afterwards everything is served again without a restart."""
        self.work.start()
        self.await_progress(range(load.PARTITIONS))
        self.control.arm(call, code, self.broker.directories[1], self.draw.randrange(40))
        wire.wait_for(lambda: self.control.failed(call) > 3, 60, f"a {call} fails")
        self.control.disarm()
        self.await_progress(range(load.PARTITIONS))
        self.work.stop()
        self.verify()

    def paused(self):
        self.work.start()
        self.await_progress(range(load.PARTITIONS))
        self.broker.process.send_signal(signal.SIGSTOP)
        time.sleep(self.options.pause)                   # the fault itself
        self.broker.process.send_signal(signal.SIGCONT)
        self.work.stop()                                 # clients may have given up meanwhile
        self.work.start()
        self.await_progress(range(load.PARTITIONS))
        self.work.stop()
        self.verify()

    def clock_steps(self):
        for seconds in (HOUR, -HOUR, YEAR, -YEAR, 0):
            self.work.start()
            self.await_progress(range(load.PARTITIONS))
            self.control.step_clock(seconds)
            self.await_progress(range(load.PARTITIONS))
            self.work.stop()
            self.verify()
        self.restart()

    def close(self):
        self.control.disarm()
        self.broker.stop()
        damage = logs.check(self.broker.directories)
        assert not damage, "\n".join(damage[:20])


def full(options):
    """The only directory, on a tmpfs, is full under load: refused, read all along, and served again when there is room."""
    folder = tempfile.mkdtemp(prefix="strom-full-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], check=True)
    try:
        with node.Node(folder=folder, settings={"log.segment.bytes": "1048576", "log.retention.ms": "-1"}) as broker:
            filler = os.path.join(folder, "filler")
            broker.start()
            work = load.Load(broker, seed=options.seed)
            work.create()
            for turn in range(options.rounds):
                with open(filler, "wb") as file:
                    os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(folder).free - (1 << 20)))
                work.start()
                wire.wait_for(lambda: shutil.disk_usage(folder).free < 65536, 60, "the disk is full")
                connection = broker.connect()
                for p in range(load.PARTITIONS):
                    connection.read(work.topic, p, None)
                connection.close()
                os.unlink(filler)
                before = [len(of_partition) for of_partition in work.acknowledged]
                wire.wait_for(lambda: all(len(work.acknowledged[p]) > before[p] for p in range(load.PARTITIONS)), 60, f"room again, turn {turn}")
                work.stop()
                complaints = work.verify()
                assert not complaints, complaints[:10]
                connection = broker.connect()
                for p in range(load.PARTITIONS):
                    connection.delete_records(work.topic, p, -1)
                connection.close()
            broker.kill()
            broker.start()
            work.await_served()
            complaints = work.verify()
            assert not complaints, complaints[:10]
            broker.stop()
    finally:
        subprocess.run(["umount", "-l", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--pause", type=float, default=5)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    folder = tempfile.mkdtemp(prefix="strom-faults-")
    faults = Faults(folder, options)
    steps = [("paused", lambda: faults.step(faults.paused)), ("the clock steps", lambda: faults.step(faults.clock_steps))]
    for turn in range(options.rounds):
        for call in ("write", "sync", "rename", "open"):
            steps.append((f"{call} fails {turn}", lambda call=call: faults.step(faults.fails, call, errno.EIO, True)))
        steps.append((f"read fails {turn}", lambda: faults.step(faults.fails, "read", errno.EIO, False)))
        steps.append((f"no room for a new file {turn}", lambda: faults.step(faults.passes, "open", errno.ENOSPC)))
        steps.append((f"no room to write {turn}", lambda: faults.step(faults.passes, "write", errno.ENOSPC)))
    steps.append(("a clean stop and whole logs", faults.close))
    if os.geteuid() == 0:
        steps.append(("a full disk", lambda: full(options)))
    try:
        return node.run(steps, faults.broker)
    finally:
        faults.broker.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
