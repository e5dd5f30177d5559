# SPDX-License-Identifier: Apache-2.0
"""The APIs of groups by hand, and members of both protocols that do what a client's consumer does, one step at a time. Requests and
answers are dictionaries, in the layouts of tests/twin/message.py."""
import os
import sys

import node

sys.path.insert(0, os.path.join(node.ROOT, "tests", "twin"))
import consumer_protocol  # noqa: E402
import kafka_wire as wire  # noqa: E402
import message  # noqa: E402

NONE, LOADING, NOT_AVAILABLE, NOT_COORDINATOR, REBALANCE, UNSUPPORTED_VERSION, NEEDS_ID = 0, 14, 15, 16, 27, 35, 79
NOT_YET = (LOADING, NOT_AVAILABLE, NOT_COORDINATOR)
APIS = {}


def api(name):
    if name not in APIS:
        APIS[name] = message.Api(name)
    return APIS[name]


class Talk:
    """One connection."""

    def __init__(self, broker, client="e2e"):
        self.connection, self.client = broker.connect(), client

    def send(self, name, values, version=None):
        self.asked = api(name)
        self.version = self.asked.request.versions[1] if version is None else version
        self.connection.correlation += 1
        head = self.asked.request_head(self.version, self.connection.correlation, self.client)
        frame = head + self.asked.request.encode(self.version, values)
        self.connection.socket.sendall(len(frame).to_bytes(4, "big") + frame)

    def receive(self):
        correlation, data = self.connection.receive()
        assert correlation == self.connection.correlation, f"answer {correlation} to request {self.connection.correlation}"
        return self.asked.response.decode(self.version, self.asked.response_body(self.version, data))

    def ask(self, name, values, version=None):
        self.send(name, values, version)
        return self.receive()

    def close(self):
        self.connection.close()


def find(broker, group):
    """Until the group has a coordinator that has loaded it."""
    talk = Talk(broker)

    def is_found():
        found = talk.ask("find_coordinator", {"key_type": 0, "coordinator_keys": [group]})["coordinators"][0]
        described = talk.ask("describe_groups", {"groups": [group]})["groups"][0]
        return found["error_code"] == NONE and described["error_code"] not in NOT_YET
    wire.wait_for(is_found, 30, f"{group} has a coordinator")
    talk.close()


class ClassicMember:
    """topics: {name: partitions} that it is assigned, when it leads."""

    def __init__(self, broker, group, topics, instance=None, client="classic"):
        self.group, self.topics, self.instance, self.client = group, topics, instance, client
        self.member_id, self.generation = "", -1
        self.connect(broker)

    def connect(self, broker):
        self.talk = Talk(broker, self.client)

    def send_join(self, reason=None):
        subscription = consumer_protocol.subscription(sorted(self.topics))
        self.talk.send("join_group", {"group_id": self.group, "session_timeout_ms": 120000, "rebalance_timeout_ms": 60000, "member_id": self.member_id,
                                      "group_instance_id": self.instance, "protocol_type": "consumer", "reason": reason,
                                      "protocols": [{"name": "range", "metadata": subscription}]})

    def joined(self, reason=None):
        answer = self.talk.receive()
        if answer["error_code"] == NEEDS_ID:
            self.member_id = answer["member_id"]
            self.send_join(reason)
            answer = self.talk.receive()
        assert answer["error_code"] == NONE, answer
        self.member_id, self.generation, self.leader = answer["member_id"], answer["generation_id"], answer["leader"]
        return answer

    def sync(self, assignments=()):
        self.talk.send("sync_group", {"group_id": self.group, "generation_id": self.generation, "member_id": self.member_id, "group_instance_id": self.instance,
                                      "protocol_type": "consumer", "protocol_name": "range", "assignments": list(assignments)})

    def heartbeat(self):
        return self.talk.ask("heartbeat", {"group_id": self.group, "generation_id": self.generation, "member_id": self.member_id,
                                           "group_instance_id": self.instance})["error_code"]

    def commit(self, offsets, **more):
        return commit(self.talk, self.group, offsets, member_id=self.member_id, generation_id_or_member_epoch=self.generation,
                      group_instance_id=self.instance, **more)

    def leave(self, reason=None):
        answer = self.talk.ask("leave_group", {"group_id": self.group, "members": [{"member_id": self.member_id, "group_instance_id": self.instance,
                                                                                    "reason": reason}]})
        assert answer["error_code"] == NONE and answer["members"][0]["error_code"] == NONE, answer


def rebalance(members):
    """All join and are assigned what they name. New ones first: a rebalance begins with them, and then waits for the others."""
    for one in sorted(members, key=lambda one: one.generation):
        one.send_join()
        if not one.member_id and one.instance is None:
            one.member_id = one.talk.receive()["member_id"]
            one.send_join()
    for one in members:
        one.joined()
    leader = next(one for one in members if one.member_id == one.leader)
    rest = [one for one in members if one is not leader]
    for one in rest:
        one.sync()
    leader.sync([{"member_id": one.member_id, "assignment": consumer_protocol.assignment(one.topics)} for one in members])
    for one in members:
        answer = one.talk.receive()
        assert answer["error_code"] == NONE and answer["assignment"] == consumer_protocol.assignment(one.topics), answer


class ConsumerMember:
    def __init__(self, broker, group, topics=None, regex=None, instance=None, assignor=None, rack=None, client="consumer"):
        self.group, self.topics, self.regex, self.instance, self.client = group, topics, regex, instance, client
        self.assignor, self.rack = assignor, rack
        self.member_id, self.epoch, self.assigned, self.told = message.uuid_text(os.urandom(16)), 0, [], None
        self.connect(broker)

    def connect(self, broker):
        self.talk = Talk(broker, self.client)

    def heartbeat(self):
        """The answer. It owns at once what it is assigned, and gives up at once what it is not."""
        values = {"group_id": self.group, "member_id": self.member_id, "member_epoch": self.epoch}
        if self.epoch == 0:
            values.update(rebalance_timeout_ms=60000, subscribed_topic_names=self.topics or [], subscribed_topic_regex=self.regex, instance_id=self.instance,
                          rack_id=self.rack, server_assignor=self.assignor, topic_partitions=[])
        elif self.told != self.assigned:
            values.update(topic_partitions=self.assigned)
        self.told = self.assigned
        answer = self.talk.ask("consumer_group_heartbeat", values)
        if answer["error_code"] == NONE:
            self.epoch = answer["member_epoch"]
            if answer["assignment"] is not None:
                self.assigned = answer["assignment"]["topic_partitions"]
        return answer

    def owned(self):
        return sorted((one["topic_id"], index) for one in self.assigned for index in one["partitions"])

    def commit(self, offsets, **more):
        return commit(self.talk, self.group, offsets, member_id=self.member_id, generation_id_or_member_epoch=self.epoch, **more)

    def leave(self, for_a_while=False):
        answer = self.talk.ask("consumer_group_heartbeat", {"group_id": self.group, "member_id": self.member_id, "instance_id": self.instance,
                                                            "member_epoch": -2 if for_a_while else -1})
        assert answer["error_code"] == NONE, answer


def settle(members, count):
    """Heartbeats until the group is stable and its members own count partitions between them, none of them twice."""
    def is_settled():
        for one in members:
            answer = one.heartbeat()
            if answer["error_code"] in NOT_YET:
                return False
            assert answer["error_code"] == NONE, answer
        owned = [partition for one in members for partition in one.owned()]
        group = members[0].talk.ask("consumer_group_describe", {"group_ids": [members[0].group]})["groups"][0]
        return len(owned) == len(set(owned)) == count and group["group_state"] == "Stable" and all(one.told == one.assigned for one in members)
    wire.wait_for(is_settled, 30, f"{members[0].group} is settled")


def commit(talk, group, offsets, version=9, **more):
    """offsets: {(topic, partition): offset or (offset, leader epoch, metadata)}; the one error code"""
    topics = {}
    for (topic, partition), value in offsets.items():
        offset, epoch, metadata = value if isinstance(value, tuple) else (value, -1, "")
        topics.setdefault(topic, []).append({"partition_index": partition, "committed_offset": offset, "committed_leader_epoch": epoch,
                                             "committed_metadata": metadata})
    answer = talk.ask("offset_commit", {"group_id": group, "topics": [{"name": name, "partitions": found} for name, found in topics.items()], **more}, version)
    codes = {one["error_code"] for topic in answer["topics"] for one in topic["partitions"]}
    assert len(codes) == 1, answer
    return codes.pop()


def committed(talk, group):
    """{(topic, partition): (offset, leader epoch, metadata)}"""
    answer = talk.ask("offset_fetch", {"groups": [{"group_id": group, "topics": None}], "require_stable": True}, 9)["groups"][0]
    assert answer["error_code"] == NONE, answer
    return {(topic["name"], one["partition_index"]): (one["committed_offset"], one["committed_leader_epoch"], one["metadata"])
            for topic in answer["topics"] for one in topic["partitions"]}
