# SPDX-License-Identifier: Apache-2.0
"""What the members of groups in Python share: how they speak, and that they end with their input; groups.py says the rest.
usage of each: PROGRAM HOST:PORT TOPIC MEMBER GROUP=SETTINGS..."""
import os
import sys
import threading

ended = threading.Event()


class Voice:
    """What one member says in one group. A line is one write, which the pipe keeps whole."""

    def __init__(self, group):
        self.group = group

    def say(self, *words):
        os.write(1, (" ".join(map(str, (sys.argv[3], self.group, *words))) + "\n").encode())

    def owns(self, partitions):
        self.say("owns", ",".join(map(str, sorted(partitions))))

    def read(self, partition, first, last):
        self.say("read", partition, first, last)

    def committed(self, partition, offset):
        self.say("committed", partition, offset)

    def failed(self, error):
        self.say("failed", (str(error) or type(error).__name__).replace("\n", " "))


def memberships():
    """(address, topic, voice, settings) for each group of the arguments."""
    for argument in sys.argv[4:]:
        group, settings = argument.split("=", 1)
        yield sys.argv[1], sys.argv[2], Voice(group), settings


def run(kind):
    """A thread for each membership, until the input ends; kind(address, topic, voice, settings).run() goes on while `ended` is not set."""
    threads = [threading.Thread(target=kind(*one).run) for one in memberships()]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()
