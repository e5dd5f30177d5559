# SPDX-License-Identifier: Apache-2.0
"""A member of groups through confluent-kafka, as groups.py says; the settings of a group are KEY:VALUE,... of librdkafka."""
from confluent_kafka import Consumer, KafkaException, TopicPartition

import member


class Member:
    def __init__(self, address, topic, voice, settings):
        self.voice, self.topic = voice, topic
        self.cooperative = "cooperative" in settings or "protocol:consumer" in settings
        self.owned, self.positions, self.uncommitted = set(), {}, 0
        self.consumer = Consumer({"bootstrap.servers": address, "group.id": voice.group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
                                  "fetch.wait.max.ms": 50, **dict(one.split(":", 1) for one in settings.split(","))})
        self.consumer.subscribe([topic], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.lost)

    def assigned(self, consumer, partitions):
        if self.cooperative:
            consumer.incremental_assign(partitions)
        else:
            consumer.assign(partitions)
        self.owned |= {one.partition for one in partitions}
        self.voice.owns(self.owned)

    def revoked(self, consumer, partitions):
        self.commit()
        self.drop(consumer, partitions)

    def lost(self, consumer, partitions):
        self.drop(consumer, partitions)

    def drop(self, consumer, partitions):
        gone = {one.partition for one in partitions}
        self.owned -= gone
        self.positions = {one: at for one, at in self.positions.items() if one not in gone}
        if self.cooperative:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()
        self.voice.owns(self.owned)

    def commit(self):
        if not self.positions:
            return
        try:
            for one in self.consumer.commit(offsets=[TopicPartition(self.topic, *item) for item in self.positions.items()], asynchronous=False):
                if one.error:
                    self.voice.failed(one.error)
                else:
                    self.voice.committed(one.partition, one.offset)
            self.positions = {}
        except KafkaException as error:
            self.voice.failed(error)

    def run(self):
        while not member.ended.is_set():
            message = self.consumer.poll(0.1)
            if message is not None and message.error():
                self.voice.failed(message.error())
            elif message is not None:
                self.voice.read(message.partition(), message.offset(), message.offset())
                self.positions[message.partition()] = message.offset() + 1
            self.uncommitted += 1
            if message is None or self.uncommitted == 100:
                self.uncommitted = 0
                self.commit()
        self.commit()
        self.consumer.close()


member.run(Member)
