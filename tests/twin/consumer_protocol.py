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
