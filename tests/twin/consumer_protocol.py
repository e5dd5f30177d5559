# SPDX-License-Identifier: Apache-2.0
"""What consumers of a classic group tell each other through its coordinator: subscriptions and assignments, as bytes."""
import struct


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def partitions_by_topic(topics):
    return struct.pack(">i", len(topics)) + b"".join(
        text(name) + struct.pack(f">i{len(indexes)}i", len(indexes), *indexes) for name, indexes in topics.items())


def subscription(topics, owned=None, generation=-1, rack=None, version=3):
    """topics: names; owned: {name: partitions}"""
    data = struct.pack(">hi", version, len(topics)) + b"".join(map(text, topics)) + struct.pack(">i", -1)
    data += partitions_by_topic(owned or {}) if version >= 1 else b""
    data += struct.pack(">i", generation) if version >= 2 else b""
    return data + ((struct.pack(">h", -1) if rack is None else text(rack)) if version >= 3 else b"")


def assignment(topics, version=3):
    """topics: {name: partitions}"""
    return struct.pack(">h", version) + partitions_by_topic(topics) + struct.pack(">i", -1)


def assignment_in_order(data):
    """the same with topics in the order of their names, which in Kafka is that of its hash maps; what is no assignment stays as it is"""
    topics, at = {}, 6
    try:
        all_topics = struct.unpack_from(">i", data, 2)[0]
        for _ in range(all_topics):
            size = struct.unpack_from(">h", data, at)[0]
            name, count = data[at + 2:at + 2 + size].decode(), struct.unpack_from(">i", data, at + 2 + size)[0]
            topics[name] = struct.unpack_from(f">{count}i", data, at + 6 + size)
            at += 6 + size + 4 * count
    except (struct.error, UnicodeDecodeError):
        return data
    return data[:2] + partitions_by_topic(dict(sorted(topics.items()))) + data[at:] if len(topics) == all_topics else data
