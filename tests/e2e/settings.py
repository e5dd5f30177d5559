#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Settings that change while the broker runs: each kind is changed and then seen to act, and is there after a restart.
BROKER=kafka runs it against Kafka."""
import glob
import os
import sys
import time

import kafka_wire as wire
import node

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
FROM_TOPIC, FROM_BROKER, FROM_CLUSTER, FROM_FILE, FROM_DEFAULT = 1, 2, 3, 4, 5
TOO_LARGE, INVALID_TIMESTAMP, INVALID_RECORD, OUT_OF_ORDER = 10, 32, 87, 45
PATIENCE = 15
SETTINGS = {"log.retention.check.interval.ms": "200", "producer.id.expiration.check.interval.ms": "200", "log.initial.task.delay.ms": "0"}


def one(value=b"v", key=b"k", at=None):
    return (key, value, [], at or int(time.time() * 1000))


class Suite:
    def __init__(self, broker):
        self.broker = broker

    def topic(self, name, **configs):
        connection = self.broker.connect()
        connection.create_topic(name, 1, {key.replace("_", "."): value for key, value in configs.items()})
        wire.wait_for(lambda: connection.list_offset(name, 0, -1), PATIENCE, f"{name} is served")
        return connection

    @staticmethod
    def outcome(connection, topic, records):
        """0 or the error code"""
        return connection.produce_answer(connection.call(0, 7, connection.produce_body(topic, 0, records)))[0]

    def expect(self, connection, topic, records, code):
        """Kafka's broker hears of a change a moment after its answer."""
        wire.wait_for(lambda: self.outcome(connection, topic, records()) == code, PATIENCE, f"{topic}: answered with {code}")

    def check_message_size(self):
        """The topic's own value, then this broker's, then that of all brokers."""
        connection = self.topic("size")
        large = lambda: wire.batch([one(b"v" * 5000)])
        connection.set_configs(TOPIC, "size", {"max.message.bytes": "1000"})
        self.expect(connection, "size", large, TOO_LARGE)
        connection.set_configs(TOPIC, "size", {"max.message.bytes": None})
        self.expect(connection, "size", large, 0)
        connection.set_configs(BROKER, "", {"message.max.bytes": "1000"})
        self.expect(connection, "size", large, TOO_LARGE)
        connection.set_configs(BROKER, "1", {"message.max.bytes": "6000"})
        self.expect(connection, "size", large, 0)
        assert connection.configs(TOPIC, "size", ["max.message.bytes"]) == {"max.message.bytes": ("6000", FROM_BROKER)}
        connection.set_configs(BROKER, "1", {"message.max.bytes": None})
        self.expect(connection, "size", large, TOO_LARGE)
        connection.set_configs(BROKER, "", {"message.max.bytes": None})
        self.expect(connection, "size", large, 0)

    def check_timestamps(self):
        connection = self.topic("times")
        old = lambda: wire.batch([one(at=1700000000000)])
        connection.set_configs(TOPIC, "times", {"message.timestamp.before.max.ms": "1000"})
        self.expect(connection, "times", old, INVALID_TIMESTAMP)
        connection.set_configs(TOPIC, "times", {"message.timestamp.type": "LogAppendTime"})
        self.expect(connection, "times", old, 0)
        assert connection.read("times", 0)[-1].records()[0][1] > 1700000000000
        connection.set_configs(TOPIC, "times", {"message.timestamp.type": None, "message.timestamp.before.max.ms": None})
        connection.set_configs(BROKER, "", {"log.message.timestamp.after.max.ms": "1000"})
        self.expect(connection, "times", lambda: wire.batch([one(at=int(time.time() * 1000) + 600000)]), INVALID_TIMESTAMP)
        connection.set_configs(BROKER, "", {"log.message.timestamp.after.max.ms": None})

    def check_codec(self):
        connection = self.topic("codec")
        connection.set_configs(TOPIC, "codec", {"compression.type": "gzip"})

        def stored():
            connection.produce("codec", 0, wire.batch([one(b"v" * 100)]))
            return connection.read("codec", 0)[-1].codec
        wire.wait_for(lambda: stored() == 1, PATIENCE, "gzip is stored")
        connection.set_configs(TOPIC, "codec", {"compression.type": None})
        connection.set_configs(BROKER, "1", {"compression.type": "zstd"})
        wire.wait_for(lambda: stored() == 4, PATIENCE, "zstd is stored")
        connection.set_configs(BROKER, "1", {"compression.type": None})
        wire.wait_for(lambda: stored() == 0, PATIENCE, "nothing is compressed")

    def check_compaction_needs_keys(self):
        connection = self.topic("keys")
        keyless = lambda: wire.batch([one(key=None)])
        connection.set_configs(TOPIC, "keys", {"cleanup.policy": "compact"})
        self.expect(connection, "keys", keyless, INVALID_RECORD)
        connection.set_configs(TOPIC, "keys", {"cleanup.policy": "delete"})
        self.expect(connection, "keys", keyless, 0)

    def segments(self, topic):
        return len(glob.glob(os.path.join(self.broker.directories[0], f"{topic}-0", "*.log")))

    def check_segments_and_retention(self):
        """A smaller segment rolls at the next append; what is over the size or the age goes."""
        connection = self.topic("segments")
        fill = lambda: connection.produce("segments", 0, wire.batch([one(b"v" * 600000)]))
        fill(), fill(), fill()
        assert self.segments("segments") == 1
        connection.set_configs(TOPIC, "segments", {"segment.bytes": "1048576"})
        wire.wait_for(lambda: fill() and self.segments("segments") >= 3, PATIENCE, "three segments")
        connection.set_configs(TOPIC, "segments", {"retention.bytes": "1000000"})
        start = wire.wait_for(lambda: connection.list_offset("segments", 0, -2)[1], PATIENCE, "the first segments go by size")
        end = connection.list_offset("segments", 0, -1)[1]
        assert 0 < start < end
        connection.set_configs(TOPIC, "segments", {"retention.ms": "1"})
        wire.wait_for(lambda: connection.list_offset("segments", 0, -2)[1] == end, PATIENCE, "all goes by age")

    def check_retention_of_all_topics(self):
        connection = self.topic("age", segment_ms="100")
        connection.produce("age", 0, wire.batch([one()]))
        connection.set_configs(BROKER, "", {"log.retention.ms": "100"})
        wire.wait_for(lambda: connection.list_offset("age", 0, -2)[1] == 1, PATIENCE, "the record is too old")
        connection.set_configs(BROKER, "", {"log.retention.ms": None})

    def check_producers_are_forgotten(self):
        """A gap is refused while the producer is known; one that is forgotten may begin anywhere."""
        connection = self.topic("producers")
        connection.produce("producers", 0, wire.batch([one()], pid=7000, pepoch=0, seq=0))
        assert self.outcome(connection, "producers", wire.batch([one()], pid=7000, pepoch=0, seq=9)) == OUT_OF_ORDER
        connection.set_configs(BROKER, "", {"producer.id.expiration.ms": "1"})
        self.expect(connection, "producers", lambda: wire.batch([one()], pid=7000, pepoch=0, seq=9), 0)
        connection.set_configs(BROKER, "", {"producer.id.expiration.ms": None})

    def check_connections(self):
        """The limit holds for the next connection; those that are open stay."""
        admin = self.broker.connect()
        admin.set_configs(BROKER, "", {"max.connections.per.ip": "3"})
        held = []

        def is_full():
            try:
                connection = self.broker.connect(timeout=5)
                connection.metadata([])
                held.append(connection)
                return False
            except (ConnectionError, OSError):
                return True
        wire.wait_for(is_full, PATIENCE, "a connection is refused")
        assert len(held) <= 3, f"{len(held)} were let in"
        admin.set_configs(BROKER, "", {"max.connections.per.ip": None})
        wire.wait_for(lambda: not is_full(), PATIENCE, "a connection is let in")
        for connection in held:
            connection.close()

    def check_cordoned_directories(self):
        """The broker tells the controller with its next heartbeat; then nothing new is placed."""
        connection, made = self.broker.connect(), []

        def is_refused():
            try:
                made.append(f"cordoned-{len(made)}")
                connection.create_topic(made[-1])
                return False
            except ValueError as error:
                assert str(error).startswith("38:"), error
                return True
        connection.set_configs(BROKER, "1", {"cordoned.log.dirs": "*"})
        wire.wait_for(is_refused, PATIENCE, "no directory takes a topic")
        connection.set_configs(BROKER, "1", {"cordoned.log.dirs": None})
        wire.wait_for(lambda: not is_refused(), PATIENCE, "a topic is made")

    def check_pools_are_accepted(self):
        """num.network.threads stays: Kafka closes connections when the number falls."""
        connection = self.broker.connect()
        connection.set_configs(BROKER, "1", {"num.io.threads": "9", "num.network.threads": "4", "background.threads": "11"})
        found = lambda: connection.configs(BROKER, "1", ["num.io.threads"])["num.io.threads"] == ("9", FROM_BROKER)
        wire.wait_for(found, PATIENCE, "the number is told")
        connection.set_configs(BROKER, "1", {"num.io.threads": None, "background.threads": None})

    def check_logger(self):
        connection = self.broker.connect()
        connection.set_configs(BROKER_LOGGER, "1", {"root": "ERROR"})
        assert connection.configs(BROKER_LOGGER, "1", ["root"])["root"][0] == "ERROR"
        connection.set_configs(BROKER_LOGGER, "1", {"root": "INFO"})

    def check_restart(self):
        connection = self.topic("kept", retention_ms="4000")
        connection.set_configs(TOPIC, "kept", {"segment.ms": "5000", "retention.ms": "6000"})
        connection.set_configs(BROKER, "", {"log.preallocate": "false"})
        connection.set_configs(GROUP, "group", {"consumer.session.timeout.ms": "50000"})
        connection.set_configs(CLIENT_METRICS, "metrics", {"interval.ms": "1000"})
        self.broker.stop()
        self.broker.start()
        connection = self.broker.connect()
        found = connection.configs(TOPIC, "kept", ["segment.ms", "retention.ms"])
        assert found == {"segment.ms": ("5000", FROM_TOPIC), "retention.ms": ("6000", FROM_TOPIC)}, found
        assert connection.configs(BROKER, "", ["log.preallocate"])["log.preallocate"] == ("false", FROM_CLUSTER)
        assert connection.configs(GROUP, "group")["consumer.session.timeout.ms"][0] == "50000"
        assert connection.configs(CLIENT_METRICS, "metrics")["interval.ms"][0] == "1000"

    def check_security_is_said_loudly(self):
        """Strom's own: what is stored and not enforced is reported when it is set."""
        if self.broker.kind == "kafka":
            return
        connection = self.broker.connect()
        connection.set_configs(BROKER, "1", {"listener.name.plaintext.ssl.keystore.location": "/x"})
        assert "security_settings_not_used" in self.broker.said(200)
        connection.set_configs(BROKER, "1", {"listener.name.plaintext.ssl.keystore.location": None})


if __name__ == "__main__":
    sys.exit(node.run_suite(Suite, SETTINGS))
