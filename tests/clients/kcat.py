#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kcat: lists, produces keyed records with headers in every codec, idempotent, reads back by partition and by timestamp."""
import json
import subprocess
import sys

import content
import kafka_wire
import node


def kcat(broker, *arguments, given=None):
    done = subprocess.run(["kcat", "-b", broker.address, *arguments], input=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"kcat {arguments}: {done.returncode}\n{done.stderr.decode()}"
    return done.stdout


def lists(broker):
    found = json.loads(kcat(broker, "-L", "-J"))
    assert found["brokers"] == [{"id": 1, "name": broker.address}], found["brokers"]


def produces_and_consumes(broker, codec):
    """kcat sends one set of headers a run and no timestamps of its own, so it has content of its own."""
    name = kafka_wire.CODECS[codec]
    topic = f"kcat-{name}"
    connection = broker.connect()
    connection.create_topic(topic, 3)
    for partition in range(3):
        lines = "".join(f"key-{i}|value-{i}{'x' * 100}\n" for i in range(100)).encode()
        kcat(broker, "-P", "-t", topic, "-p", str(partition), "-K", "|", "-z", name, "-X", "enable.idempotence=true", "-X", "linger.ms=100",
             "-H", "number=7", "-H", "empty=", given=lines)
    for partition in range(3):
        out = kcat(broker, "-C", "-q", "-e", "-o", "beginning", "-t", topic, "-p", str(partition), "-f", "%p %o %k %s %h\n").decode().splitlines()
        wanted = [f"{partition} {i} key-{i} value-{i}{'x' * 100} number=7,empty=" for i in range(100)]
        assert out == wanted, f"{topic}-{partition}: {len(out)} lines, {out[:2]}"
        stored = list(content.segments(broker, topic, partition))
        assert sum(b.count for b in stored) == 100 and all(b.whole() and b.codec == codec and b.pid >= 0 for b in stored), [b.codec for b in stored]
        last = stored[-1].max_ts
        by_time = kcat(broker, "-C", "-q", "-e", "-o", f"s@{last}", "-t", topic, "-p", str(partition), "-f", "%T\n").split()
        assert by_time and all(int(one) >= last for one in by_time), f"from {last}: {by_time[:3]}"
        asked = kcat(broker, "-Q", "-t", f"{topic}:{partition}:-1").decode()
        assert "offset 100" in asked, asked
    assert len(kcat(broker, "-C", "-q", "-e", "-o", "-5", "-t", topic, "-p", "0").splitlines()) == 5
    connection.close()


def creates_by_use(broker):
    kcat(broker, "-P", "-t", "kcat-made-by-use", "-k", "k", given=b"one\n")
    assert kcat(broker, "-C", "-q", "-e", "-o", "beginning", "-t", "kcat-made-by-use") == b"one\n"


def reads_as_a_group(broker):
    """The first run reads and commits everything, the second only what came behind it."""
    connection = broker.connect()
    connection.create_topic("kcat-group", 3)
    connection.close()
    for round_number in range(2):
        wanted = [f"{round_number}-{i}" for i in range(30)]
        kcat(broker, "-P", "-t", "kcat-group", "-X", "partitioner=random", given="".join(f"{one}\n" for one in wanted).encode())
        out = kcat(broker, "-G", "kcat", "-q", "-e", "-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000", "kcat-group")
        assert sorted(out.decode().split()) == sorted(wanted), f"round {round_number}: {out}"


def main():
    with node.Node().start() as broker:
        checks = [("kcat lists", lambda: lists(broker)), ("kcat creates a topic by use", lambda: creates_by_use(broker)),
                  ("kcat reads as a group", lambda: reads_as_a_group(broker))]
        checks += [(f"kcat {kafka_wire.CODECS[codec]}", lambda codec=codec: produces_and_consumes(broker, codec))
                   for codec in content.codecs(broker, librdkafka=True)]
        return node.run(checks + [("stop", broker.stop)], broker)


if __name__ == "__main__":
    sys.exit(main())
