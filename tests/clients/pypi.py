#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: pypi.py kafka-python|aiokafka: what most users of that client do: the content in every codec, topics, offsets, a refused record, a group
that reads, and what is asked about it."""
import asyncio
import sys
import time

import aiokafka
import aiokafka.admin
import aiokafka.errors
import kafka
import kafka.admin
import kafka.errors
from kafka.structs import OffsetAndMetadata

import content
import kafka_wire
import node

SETTINGS = {"retention.ms": "-1", "max.message.bytes": "100000"}      # the content is years old


def found(record):
    return record.key, record.value, list(record.headers), record.timestamp


class KafkaPython:
    too_large = kafka.errors.MessageSizeTooLargeError

    @staticmethod
    def arrange(headers):
        """The client sends no header without a value."""
        return [one for one in headers if one[1] is not None]

    def __init__(self, address):
        self.server = {"bootstrap_servers": address}
        self.admin = kafka.KafkaAdminClient(**self.server)

    def create(self, topic, partitions):
        try:
            self.admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1, "configs": SETTINGS}}, wait_for_metadata=True)
        except kafka.errors.TopicAlreadyExistsError:
            return False
        return True

    def delete(self, topic):
        self.admin.delete_topics([topic])

    def topics(self):
        return {one["name"]: len(one["partitions"]) for one in self.admin.describe_topics()}

    def setting(self, topic, name):
        resource = kafka.admin.ConfigResource("TOPIC", topic)
        return self.admin.describe_configs([resource], config_filter="all")["topic"][topic][name]["value"]

    def send(self, topic, codec, records):
        producer = kafka.KafkaProducer(compression_type=None if codec == "none" else codec, linger_ms=20, enable_idempotence=True, **self.server)
        sent = [producer.send(topic, value, key, headers, partition, at) for partition, key, value, headers, at in records]
        try:
            for one in sent:
                one.get(30)
        finally:
            producer.close()

    def read(self, topic, partition, offset, count):
        consumer = kafka.KafkaConsumer(fetch_max_wait_ms=100, **self.server)
        at = kafka.TopicPartition(topic, partition)
        consumer.assign([at])
        consumer.seek(at, offset)
        records = [next(consumer) for _ in range(count)]
        consumer.close()
        assert [one.offset for one in records] == list(range(offset, offset + count)), [one.offset for one in records]
        return [found(one) for one in records]

    def offsets(self, topic, partition, time_ms):
        consumer = kafka.KafkaConsumer(**self.server)
        at = kafka.TopicPartition(topic, partition)
        by_time = consumer.offsets_for_times({at: time_ms})[at]
        first, end = consumer.beginning_offsets([at])[at], consumer.end_offsets([at])[at]
        consumer.close()
        return first, end, by_time and by_time.offset

    def read_as_group(self, group, topic, count):
        """Reads, commits and leaves."""
        consumer = kafka.KafkaConsumer(topic, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=100, **self.server)
        records = [next(consumer) for _ in range(count)]
        consumer.commit({kafka.TopicPartition(topic, one.partition): OffsetAndMetadata(one.offset + 1, "", -1) for one in records})
        consumer.close()
        return [(one.partition, one.offset, found(one)) for one in records]

    def groups(self):
        """The state of each."""
        return {one["group_id"]: self.admin.describe_groups([one["group_id"]])[one["group_id"]]["group_state"] for one in self.admin.list_groups()}

    def committed(self, group):
        return {(at.topic, at.partition): one.offset for at, one in self.admin.list_group_offsets([group])[group].items()}

    def delete_group(self, group):
        assert self.admin.delete_groups([group]) == {group: "OK"}
        return True

    def close(self):
        self.admin.close()


class Aiokafka:
    """Each method runs the client's loop until it is done."""
    too_large = aiokafka.errors.MessageSizeTooLargeError
    arrange = list

    def __init__(self, address):
        self.server = {"bootstrap_servers": address}
        self.loop = asyncio.new_event_loop()
        self.admin = self.run(self.made(lambda: aiokafka.admin.AIOKafkaAdminClient(**self.server)))

    def run(self, coroutine):
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 40))

    async def made(self, make):
        client = make()
        await client.start()
        return client

    def create(self, topic, partitions):
        answer = self.run(self.admin.create_topics([aiokafka.admin.NewTopic(topic, partitions, 1, topic_configs=SETTINGS)]))
        code = answer.topic_errors[0][1]
        assert code in (0, aiokafka.errors.TopicAlreadyExistsError.errno), answer
        if code == 0:
            kafka_wire.wait_for(lambda: self.topics().get(topic) == partitions, 20, f"{topic} is served")
        return code == 0

    def delete(self, topic):
        self.run(self.admin.delete_topics([topic]))

    def topics(self):
        return {one["topic"]: len(one["partitions"]) for one in self.run(self.admin.describe_topics())}

    def setting(self, topic, name):
        resource = aiokafka.admin.config_resource.ConfigResource(aiokafka.admin.config_resource.ConfigResourceType.TOPIC, topic)
        return {entry[0]: entry[1] for entry in self.run(self.admin.describe_configs([resource]))[0].resources[0][4]}[name]

    def send(self, topic, codec, records):
        async def send():
            producer = await self.made(lambda: aiokafka.AIOKafkaProducer(compression_type=None if codec == "none" else codec, linger_ms=20,
                                                                          enable_idempotence=True, **self.server))
            try:
                sent = [await producer.send(topic, value, key, partition, at, headers) for partition, key, value, headers, at in records]
                await asyncio.gather(*sent)
            finally:
                await producer.stop()
        self.run(send())

    def read(self, topic, partition, offset, count):
        async def read():
            consumer = await self.made(lambda: aiokafka.AIOKafkaConsumer(fetch_max_wait_ms=100, **self.server))
            at = aiokafka.TopicPartition(topic, partition)
            consumer.assign([at])
            consumer.seek(at, offset)
            records = [await consumer.getone() for _ in range(count)]
            await consumer.stop()
            return records
        records = self.run(read())
        assert [one.offset for one in records] == list(range(offset, offset + count)), [one.offset for one in records]
        return [found(one) for one in records]

    def offsets(self, topic, partition, time_ms):
        async def ask():
            consumer = await self.made(lambda: aiokafka.AIOKafkaConsumer(**self.server))
            at = aiokafka.TopicPartition(topic, partition)
            answers = [(await ask)[at] for ask in (consumer.beginning_offsets([at]), consumer.end_offsets([at]), consumer.offsets_for_times({at: time_ms}))]
            await consumer.stop()
            return answers
        first, end, by_time = self.run(ask())
        return first, end, by_time and by_time.offset

    def read_as_group(self, group, topic, count):
        async def read():
            consumer = await self.made(lambda: aiokafka.AIOKafkaConsumer(topic, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                                                                          fetch_max_wait_ms=100, **self.server))
            records = [await consumer.getone() for _ in range(count)]
            await consumer.commit({aiokafka.TopicPartition(topic, one.partition): one.offset + 1 for one in records})
            await consumer.stop()
            return records
        return [(one.partition, one.offset, found(one)) for one in self.run(read())]

    def groups(self):
        names = [one[0] for one in self.run(self.admin.list_consumer_groups())]
        return {name: self.run(self.admin.describe_consumer_groups([name]))[0].groups[0][2] for name in names}

    def committed(self, group):
        return {(at.topic, at.partition): one.offset for at, one in self.run(self.admin.list_consumer_group_offsets(group)).items()}

    def delete_group(self, group):
        return False                                # the client cannot

    def close(self):
        self.run(self.admin.close())
        self.loop.close()


CLIENTS = {"kafka-python": KafkaPython, "aiokafka": Aiokafka}


class Suite:
    def __init__(self, name, broker):
        self.name, self.broker, self.client = name, broker, CLIENTS[name](broker.address)

    def record(self, i):
        key, value, headers, at = content.record(i)
        return key, value, self.client.arrange(headers), at

    def send(self, topic, codec="none"):
        self.client.send(topic, codec, [(i % content.PARTITIONS, *self.record(i)) for i in range(content.COUNT)])

    def whole_content(self, codec):
        topic = f"{self.name}-{kafka_wire.CODECS[codec]}"
        assert self.client.create(topic, content.PARTITIONS)
        self.send(topic, kafka_wire.CODECS[codec])
        for partition in range(content.PARTITIONS):
            wanted = [self.record(i) for i in range(partition, content.COUNT, content.PARTITIONS)]
            assert self.client.read(topic, partition, 0, len(wanted)) == wanted, f"{topic}-{partition}"
            assert self.client.read(topic, partition, 17, len(wanted) - 17) == wanted[17:], f"{topic}-{partition} from 17 on"
        content.check_topic(self.broker, topic, codec, arrange=self.client.arrange)

    def topics(self):
        topic = f"{self.name}-made"
        assert self.client.create(topic, 4) and not self.client.create(topic, 4)
        assert self.client.topics()[topic] == 4, self.client.topics()
        assert self.client.setting(topic, "max.message.bytes") == "100000"
        self.client.delete(topic)
        kafka_wire.wait_for(lambda: topic not in self.client.topics(), 10, "the topic goes")

    def offsets(self):
        topic = f"{self.name}-offsets"
        self.client.create(topic, content.PARTITIONS)
        self.send(topic)
        for partition in range(content.PARTITIONS):
            answer = self.client.offsets(topic, partition, content.FIRST_MS + 150 * content.STEP_MS)
            assert answer == (0, 100, 50), answer

    def too_large(self):
        topic = f"{self.name}-small"
        self.client.create(topic, 1)
        try:
            self.client.send(topic, "none", [(0, None, b"x" * 200000, [], int(time.time() * 1000))])
            raise AssertionError("200,000 bytes were taken")
        except self.client.too_large:
            pass
        assert self.client.offsets(topic, 0, content.FIRST_MS)[1] == 0

    def group(self):
        """The first round reads and commits the content, the second only what came behind it."""
        topic, group, share = f"{self.name}-group", f"{self.name}-readers", content.COUNT // content.PARTITIONS
        self.client.create(topic, content.PARTITIONS)
        for round_number in range(2):
            self.send(topic)
            read = self.client.read_as_group(group, topic, content.COUNT)
            wanted = [(i % content.PARTITIONS, round_number * share + i // content.PARTITIONS, self.record(i)) for i in range(content.COUNT)]
            assert sorted(read, key=lambda one: one[:2]) == sorted(wanted, key=lambda one: one[:2]), f"round {round_number}"
            committed = self.client.committed(group)
            assert committed == {(topic, partition): (round_number + 1) * share for partition in range(content.PARTITIONS)}, committed
        assert self.client.groups() == {group: "Empty"}, self.client.groups()
        if self.client.delete_group(group):
            assert self.client.groups() == {}, self.client.groups()

    def run(self):
        checks = [(f"{self.name} {name}", lambda codec=codec: self.whole_content(codec)) for codec, name in enumerate(kafka_wire.CODECS)]
        checks += [(f"{self.name} {name}", check) for name, check in (("topics", self.topics), ("offsets at the ends and by time", self.offsets),
                                                                      ("too large", self.too_large), ("reads as a group", self.group))]
        return node.run([*checks, ("close", self.client.close), ("stop", self.broker.stop)], self.broker)


def main():
    with node.Node(settings=content.QUICK_GROUPS).start() as broker:
        return Suite(sys.argv[1], broker).run()


if __name__ == "__main__":
    sys.exit(main())
