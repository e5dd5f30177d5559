#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: power.py [--rounds N] [--seed N] [--without-flush | --page-cache]

Power cuts: the data lies on an ext4 of its own in a file, which FS_IOC_SHUTDOWN stops at a random moment under acks=all load, so that
whatever was not flushed is gone. Then the file system is mounted again, the broker started, and the promise checked. Needs root.
--without-flush preloads a shim that leaves every flush out, --page-cache sets ack.durability=page-cache on the topic: with either the
test must find a loss, and passes when it does."""
import argparse
import array
import fcntl
import os
import random
import subprocess
import sys
import tempfile
import time

import load
import logs
import node

FS_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2


class Disk:
    """An ext4 in a file, mounted at a folder of its own."""

    def __init__(self, folder, size=1 << 30):
        self.image, self.mount_point = os.path.join(folder, "image"), os.path.join(folder, "disk")
        os.mkdir(self.mount_point)
        with open(self.image, "wb") as file:
            file.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0", self.image], check=True)
        self.mounted = False

    def mount(self):
        subprocess.run(["mount", "-o", "loop", self.image, self.mount_point], check=True)
        self.mounted = True

    def cut_power(self):
        root = os.open(self.mount_point, os.O_RDONLY)
        fcntl.ioctl(root, FS_IOC_SHUTDOWN, array.array("I", [NO_LOG_FLUSH]))
        os.close(root)

    def unmount(self):
        if self.mounted:
            for _ in range(50):
                if subprocess.run(["umount", self.mount_point], check=False, capture_output=True).returncode == 0:
                    self.mounted = False
                    return
                time.sleep(0.1)
            raise RuntimeError("umount does not end")


def shim(folder):
    path = os.path.join(folder, "no_flush.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", path, os.path.join(node.ROOT, "tests", "e2e", "no_flush.c")], check=True)
    return {"LD_PRELOAD": path}


def one_cut(broker, disk, work, draw):
    """Complaints of one power cut and the start after it."""
    work.start()
    time.sleep(draw.uniform(0.05, 1.5))
    work.answers_no_longer_count()                  # while it shuts down, the kernel confirms flushes that it drops
    disk.cut_power()
    time.sleep(draw.uniform(0, 0.1))                # the broker may still speak: it must not answer what it cannot flush
    broker.kill()
    work.stop()
    disk.unmount()
    disk.mount()
    try:
        broker.start()
        work.await_served()
    except (RuntimeError, TimeoutError) as error:
        return [f"does not start again: {error}"]
    return work.verify()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--without-flush", action="store_true")
    parser.add_argument("--page-cache", action="store_true")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("needs root to mount\n0 passed, 0 failed, 1 skipped")
        return 0
    draw, must_fail = random.Random(options.seed), options.without_flush or options.page_cache
    print(f"seed {options.seed}")
    folder = tempfile.mkdtemp(prefix="strom-power-")
    disk, bad, damage, turn = Disk(folder), 0, [], 0
    broker = node.Node(settings={"log.segment.bytes": "1048576"}, directories=[os.path.join(disk.mount_point, "data")],
                       environment=shim(folder) if options.without_flush else None)
    try:
        disk.mount()
        broker.start()
        work = load.Load(broker, seed=options.seed, configs={"ack.durability": "page-cache"} if options.page_cache else None)
        work.create()
        subprocess.run(["sync", "-f", disk.mount_point], check=True)         # the topic is there; what follows is the broker's to keep
        for turn in range(options.rounds):
            complaints = one_cut(broker, disk, work, draw)
            if complaints:
                bad += 1
                print(f"power cut {turn}: {len(complaints)} complaints", *complaints[:10], sep="\n  ")
                if must_fail or "start" in complaints[0]:
                    break
        else:
            broker.stop()
            damage = logs.check(broker.directories)
            print(*damage[:20], sep="\n")
        print(f"{turn + 1} power cuts, {work.total_acknowledged} acknowledged batches, {work.total_seen} seen")
    finally:
        broker.close()
        disk.unmount()
        subprocess.run(["rm", "-rf", folder], check=True)
    if must_fail:
        print("found what was lost" if bad else "no loss was found: this test could not fail")
        print(f"{1 if bad else 0} passed, {0 if bad else 1} failed")
        return 0 if bad else 1
    print(f"{turn + 1 - bad + (not damage)} passed, {bad + bool(damage)} failed")
    return 1 if bad or damage else 0


if __name__ == "__main__":
    sys.exit(main())
