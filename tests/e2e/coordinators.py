#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of coordinators: settings of groups that do not fit together, a topic of offsets that cannot be made, and why
members come and go. BROKER=kafka runs what is Kafka's as well against Kafka."""
import os
import subprocess
import sys

import group_talk as talk
import kafka_wire as wire
import node

BROKER, PATIENCE = 4, 15
UNKNOWN_MEMBER, INVALID_REQUEST, UNSUPPORTED_ASSIGNOR = 25, 42, 112
# Kafka's words
REFUSED = [
    ({"group.consumer.session.timeout.ms": "44999"},
     "group.consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"),
    ({"group.consumer.max.heartbeat.interval.ms": "4999"},
     "group.consumer.max.heartbeat.interval.ms must be greater than or equal to group.consumer.min.heartbeat.interval.ms"),
    ({"group.consumer.assignment.interval.ms": "15001"},
     "group.consumer.assignment.interval.ms must be less than or equal to group.consumer.max.assignment.interval.ms"),
    ({"group.consumer.heartbeat.interval.ms": "7000", "group.consumer.session.timeout.ms": "7000", "group.consumer.min.session.timeout.ms": "7000"},
     "group.consumer.heartbeat.interval.ms must be less than group.consumer.session.timeout.ms"),
    ({"offsets.topic.compression.codec": "5"}, "Unknown compression type id: 5"),
    ({"offsets.topic.num.partitions": "0"}, "at least 1"),
    ({"group.coordinator.rebalance.protocols": "consumer"}, "Disabling the 'classic' protocol is not supported"),
]


class Suite:
    def __init__(self, broker):
        self.broker = broker

    def check_settings_that_do_not_fit(self):
        """The node does not start, and says which two."""
        for settings, words in REFUSED:
            with node.Node(settings=settings) as broker:
                try:
                    broker.start(wait=False)
                    code, said = broker.process.wait(60), broker.said(1000)
                except RuntimeError as refused:                                     # Kafka does not even format a directory with them
                    code, said = 1, str(refused)
                assert code != 0 and words in said, f"{settings}: {said}"

    def check_settings_that_do_not_fit_while_it_runs(self):
        connection = self.broker.connect()
        for key, value, words in (("group.consumer.assignment.interval.ms", "15001", "must be less than or equal to group.consumer.max.assignment.interval.ms"),
                                  ("group.consumer.session.timeout.ms", "50000", "Cannot update these configs dynamically"),
                                  ("group.min.session.timeout.ms", "50000", "Cannot update these configs dynamically"),
                                  ("offsets.topic.num.partitions", "3", "Cannot update these configs dynamically")):
            try:
                connection.set_configs(BROKER, "1", {key: value})
            except ValueError as refused:
                assert words in str(refused), f"{key}={value}: {refused}"
            else:
                raise AssertionError(f"{key}={value} was taken")

    def check_assignors_of_the_node(self):
        """The first is a group's who asks for none; what is not named, nobody may ask for."""
        with node.Node(settings={"group.consumer.assignors": "org.apache.kafka.coordinator.group.assignor.RangeAssignor"}) as broker:
            broker.start()
            broker.connect().create_topic("t")
            talk.find(broker, "some")
            one = talk.ConsumerMember(broker, "some", ["t"])
            talk.settle([one], 1)
            told = one.talk.ask("consumer_group_describe", {"group_ids": ["some"]})["groups"][0]
            assert told["assignor_name"] == "range", told
            answer = talk.ConsumerMember(broker, "some", ["t"], assignor="uniform").heartbeat()
            assert answer["error_code"] == UNSUPPORTED_ASSIGNOR, answer

    def check_no_topic_for_offsets(self):
        """What offsets.topic.* asks for cannot be made: nobody has a coordinator, the reason is reported, and other topics are served."""
        with node.Node(settings={"offsets.topic.segment.bytes": "4000"}) as broker:
            broker.start()
            one = talk.Talk(broker)
            for version in (0, 3, 6):
                many = {"coordinator_keys": ["group"]} if version >= 4 else {"key": "group"}
                answer = one.ask("find_coordinator", {"key_type": 0, **many}, version)
                found = answer["coordinators"][0] if version >= 4 else answer
                assert (found["error_code"], found["node_id"], found["host"], found["port"]) == (talk.NOT_AVAILABLE, -1, "", -1), answer
            if broker.kind == "strom":
                line, = (line for line in broker.said(1000).splitlines() if "groups_have_no_topic" in line)
                assert "segment.bytes" in line and "offsets.topic.*" in line, line
            admin = broker.connect()
            admin.create_topic("other")
            wire.wait_for(lambda: admin.produce("other", 0, wire.batch([(b"k", b"v", [], 1)])) is not None, PATIENCE, "other topics are served")

    def check_offsets_age(self):
        """While the node lives, again and again."""
        with node.Node(settings={"offsets.retention.check.interval.ms": "200"}) as broker:
            broker.start()
            broker.connect().create_topic("t")
            talk.find(broker, "some")
            one = talk.Talk(broker)

            def committed():
                asked = {"group_id": "some", "topics": [{"name": "t", "partition_indexes": [0]}]}
                return one.ask("offset_fetch", asked, 5)["topics"][0]["partitions"][0]["committed_offset"]
            for offset in (7, 8):
                commit = {"group_id": "some", "retention_time_ms": 300, "topics": [{"name": "t", "partitions": [{"partition_index": 0, "committed_offset": offset}]}]}
                answer = one.ask("offset_commit", commit, 3)
                assert answer["topics"][0]["partitions"][0]["error_code"] == 0, answer
                wire.wait_for(lambda: committed() == -1, PATIENCE, f"offset {offset} has aged")

    def check_other_coordinators(self):
        """Of transactions (1) and share groups (2), which Strom does not serve, and of what is none at all."""
        one = talk.Talk(self.broker)
        for key_type in (3, 127, -1) if self.broker.kind == "kafka" else (1, 2, 3, 127, -1):
            for version in (1, 3, 4, 6):
                many = {"coordinator_keys": ["key", "other"]} if version >= 4 else {"key": "key"}
                answer = one.ask("find_coordinator", {"key_type": key_type, **many}, version)
                told = answer["coordinators"] if version >= 4 else [answer]
                assert len(told) == (2 if version >= 4 else 1), answer
                for found in told:
                    assert (found["error_code"], found["node_id"], found["host"], found["port"]) == (INVALID_REQUEST, -1, "", -1), answer

    def check_a_list_while_a_coordinator_loads(self):
        """As in Kafka: it says so, and has no group at all, also of coordinators that have loaded. Those are asked for their groups meanwhile."""
        if self.broker.kind == "kafka":
            return
        groups = ["b", "a"]                                     # of partition 0 and 1
        with node.Node(settings={"offsets.topic.num.partitions": "2", "strom.workers": "4"}) as broker:
            broker.start()
            broker.connect().create_topic("t")
            for group in groups:
                talk.find(broker, group)
                assert talk.commit(talk.Talk(broker), group, {("t", 0): 1}, member_id="", generation_id_or_member_epoch=-1) == talk.NONE
            broker.stop()
            library, pipe = os.path.join(broker.folder, "held_reads.so"), os.path.join(broker.folder, "pipe")
            subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, os.path.join(node.ROOT, "tests", "e2e", "held_reads.c"), "-ldl"], check=True)
            os.mkfifo(pipe)
            broker.environment = {"LD_PRELOAD": library, "HELD_READS": "/__consumer_offsets-1/00000000000000000000.log", "HELD_UNTIL": pipe,
                                  "ASAN_OPTIONS": "verify_asan_link_order=0"}
            broker.start()
            talk.find(broker, groups[0])
            one = talk.Talk(broker)

            def errors():
                return [described["error_code"] for described in one.ask("describe_groups", {"groups": groups}, 5)["groups"]]
            wire.wait_for(lambda: errors() == [talk.NONE, talk.LOADING], PATIENCE, "one has loaded")
            for version in (0, 5):
                listed = one.ask("list_groups", {}, version)
                assert (listed["error_code"], listed["groups"]) == (talk.LOADING, []), listed
            with open(pipe, "wb"):
                os.remove(pipe)
            wire.wait_for(lambda: errors() == [talk.NONE, talk.NONE], PATIENCE, "both have loaded")
            listed = one.ask("list_groups", {})
            assert (listed["error_code"], sorted(group["group_id"] for group in listed["groups"])) == (talk.NONE, sorted(groups)), listed

    def check_a_protocol_that_is_not_wanted(self):
        """The consumer protocol can be left out of what is served; groups of the classic one go on."""
        with node.Node(settings={"group.coordinator.rebalance.protocols": "classic"}) as broker:
            broker.start()
            talk.find(broker, "group")
            one = talk.Talk(broker)
            unsupported = talk.ConsumerMember(broker, "group", ["orders"]).heartbeat()["error_code"]
            described, = one.ask("consumer_group_describe", {"group_ids": ["group"]})["groups"]
            assert (unsupported, described["error_code"]) == (talk.UNSUPPORTED_VERSION, talk.UNSUPPORTED_VERSION)
            talk.rebalance([talk.ClassicMember(broker, "group", {"orders": [0]})])

    def check_memory_of_groups(self):
        """Strom's own setting: the first takes all there is. Nobody new comes then, it goes on, and a line says which limit that is."""
        if self.broker.kind == "kafka":
            return
        with node.Node(settings={"strom.group.memory.bytes": "1"}) as broker:
            broker.start()
            talk.find(broker, "group")
            one, other = (talk.ConsumerMember(broker, "group", ["t"]) for _ in range(2))
            errors = [member.heartbeat()["error_code"] for member in (one, other, one)]
            assert errors == [talk.NONE, talk.LOADING, talk.NONE], errors
            assert "group_memory_short" in broker.said(1000) and "limit=1 setting=strom.group.memory.bytes" in broker.said(1000)
            resource = {"resource_type": BROKER, "resource_name": "1", "configuration_keys": ["strom.group.memory.bytes"]}
            told = talk.Talk(broker).ask("describe_configs", {"resources": [resource]})["results"][0]["configs"]
            assert [(one["name"], one["value"], one["read_only"]) for one in told] == [("strom.group.memory.bytes", "1", True)], told

    def lines(self, event):
        return [line for line in self.broker.said(10000).splitlines() if event in line]

    def check_reasons(self):
        """Strom's own lines. All words are a client's: none of them makes a line of its own, and none is long."""
        if self.broker.kind == "kafka":
            return
        talk.find(self.broker, "reasons")
        members = [talk.ClassicMember(self.broker, "reasons", {"t": [0]}) for _ in range(3)]
        talk.rebalance(members)
        assert not self.lines("group_member_joined"), "nobody said why"
        members[0].send_join("no\nline \"of\" its\x1b[31m own \u00e9")
        for one in members[1:]:
            one.send_join("x" * 30000)
        for one in members:
            one.joined()
        lines = self.lines("group_member_joined")
        wanted = 'reason="no\\x0aline \\x22of\\x22 its\\x1b[31m own \\xc3\\xa9"'
        assert len(lines) == 3 and any(wanted in line for line in lines), lines
        assert all(f'generation={members[0].generation} ' in line for line in lines), lines
        assert sum('reason="' + "x" * 255 + '..."' in line for line in lines) == 2 and max(map(len, lines)) < 600, lines
        members[0].leave("the consumer is being closed")
        members[1].leave()
        lines = self.lines("group_member_left")
        assert [members[0].member_id in lines[0], 'reason="the consumer is being closed"' in lines[0]] == [True, True], lines
        assert [members[1].member_id in lines[1], 'reason="not provided"' in lines[1]] == [True, True], lines
        assert members[2].talk.ask("leave_group", {"group_id": "reasons", "members": [{"member_id": "nobody", "reason": "none"}]})["members"][0]["error_code"]
        assert len(self.lines("group_member_left")) == 2, "who was no member did not leave"

    def check_conversions(self):
        """A group that has another protocol from now on is reported, with the member that it is due to, and why."""
        if self.broker.kind == "kafka":
            return
        talk.find(self.broker, "changes")
        classic, later = (talk.ClassicMember(self.broker, "changes", {"t": [0]}) for _ in range(2))
        consumer = talk.ConsumerMember(self.broker, "changes", ["t"])
        talk.rebalance([classic])
        consumer.heartbeat()
        consumer.leave()
        classic.leave()
        first, consumer = consumer.member_id, talk.ConsumerMember(self.broker, "changes", ["t"])
        consumer.heartbeat()
        consumer.leave()
        later.send_join()
        pending, by = later.talk.receive()["member_id"], "member of the consumer protocol"
        wanted = [("consumer", first, f"a {by} joined"), ("classic", first, f"the last {by} left"),
                  ("consumer", consumer.member_id, f"a {by} joined when it was empty"), ("classic", pending, "a member of the classic protocol joined when it was empty")]
        lines = self.lines("group_converted")
        assert len(lines) == len(wanted), lines
        for line, (to, member, reason) in zip(lines, wanted):
            assert f'group="changes" to={to} member="{member}" reason="{reason}" left_out=0' in line, lines

    def check_many_reasons(self):
        """However many, a second has room for 100, and a line of a later one says how many there were no more."""
        if self.broker.kind == "kafka":
            return
        count, one = 400, talk.Talk(self.broker)
        talk.find(self.broker, "crowd")
        others = [talk.ClassicMember(self.broker, "crowd", {}, f"i{number}") for number in range(count)]
        for other in others:
            other.send_join()
        for other in others:
            other.joined()
        before = len(self.lines("group_member_left"))
        gone = one.ask("leave_group", {"group_id": "crowd", "members": [{"member_id": "", "group_instance_id": other.instance} for other in others]})
        assert all(member["error_code"] == talk.NONE for member in gone["members"]), gone
        assert len(self.lines("group_member_left")) - before <= 100

        def is_told():
            another = talk.ClassicMember(self.broker, "crowd", {}, "another")
            another.send_join()
            another.joined()
            another.talk.close()
            one.ask("leave_group", {"group_id": "crowd", "members": [{"member_id": "", "group_instance_id": "another"}]})
            return any(f"left_out={number}" in self.lines("group_member_left")[-1] for number in range(count - 100, count + 1))
        wire.wait_for(is_told, PATIENCE, "what was left out is told")

    def check_many_leave_a_consumer_group(self):
        """More than suit one decision of Strom's; each has its answer."""
        count, one = 600, talk.ConsumerMember(self.broker, "full", ["t"])
        talk.find(self.broker, "full")
        one.heartbeat()
        others = [talk.ClassicMember(self.broker, "full", {"t": []}, f"i{number}") for number in range(count)]
        for other in others:
            other.send_join()
        for other in others:
            other.joined()
            other.talk.close()
        named = [{"member_id": "", "group_instance_id": instance} for instance in [other.instance for other in others] + ["nobody"]]
        told = one.talk.ask("leave_group", {"group_id": "full", "members": named})["members"]
        assert [member["group_instance_id"] for member in told] == [member["group_instance_id"] for member in named], told
        assert [member["error_code"] for member in told] == [talk.NONE] * count + [UNKNOWN_MEMBER], told
        left, = one.talk.ask("consumer_group_describe", {"group_ids": ["full"]})["groups"]
        assert [member["member_id"] for member in left["members"]] == [one.member_id], left


if __name__ == "__main__":
    sys.exit(node.run_suite(Suite, {"group.initial.rebalance.delay.ms": "300"}))
