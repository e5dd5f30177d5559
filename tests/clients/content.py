# SPDX-License-Identifier: Apache-2.0
"""What every client suite sends and must find again: 300 records over three partitions, one topic a codec. They touch every corner of
a record: absent, empty and non-ASCII keys, values and headers, a header name twice, timestamps that go back.
The wrapper of each client starts a broker, runs the client, then reads the topic once more by hand and looks into the log itself."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import kafka_wire  # noqa: E402
import node  # noqa: E402

COUNT, PARTITIONS, FIRST_MS, STEP_MS = 300, 3, 1700000000000, 1000
QUICK_GROUPS = {"group.initial.rebalance.delay.ms": "0"}              # for suites whose groups have one member each


def record(i):
    """(key, value, headers, timestamp) of record i; it belongs to partition i % 3"""
    key = None if i % 10 == 3 else b"" if i % 10 == 4 else f"key-{i}-größe-漢字".encode()
    value = None if i % 10 == 5 else b"" if i % 10 == 6 else f"value-{i}-🙂-{'abcdefghij' * (i % 50)}".encode()
    headers = [("number", str(i).encode()), ("empty", b""), ("null", None), ("größe-漢字", "naïve-🙂".encode())]
    return key, value, headers + [("number", b"again")] * (i % 7 == 0), FIRST_MS + i * STEP_MS - (5000 if i % 11 == 0 else 0)


def expected(partition):
    return [record(i) for i in range(partition, COUNT, PARTITIONS)]


def segments(broker, topic, partition):
    for directory in broker.directories:
        folder = os.path.join(directory, f"{topic}-{partition}")
        if os.path.isdir(folder):
            for name in sorted(os.listdir(folder)):
                if name.endswith(".log"):
                    with open(os.path.join(folder, name), "rb") as file:
                        yield from kafka_wire.batches(file.read())


def check_topic(broker, topic, codec, idempotent=True, arrange=list):
    """The topic holds exactly the content, over the wire and in the log, in batches of that codec. arrange: how the client orders headers."""
    connection = broker.connect()
    for partition in range(PARTITIONS):
        wanted = [(offset, at, key, value, arrange(headers)) for offset, (key, value, headers, at) in enumerate(expected(partition))]
        found = [one for batch in connection.read(topic, partition) for one in batch.records()]
        assert found == wanted, f"{topic}-{partition}: {len(found)} records, first difference {next((p for p in zip(found, wanted) if p[0] != p[1]), None)}"
        stored = list(segments(broker, topic, partition))
        assert [one for batch in stored for one in batch.records()] == wanted, f"{topic}-{partition}: the log differs"
        for batch in stored:
            assert batch.whole(), f"{topic}-{partition}: damaged batch at {batch.base}"
            assert batch.codec == codec, f"{topic}-{partition}: {kafka_wire.CODECS[batch.codec]} is stored, {kafka_wire.CODECS[codec]} was sent"
            assert not idempotent or batch.pid >= 0, f"{topic}-{partition}: no producer id at {batch.base}"
        at, offset, _ = connection.list_offset(topic, partition, expected(partition)[50][3] - 1)
        assert (at, offset) == (expected(partition)[50][3], 50), f"{topic}-{partition}: by time {at} {offset}"
    connection.close()


def codecs(broker, librdkafka=False):
    """All codecs; librdkafka uses lz4 only where FindCoordinator is advertised."""
    connection = broker.connect()
    lz4 = not librdkafka or 10 in connection.api_versions()
    connection.close()
    return [codec for codec in range(5) if codec != kafka_wire.LZ4 or lz4]


def run_program(broker, command, client, pattern, codecs=range(len(kafka_wire.CODECS)), **how):
    """Runs a client's program, which prints its cases and last `N passed, N failed`, with the pattern of cases behind its arguments; then
    looks by hand at what it left in these codecs, when all cases ran. Returns the exit code."""
    done = subprocess.run([*command, *pattern], capture_output=True, text=True, timeout=300, check=False)
    print(*done.stdout.splitlines()[:-1], sep="\n")
    print(done.stderr[-3000:])
    counts = (done.stdout.splitlines() or [""])[-1].split()
    passed, failed = (int(counts[0]), int(counts[2])) if len(counts) == 4 else (0, 1)
    checks = [(f"stored by {client} {kafka_wire.CODECS[codec]}", lambda codec=codec: check_topic(broker, f"{client}-{kafka_wire.CODECS[codec]}", codec, **how))
              for codec in codecs if not pattern]
    checks.append(("stop", broker.stop))
    bad = node.run_quiet(checks, broker)
    print(f"{passed + len(checks) - bad} passed, {failed + bad} failed")
    return 1 if failed + bad else 0
