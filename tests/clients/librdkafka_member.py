# SPDX-License-Identifier: Apache-2.0
"""usage: librdkafka_member.py HOST:PORT TOPIC MEMBER GROUP=KEY:VALUE,...: a member of groups, as groups.py says."""
import os
import sys
import threading

from confluent_kafka import Consumer, KafkaException, TopicPartition

ended = threading.Event()


def say(*words):
    os.write(1, (" ".join(map(str, (sys.argv[3], *words))) + "\n").encode())


class Member:
    def __init__(self, address, topic, group, settings):
        self.group, self.topic = group, topic
        self.cooperative = "cooperative" in settings or "protocol:consumer" in settings
        self.owned, self.positions, self.uncommitted = set(), {}, 0
        self.consumer = Consumer({"bootstrap.servers": address, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
                                  "fetch.wait.max.ms": 50, **dict(one.split(":", 1) for one in settings.split(","))})
        self.consumer.subscribe([topic], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.lost)

    def say_owned(self):
        say(self.group, "owns", ",".join(map(str, sorted(self.owned))))

    def fail(self, error):
        say(self.group, "failed", str(error).replace("\n", " "))

    def assigned(self, consumer, partitions):
        if self.cooperative:
            consumer.incremental_assign(partitions)
        else:
            consumer.assign(partitions)
        self.owned |= {one.partition for one in partitions}
        self.say_owned()

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
        self.say_owned()

    def commit(self):
        if not self.positions:
            return
        try:
            for one in self.consumer.commit(offsets=[TopicPartition(self.topic, *item) for item in self.positions.items()], asynchronous=False):
                if one.error:
                    self.fail(one.error)
                else:
                    say(self.group, "committed", one.partition, one.offset)
            self.positions = {}
        except KafkaException as error:
            self.fail(error)

    def run(self):
        while not ended.is_set():
            message = self.consumer.poll(0.1)
            if message is not None and message.error():
                self.fail(message.error())
            elif message is not None:
                say(self.group, "read", message.partition(), message.offset(), message.offset())
                self.positions[message.partition()] = message.offset() + 1
            self.uncommitted += 1
            if message is None or self.uncommitted == 100:
                self.uncommitted = 0
                self.commit()
        self.commit()
        self.consumer.close()


def main():
    threads = []
    for argument in sys.argv[4:]:
        threads.append(threading.Thread(target=Member(*sys.argv[1:3], *argument.split("=", 1)).run))
        threads[-1].start()
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()


main()
