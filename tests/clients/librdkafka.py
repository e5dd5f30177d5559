#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""librdkafka through confluent-kafka, whichever version this interpreter has: the content in every codec, and acks 0 and 1."""
import ctypes
import sys
import time

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import content
import kafka_wire
import node


def create(broker, topic, partitions=content.PARTITIONS, **config):
    admin = AdminClient({"bootstrap.servers": broker.address})
    for future in admin.create_topics([NewTopic(topic, partitions, 1, config=config)]).values():
        future.result(30)
    connection = broker.connect()
    for partition in range(partitions):             # acks=0 would lose what is sent before the partition is there
        kafka_wire.wait_for(lambda p=partition: connection.list_offset(topic, p, -1), 20, f"{topic}-{partition} is served")
    connection.close()


def produce(broker, topic, codec, extra):
    failures = []
    producer = Producer({"bootstrap.servers": broker.address, "compression.type": kafka_wire.CODECS[codec], "linger.ms": 50, **extra})
    for i in range(content.COUNT):
        key, value, headers, at = content.record(i)
        producer.produce(topic, value, key, i % content.PARTITIONS, headers=headers, timestamp=at,
                         on_delivery=lambda error, _: failures.append(error) if error else None)
    left = producer.flush(30)
    assert left == 0 and not failures, (left, failures[:3])
    return producer


def consume(broker, positions, count):
    """The first `count` messages from these positions, by partition."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "readers", "enable.auto.commit": False, "enable.partition.eof": True})
    consumer.assign(positions)
    found, end = {p.partition: [] for p in positions}, time.monotonic() + 30
    while sum(map(len, found.values())) < count and time.monotonic() < end:
        message = consumer.poll(1)
        if message is None or message.error() and message.error().code() == KafkaError._PARTITION_EOF:
            continue
        assert not message.error(), message.error()
        headers = message.headers()
        for _ in filter(lambda header: header[1] is None, headers or ()):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))      # confluent-kafka 1.7 gives a None that it does not own
        found[message.partition()].append((message.key(), message.value(), headers, message.timestamp()[1]))
    consumer.close()
    return found


def whole_content(broker, codec):
    topic = f"librdkafka-{kafka_wire.CODECS[codec]}"
    create(broker, topic)
    produce(broker, topic, codec, {"enable.idempotence": True})
    found = consume(broker, [TopicPartition(topic, p, 0) for p in range(content.PARTITIONS)], content.COUNT)
    for partition, messages in found.items():
        assert messages == content.expected(partition), f"{topic}-{partition}: {len(messages)} {messages[:1]}"
    content.check_topic(broker, topic, codec)
    by_time(broker, topic)


def by_time(broker, topic):
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "readers"})
    asked = content.FIRST_MS + 150 * content.STEP_MS
    positions = consumer.offsets_for_times([TopicPartition(topic, p, asked) for p in range(content.PARTITIONS)], 10)
    assert [p.offset for p in positions] == [50] * content.PARTITIONS, positions
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), 10) == (0, content.COUNT // content.PARTITIONS)
    consumer.close()
    found = consume(broker, positions, content.COUNT // 2)
    for partition, messages in found.items():
        assert messages == content.expected(partition)[50:], f"from {asked}: {len(messages)}"


def acks(broker, level):
    topic = f"librdkafka-acks-{level}"
    create(broker, topic)
    producer = produce(broker, topic, kafka_wire.NONE, {"acks": level})     # lives on: closing may cut off what acks=0 still sends
    found = consume(broker, [TopicPartition(topic, p, 0) for p in range(content.PARTITIONS)], content.COUNT)
    assert all(messages == content.expected(p) for p, messages in found.items()), {p: len(m) for p, m in found.items()}
    del producer


def topics(broker):
    create(broker, "librdkafka-made", 4, **{"retention.ms": "1000000", "max.message.bytes": "2000"})
    admin = AdminClient({"bootstrap.servers": broker.address})
    assert len(admin.list_topics("librdkafka-made", timeout=10).topics["librdkafka-made"].partitions) == 4
    try:
        create(broker, "librdkafka-made")
        raise AssertionError("created twice")
    except confluent_kafka.KafkaException as error:
        assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS, error
    refused = []
    producer = Producer({"bootstrap.servers": broker.address})
    producer.produce("librdkafka-made", b"x" * 5000, on_delivery=lambda error, _: refused.append(error.code() if error else None))
    producer.flush(10)
    assert refused == [KafkaError.MSG_SIZE_TOO_LARGE], refused
    for future in admin.delete_topics(["librdkafka-made"]).values():
        future.result(30)
    kafka_wire.wait_for(lambda: "librdkafka-made" not in admin.list_topics(timeout=10).topics, 10, "the topic goes")


def main():
    print(f"confluent-kafka {confluent_kafka.version()[0]}, librdkafka {confluent_kafka.libversion()[0]}")
    with node.Node().start() as broker:
        checks = [(f"librdkafka {kafka_wire.CODECS[codec]}", lambda codec=codec: whole_content(broker, codec))
                  for codec in content.codecs(broker, librdkafka=True)]
        checks += [(f"librdkafka acks={level}", lambda level=level: acks(broker, level)) for level in ("0", "1")]
        checks += [("librdkafka topics", lambda: topics(broker)), ("stop", broker.stop)]
        return node.run(checks, broker)


if __name__ == "__main__":
    sys.exit(main())
