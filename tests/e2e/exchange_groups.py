#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Groups change hands with their directory: what Strom tells of every group, Apache Kafka 4.4.0 tells once it is started on the same
directory, and the other way round, after a stop and after a kill -9 of either, with __consumer_offsets compacted; members carry on where
they were. Compared are the answers of every API that tells of groups, and what kafka-consumer-groups prints. Needs Java; one Kafka at a time."""
import os
import sys

import group_talk as talk
import kafka_wire as wire
import node

import tools  # tests/twin

TOPIC, OFFSETS = 2, "__consumer_offsets"
SETTINGS = {"offsets.topic.num.partitions": "4", "group.initial.rebalance.delay.ms": "300", "log.cleaner.backoff.ms": "100", "log.cleaner.threads": "1",
            "group.consumer.max.session.timeout.ms": "300000", "group.consumer.session.timeout.ms": "300000"}
TOPICS = {"alpha": 4, "beta": 3, "gone": 2}
TABLES = (["--list", "--state"], ["--describe", "--all-groups", "--state"], ["--describe", "--all-groups", "--members", "--verbose"],
          ["--describe", "--all-groups", "--offsets"])


def ordered(value):
    """Lists of an answer stand in the order of hash maps in Kafka."""
    if isinstance(value, dict):
        return {key: ordered(one) for key, one in value.items() if key not in ("throttle_time_ms", "error_message")}
    return sorted(map(ordered, value), key=repr) if isinstance(value, list) else value


def told(broker, groups):
    """All that is told of the groups, by the wire."""
    for group in groups:
        talk.find(broker, group)
    one = talk.Talk(broker)
    wire.wait_for(lambda: one.ask("list_groups", {})["error_code"] == talk.NONE, 30, "all coordinators have loaded")
    out = {"all": ordered(one.ask("list_groups", {}))}
    for group in groups:
        out[group] = {"classic": ordered(one.ask("describe_groups", {"groups": [group]})), "committed": talk.committed(one, group),
                      "consumer": ordered(one.ask("consumer_group_describe", {"group_ids": [group]}))}
    one.close()
    return out


def same(before, after):
    for key, wanted in before.items():
        got = after[key]
        if got != wanted:
            parts = [part for part in wanted if got[part] != wanted[part]]
            raise AssertionError("\n".join(f"{key}, {part}: told was\n  {wanted[part]}\nand now\n  {got[part]}" for part in parts))


class World:
    """Strom and Kafka by turns on one directory, and the members of groups that live through it."""

    def __init__(self, ours, jvm, end):
        self.ours, self.jvm, self.end = ours, jvm, end
        self.theirs = node.Node("kafka", settings=ours.settings, directories=ours.directories, folder=ours.folder)
        self.theirs.port, self.theirs.controller_port = ours.port, ours.controller_port
        self.groups, self.classic, self.consumer = [], [], {}

    # what both can be told to do
    def member(self, kind, broker, group, *words, **more):
        if group not in self.groups:
            self.groups.append(group)
            talk.find(broker, group)
        return kind(broker, group, *words, **more)

    def classic_group(self, broker, group, *members):
        """members: ({topic: partitions}, instance or None)"""
        made = [self.member(talk.ClassicMember, broker, group, topics, instance) for topics, instance in members]
        talk.rebalance(made)
        self.classic.append(made)
        return made

    def consumer_group(self, broker, group, count, *members):
        """members: options of ConsumerMember; count: of partitions that they read"""
        made = [self.member(talk.ConsumerMember, broker, group, **one) for one in members]
        talk.settle(made, count)
        self.consumer[group] = (made, count)
        return made

    def simple(self, broker, group, offsets):
        if group not in self.groups:
            self.groups.append(group)
            talk.find(broker, group)
        one = talk.Talk(broker)
        assert talk.commit(one, group, offsets) == talk.NONE, group
        one.close()

    def printed(self, broker):
        out = {}
        for words in TABLES:
            code, text = self.jvm.run([tools.TOOLS["consumer-groups"], "--bootstrap-server", broker.address, *words])
            assert code == 0, f"{words} ended with {code}: {text}"
            out[" ".join(words)] = tools.normal(text, broker)
        return out

    def hand_over(self, giver, taker):
        """What one told before its end, the other tells after its start."""
        before, lines = told(giver, self.groups), self.printed(giver)
        getattr(giver, self.end)()
        taker.start(timeout=180)
        same(before, told(taker, self.groups))
        now = self.printed(taker)
        for words, wanted in lines.items():
            assert now[words] == wanted, f"{words}: printed was\n" + "\n".join(wanted) + "\nand now\n" + "\n".join(now[words])
        self.carry_on(taker)

    def carry_on(self, broker):
        """Members are where they were: no one joins again, no partition moves, and what they commit is taken."""
        for members in self.classic:
            for one in members:
                one.connect(broker)
                assert one.heartbeat() == talk.NONE, one.group
                assert one.commit({("alpha", 0): (50, 0, broker.kind)}) == talk.NONE, one.group
        for members, count in self.consumer.values():
            owned = {one.member_id: one.owned() for one in members}
            for one in members:
                one.connect(broker)
            talk.settle(members, count)
            assert {one.member_id: one.owned() for one in members} == owned, f"{members[0].group}: partitions moved"
            assert members[0].commit({("beta", 1): (51, 0, broker.kind)}) == talk.NONE

    # the steps
    def written(self):
        """Groups of every kind, some of them gone, and a log of which a part is compacted."""
        self.ours.start()
        admin = self.ours.connect()
        for name, count in TOPICS.items():
            admin.create_topic(name, count)
        for name, count in TOPICS.items():
            for index in range(count):
                wire.wait_for(lambda n=name, i=index: admin.produce(n, i, wire.batch([(b"k", b"v", [], 1)] * (100 + i))) is not None, 30, f"{name} is served")
        ours = self.ours
        two = self.classic_group(ours, "classic-two", ({"alpha": [0, 1], "beta": [0]}, None), ({"alpha": [2, 3], "beta": [1, 2]}, None))
        self.classic_group(ours, "classic-static", ({"alpha": [0, 1, 2, 3]}, "instance-1"), ({"beta": [0, 1, 2]}, None))
        for one in self.classic_group(ours, "classic-empty", ({"alpha": [0, 1, 2, 3]}, None)):
            one.commit({("alpha", 0): 5, ("alpha", 1): (6, 0, "last words")})
            one.leave()
        self.classic.pop()
        both = {"topics": ["alpha", "beta"]}
        three = self.consumer_group(ours, "consumer-three", 7, both, both, {**both, "instance": "instance-2", "rack": "rack-1"})
        self.consumer_group(ours, "consumer-range", 7, {"regex": "(al|be).*", "assignor": "range"}, {"topics": ["beta"], "assignor": "range"})
        away = self.consumer_group(ours, "consumer-away", 4, {"topics": ["alpha"], "instance": "instance-3"})
        away[0].commit({("alpha", 2): (7, 0, "away")})
        away[0].leave(for_a_while=True)
        left = self.consumer_group(ours, "consumer-left", 3, {"topics": ["beta"]})
        left[0].commit({("beta", 2): (8, 0, "")})
        left[0].leave()
        del self.consumer["consumer-away"], self.consumer["consumer-left"]
        self.simple(ours, "simple", {("alpha", 0): (1, 0, "first"), ("beta", 1): (2, -1, ""), ("gone", 1): 3})
        self.simple(ours, "simple-deleted", {("alpha", 0): 1})
        self.simple(ours, "simple-pruned", {("alpha", 0): 11, ("alpha", 1): 12, ("beta", 0): 13})
        self.simple(ours, "only-gone", {("gone", 0): 4})
        one = talk.Talk(ours)
        assert one.ask("delete_groups", {"groups_names": ["simple-deleted"]})["results"][0]["error_code"] == talk.NONE
        pruned = one.ask("offset_delete", {"group_id": "simple-pruned", "topics": [{"name": "alpha", "partitions": [{"partition_index": 1}]}]})
        assert pruned["error_code"] == talk.NONE, pruned
        admin.delete_topic("gone")
        wire.wait_for(lambda: talk.committed(one, "simple").keys() == {("alpha", 0), ("beta", 1)}, 30, "offsets of a topic go with it")
        self.compact(two, three)
        states = {found["group_id"]: (found["group_state"], found["group_type"]) for found in one.ask("list_groups", {})["groups"]}
        wanted = {"classic-two": ("Stable", "classic"), "classic-static": ("Stable", "classic"), "classic-empty": ("Empty", "classic"),
                  "consumer-three": ("Stable", "consumer"), "consumer-range": ("Stable", "consumer"), "consumer-left": ("Empty", "consumer"),
                  "simple": ("Empty", "classic"), "simple-pruned": ("Empty", "classic")}
        assert {group: states.get(group) for group in wanted} == wanted and "simple-deleted" not in states, states

    def compact(self, classic, consumer):
        """Until something was taken from every partition."""
        admin = self.ours.connect()
        admin.set_configs(TOPIC, OFFSETS, {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"})
        turn = 0

        def is_compacted(index):
            nonlocal turn
            turn += 1
            for one in (*classic, *consumer):
                one.commit({("alpha", 3): (turn % 100, 0, f"turn {turn}")})
            for number in range(12):                                                # groups of every partition
                self.simple(self.ours, f"simple-{number}", {("beta", number % 3): (turn % 100, -1, "")})
            start, end = (admin.list_offset(OFFSETS, index, time)[1] for time in (-2, -1))
            return sum(batch.count for batch in admin.read(OFFSETS, index)) < end - start
        for index in range(4):
            wire.wait_for(lambda i=index: is_compacted(i), 60, f"{OFFSETS}-{index} is compacted")

    def ours_to_kafka(self):
        self.hand_over(self.ours, self.theirs)

    def kafka_continues(self):
        """Kafka changes what is there and adds groups of its own; then we take over."""
        theirs, one = self.theirs, talk.Talk(self.theirs)
        self.classic_group(theirs, "their-classic", ({"alpha": [0, 1]}, None), ({"alpha": [2, 3]}, "instance-4"))
        self.consumer_group(theirs, "their-consumer", 7, {"topics": ["alpha", "beta"]}, {"topics": ["alpha", "beta"], "instance": "instance-5"})
        self.consumer_group(theirs, "their-pattern", 3, {"regex": "be.*"})
        self.simple(theirs, "their-simple", {("alpha", 0): (21, 0, "theirs")})
        self.simple(theirs, "simple", {("alpha", 0): (22, 0, "theirs")})
        self.simple(theirs, "their-deleted", {("alpha", 0): 1})
        deleted = one.ask("delete_groups", {"groups_names": ["their-deleted", "simple-pruned"]})
        assert all(found["error_code"] == talk.NONE for found in deleted["results"]), deleted
        self.classic[0].pop().leave()                                                # of two
        talk.rebalance(self.classic[0])
        members, count = self.consumer["consumer-three"]
        members.pop(0).leave()
        talk.settle(members, count)
        self.hand_over(theirs, self.ours)

    def members_come_and_go(self):
        """The groups that Kafka made, and those that it changed, go on with us."""
        for members in self.classic:
            members.append(talk.ClassicMember(self.ours, members[0].group, {"beta": [0]}))
            talk.rebalance(members)
        for group, (members, count) in list(self.consumer.items()):
            members.append(talk.ConsumerMember(self.ours, group, topics=["beta"], assignor=members[0].assignor))
            talk.settle(members, count)
            members.pop(0).leave()
            self.consumer[group] = members, 7 if "alpha" in members[0].topics else 3
            talk.settle(*self.consumer[group])

    def back_to_kafka(self):
        self.hand_over(self.ours, self.theirs)
        self.theirs.stop()


def main():
    passed = failed = 0
    jvm = tools.Jvm()
    for end in sys.argv[1:] or ("stop", "kill"):
        with node.Node("strom", settings=SETTINGS) as ours:
            world = World(ours, jvm, end)
            with world.theirs:
                steps = [(f"{end}: {step.replace('_', ' ')}", getattr(world, step))
                         for step in ("written", "ours_to_kafka", "kafka_continues", "members_come_and_go", "back_to_kafka")]
                bad = 0
                for number, step in enumerate(steps):
                    if node.run_quiet([step], ours):                                # each goes on from the one before
                        bad = len(steps) - number
                        break
            passed, failed = passed + len(steps) - bad, failed + bad
    jvm.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
