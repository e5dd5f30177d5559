#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: groups.py CLIENT[,CLIENT...] [PATTERN]: groups of a stock client that grow, shrink, lose members to kill -9 and take new ones,
while a producer writes and the broker is stopped and killed below them. Every record must be processed, none again that lies below a commit
that was answered. With a pattern only those groups whose name it finds. Several clients run side by side, each against a broker of its own.
With CLIENT java-migration, groups of Java consumers go from the classic to the consumer protocol and back, one member after the other.

A member is a process of the client's own program with one consumer in each of the client's groups, which differ in how they assign. It
reads, commits what it has read, and writes one line for each event to a pipe that all members share, so that the lines stand in the order
in which the events happened:
    MEMBER GROUP owns 0,1,2             what it owns from now on
    MEMBER GROUP read PARTITION FIRST LAST
    MEMBER GROUP committed PARTITION OFFSET
    MEMBER GROUP failed WORDS           what the client told its user
    MEMBER GROUP left                   written for it when its process has ended, behind what it wrote
It leaves its groups and ends when its input ends."""
import collections
import os
import re
import subprocess
import sys
import threading
import time

import golang
import java
import javascript
import kafka_wire
import node

HERE = os.path.dirname(os.path.abspath(__file__))
TOPIC, PARTITIONS = "groups", 6
PATIENCE = 120                                      # seconds for a group to settle; only a failure takes them


class Ledger:
    """What the members of all groups said: who owns what, how far each partition was read and committed, and what must not be."""

    def __init__(self, groups):
        self.changed = threading.Condition()
        self.owned = {group: {} for group in groups}                  # group -> member -> set of partitions
        self.read = {group: [0] * PARTITIONS for group in groups}     # the offset behind the last record that was read
        self.committed = {group: [0] * PARTITIONS for group in groups}
        self.complaints, self.again = [], []
        self.failures = collections.Counter()                         # what clients told their users, which is no fault in itself

    def note(self, line):
        member, group, event, *words = line.split()
        with self.changed:
            if event == "owns":
                self.owned[group][member] = {int(one) for one in words[0].split(",")} if words else set()
            elif event == "left":
                self.owned[group].pop(member, None)
            elif event == "read":
                self.note_read(f"{member} in {group}", group, *map(int, words))
            elif event == "committed":
                partition, offset = map(int, words)
                if offset < self.committed[group][partition]:
                    self.complaints.append(f"{member} in {group} partition {partition}: commits {offset} after {self.committed[group][partition]}")
                self.committed[group][partition] = max(offset, self.committed[group][partition])
            else:
                self.failures[" ".join((group, *words))] += 1
            self.changed.notify_all()

    def note_read(self, who, group, partition, first, last):
        read, committed = self.read[group], self.committed[group][partition]
        if first < committed:
            self.complaints.append(f"{who} partition {partition}: reads {first} again, {committed} was committed")
        if first > read[partition]:
            self.complaints.append(f"{who} partition {partition}: reads {first}, {read[partition]} was never read")
        again = max(0, min(read[partition], last + 1) - first)
        if again:
            self.again.append(f"{who} partition {partition}: {again} records from {first} on")
        read[partition] = max(read[partition], last + 1)

    def wait_for(self, holds, what):
        with self.changed:
            if not self.changed.wait_for(lambda: all(holds(group) for group in self.owned), PATIENCE):
                raise TimeoutError(f"{what}, not within {PATIENCE} s: owned {self.owned}, read {self.read}, committed {self.committed}")

    def wait_shared(self, members):
        """In each group these members, and no others, own all partitions, each one once, nobody more than one more than another."""
        def shared(group):
            owned = self.owned[group]
            sizes = [len(one) for one in owned.values()]
            return (set(owned) == set(members) and sum(sizes) == PARTITIONS and max(sizes) - min(sizes) <= 1
                    and set().union(*owned.values()) == set(range(PARTITIONS)))
        self.wait_for(shared, f"{' '.join(members)} share all partitions")

    def wait_read(self, ends):
        self.wait_for(lambda group: self.read[group] == ends and self.committed[group] == ends, f"all is read and committed up to {ends}")

    def wait_progress(self):
        """Everybody reads on: more is committed of each partition than anybody had read when this was asked."""
        with self.changed:
            before = {group: list(offsets) for group, offsets in self.read.items()}
        self.wait_for(lambda group: all(now > then for now, then in zip(self.committed[group], before[group])), "records are committed")


class Writer:
    """Sends a few records to each partition in turn until it is stopped, whatever becomes of the broker meanwhile."""

    def __init__(self, broker):
        self.broker, self.stopped = broker, threading.Event()
        self.thread = threading.Thread(target=self.write)
        self.thread.start()

    def write(self):
        while not self.stopped.is_set():
            try:
                connection = self.broker.connect(timeout=5)
                while not self.stopped.wait(0.02):
                    for partition in range(PARTITIONS):
                        connection.produce(TOPIC, partition, kafka_wire.batch([(None, b"x" * 100, [], int(time.time() * 1000))] * 5))
            except (OSError, ConnectionError, kafka_wire.KafkaError):
                self.stopped.wait(0.05)             # the broker is not there; it comes back

    def stop(self):
        self.stopped.set()
        self.thread.join()


class Scene:
    """The broker, its writer, and the members that are alive."""

    def __init__(self, broker, command, groups):
        self.broker, self.command, self.groups = broker, command, groups
        self.ledger = Ledger(groups)
        self.members, self.count = {}, 0
        self.pipe, self.pipe_in = os.pipe()
        self.errors = open(os.path.join(broker.folder, "members.txt"), "w", encoding="utf-8")     # noqa: SIM115 - closed in close()
        self.reader = threading.Thread(target=self.listen)
        self.reader.start()
        self.writer = None

    def listen(self):
        with os.fdopen(self.pipe, encoding="utf-8") as lines, open(os.path.join(self.broker.folder, "journal.txt"), "w", encoding="utf-8") as journal:
            for line in lines:
                journal.write(line)
                self.ledger.note(line)

    def join(self, count, settings=""):
        """With these settings, or the groups' own."""
        for _ in range(count):
            self.count += 1
            name = f"member-{self.count}"
            groups = [f"{group}={settings or own}" for group, own in self.groups.items()]
            self.members[name] = subprocess.Popen([*self.command, self.broker.address, TOPIC, name, *groups], stdin=subprocess.PIPE,
                                                  stdout=self.pipe_in, stderr=self.errors)

    def settle(self):
        self.ledger.wait_shared(list(self.members))

    def part(self, count, kill=False):
        """The oldest members leave, or die."""
        for name in list(self.members)[:count]:
            process = self.members.pop(name)
            if kill:
                process.kill()
            process.stdin.close()
            code = process.wait(PATIENCE)
            assert kill or code == 0, f"{name} ended with {code}"
            os.write(self.pipe_in, "".join(f"{name} {group} left\n" for group in self.groups).encode())

    def part_in_peace(self):
        """One after the other, so that none has its last commit refused because of a rebalance."""
        while self.members:
            self.part(1)
            if self.members:
                self.settle()

    def checks(self):
        return [name for name in vars(Scene) if name.startswith("check_")]

    def close(self):
        for process in self.members.values():
            process.kill()
            process.wait()
        if self.writer:
            self.writer.stop()
        os.close(self.pipe_in)
        self.reader.join()
        self.errors.close()

    def check_grows(self):
        connection = self.broker.connect()
        connection.create_topic(TOPIC, PARTITIONS)
        connection.close()
        self.writer = Writer(self.broker)
        self.join(1)
        self.settle()
        self.join(2)
        self.settle()

    def check_shrinks(self):
        self.part(1)
        self.settle()
        self.ledger.wait_progress()

    def check_loses_a_member_and_takes_another(self):
        self.join(1)
        self.settle()
        self.part(1, kill=True)
        self.settle()
        self.join(1)
        self.settle()
        self.ledger.wait_progress()

    def check_lives_on_when_the_broker_restarts(self):
        self.broker.stop()
        self.broker.start()
        self.ledger.wait_progress()
        self.settle()
        self.broker.kill()
        self.broker.start()
        self.ledger.wait_progress()
        self.settle()

    def check_finds_its_positions_after_kill_and_restart(self):
        """Nobody who remembers anything is left: what comes next is what was committed."""
        self.part(len(self.members), kill=True)
        self.broker.kill()
        self.broker.start()
        self.join(2)
        self.settle()
        self.ledger.wait_progress()
        self.part_in_peace()
        self.broker.stop()
        self.broker.start()
        again = len(self.ledger.again)
        self.join(2)
        self.settle()
        assert len(self.ledger.again) == again, f"members left in peace, and their records are read again: {self.ledger.again[again:]}"

    def check_read_everything_once(self):
        self.writer.stop()
        connection = self.broker.connect()
        ends = [connection.list_offset(TOPIC, partition, -1)[1] for partition in range(PARTITIONS)]
        connection.close()
        self.ledger.wait_read(ends)
        self.part(len(self.members))
        print(f"      {sum(ends)} records in each of {len(self.groups)} groups, read again {len(self.ledger.again)} times")
        assert not self.ledger.complaints, "\n".join(self.ledger.complaints[:20])


class Migration(Scene):
    """Members are replaced one after the other by such as speak the other protocol: the new one comes before the old one goes, and the
    other way round."""

    def roll(self, settings, comes_first):
        for _ in range(3):
            for step in (self.join, self.part) if comes_first else (self.part, self.join):
                step(1, *([settings] if step == self.join else []))
                self.settle()
            self.ledger.wait_progress()

    def check_goes_to_the_consumer_protocol(self):
        self.roll(CONSUMER, comes_first=True)
        assert self.types() == {"consumer"}, self.types()

    def check_goes_back(self):
        self.roll("", comes_first=True)
        assert self.types() == {"classic"}, self.types()

    def check_goes_again_and_half_way_back(self):
        self.roll(CONSUMER, comes_first=False)
        self.part(1, kill=True)
        self.join(1)
        self.settle()
        self.ledger.wait_progress()
        assert self.types() == {"consumer"}, self.types()

    def checks(self):
        own = [name for name in vars(Migration) if name.startswith("check_")]
        return ["check_grows", *own, "check_lives_on_when_the_broker_restarts", "check_read_everything_once"]

    def types(self):
        connection = self.broker.connect()
        types = connection.group_types()
        connection.close()
        return {types[group] for group in self.groups}


ASSIGNORS = "org.apache.kafka.clients.consumer."
CONSUMER = "group.protocol:consumer"
JAVA = {f"classic-{name}": f"partition.assignment.strategy:{ASSIGNORS}{kind}Assignor,heartbeat.interval.ms:500,session.timeout.ms:6000"
        for name, kind in (("range", "Range"), ("round-robin", "RoundRobin"), ("sticky", "Sticky"), ("cooperative", "CooperativeSticky"))}
JAVA |= {f"consumer-{name}": f"group.protocol:consumer,group.remote.assignor:{name}" for name in ("uniform", "range")}
LIBRDKAFKA = {f"classic-{name}": f"partition.assignment.strategy:{name},heartbeat.interval.ms:500,session.timeout.ms:6000"
              for name in ("range", "roundrobin", "cooperative-sticky")}


def java_client():
    return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", java.classpath(), "Member"], JAVA


def java_migration():
    command, groups = java_client()
    return command, {name.replace("classic", "from"): settings for name, settings in groups.items() if name.startswith("classic")}


def librdkafka_client():
    import confluent_kafka
    groups = dict(LIBRDKAFKA)
    if confluent_kafka.libversion()[1] >= 0x020c0000:                 # the consumer protocol is there for good since 2.12
        groups |= {f"consumer-{name}": f"group.protocol:consumer,group.remote.assignor:{name}" for name in ("uniform", "range")}
    return [sys.executable, os.path.join(HERE, "librdkafka_member.py")], groups


def franz_client():
    groups = {f"classic-{name}": name for name in ("range", "round-robin", "sticky", "cooperative")}
    groups |= {"consumer-uniform": "server-sticky", "consumer-range": "server-range"}
    return go_client("franz", groups)


def go_client(name, groups):
    program = golang.build(name)
    return program and [program, "member"], groups


def sarama_client():
    """The client is told a version of Kafka, and uses what that version had."""
    return go_client("sarama", {"classic-range": "range@1.0.0", "classic-round-robin": "round-robin@2.8.0", "classic-sticky": "sticky@4.3.1",
                                "classic-cooperative": "cooperative@4.3.1"})


def python_client(script, *assignors):
    return [sys.executable, os.path.join(HERE, script)], {f"classic-{name}": name for name in assignors}


CLIENTS = {
    "java": java_client, "java-migration": java_migration,
    "librdkafka": librdkafka_client, "franz": franz_client, "sarama": sarama_client,
    "kafka-go": lambda: go_client("kafka-go", {"classic-range": "range", "classic-round-robin": "round-robin"}),
    "kafkajs": lambda: (javascript.program("member.js"), {"classic-round-robin": "roundRobin"}),
    "aiokafka": lambda: python_client("aiokafka_member.py", "range", "round-robin", "sticky"),
    "kafka-python": lambda: python_client("kafka_python_member.py", "range", "round-robin", "sticky", "cooperative"),
}
# One client's groups of the consumer protocol count as large when they have more than one member: a worker assigns them.
LARGE = {"librdkafka": {"strom.group.assign.at.once": str(PARTITIONS)}}


def side_by_side(names):
    passed = failed = 0
    running = [subprocess.Popen([sys.executable, __file__, name, *sys.argv[2:3]], stdout=subprocess.PIPE, text=True) for name in names]
    for process in running:
        *lines, last = process.communicate()[0].splitlines() or [""]
        counts = re.match(r"(\d+) passed, (\d+) failed", last)
        print(*lines, *([] if counts else [last]), sep="\n")
        passed, failed = passed + int(counts[1] if counts else 0), failed + int(counts[2] if counts else 1)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    name, *more = sys.argv[1].split(",")
    if more:
        return side_by_side([name, *more])
    command, groups = CLIENTS[name]()
    groups = {group: settings for group, settings in groups.items() if re.search("".join(sys.argv[2:3]), group)}
    if command is None:
        print("0 passed, 0 failed, 1 skipped")
        return 0
    settings = {"group.initial.rebalance.delay.ms": "300", "group.consumer.heartbeat.interval.ms": "1000",
                "group.consumer.min.heartbeat.interval.ms": "500", "group.consumer.session.timeout.ms": "6000",
                "group.consumer.min.session.timeout.ms": "5000", **LARGE.get(name, {})}
    with node.Node(settings=settings).start() as broker:
        scene = (Migration if name == "java-migration" else Scene)(broker, command, groups)
        try:
            checks = [(f"{name} groups: {check[6:].replace('_', ' ')}", getattr(scene, check)) for check in scene.checks()]
            checks.append(("stop", broker.stop))
            bad = node.run_quiet(checks, broker)
        finally:
            scene.close()
        print(*(f"      {count} times {words}" for words, count in scene.ledger.failures.most_common(20)), sep="\n")
        print(f"{len(checks) - bad} passed, {bad} failed")
        return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
