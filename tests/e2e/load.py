# SPDX-License-Identifier: Apache-2.0
"""The load of the kill and power tests, and their verdict.

Writers send numbered batches with acks=all, several in flight, and note what was answered. Readers follow the high watermark
and note the bytes of each batch they saw. After a crash: every answered batch is at its offset with its bytes, and every
batch that a reader saw is there, byte for byte. Runs over as many crashes as it is asked to."""
import collections
import os
import random
import socket
import struct
import threading
import time

import kafka_wire as wire

PARTITIONS = 4


class Load:
    def __init__(self, broker, topic="load", seed=1, configs=None):
        self.broker, self.topic, self.configs = broker, topic, configs or {}
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.acknowledged = [dict() for _ in range(PARTITIONS)]       # base offset -> payload as sent (without offset and epoch)
        self.seen = [dict() for _ in range(PARTITIONS)]               # base offset -> whole batch as fetched
        self.verified = [0] * PARTITIONS                              # offsets below were compared after an earlier crash and dropped
        self.number = 0
        self.total_acknowledged = self.total_seen = 0
        self.running = False
        self.certain = True                                           # answers count; see power.py
        self.threads = []

    def create(self):
        connection = self.broker.connect()
        connection.create_topic(self.topic, PARTITIONS, self.configs)
        self.await_served()
        connection.close()

    def await_served(self):
        def served():
            connection = self.broker.connect(timeout=5)
            try:
                return all(connection.list_offset(self.topic, p, -1) for p in range(PARTITIONS))
            finally:
                connection.close()
        wire.wait_for(served, 30, "all partitions are served")

    def next_batch(self):
        with self.lock:
            self.number += 1
            number, size, count, codec = self.number, self.random.choice((10, 300, 3000)), self.random.choice((1, 1, 7)), self.random.choice((0, 0, 4))
        now = int(time.time() * 1000)
        return wire.batch([(b"%d" % number, os.urandom(size), [], now)] * count, codec)

    def write(self, partition):
        try:
            connection, waiting = self.broker.connect(timeout=20), collections.deque()
            while self.running:
                while len(waiting) < 5 and self.running:
                    data = self.next_batch()
                    connection.send(0, 7, connection.produce_body(self.topic, partition, data))
                    waiting.append(data)
                code, base, _ = connection.produce_answer(connection.receive()[1])
                data = waiting.popleft()
                with self.lock:
                    if code == 0 and self.certain:
                        self.acknowledged[partition][base] = data[12:]
                        self.total_acknowledged += 1
            connection.close()
        except (OSError, ConnectionError, struct.error, socket.timeout):
            pass                                                      # the crash: what is unanswered counts neither way

    def read(self, partition):
        try:
            connection = self.broker.connect(timeout=20)
            offset = self.verified[partition]
            while self.running:
                code, _, _, _, data, _ = connection.fetch(self.topic, partition, offset, wait_ms=50)
                for batch in wire.batches(data) if code == 0 else []:
                    if batch.last >= offset:
                        with self.lock:
                            if self.certain:
                                self.seen[partition][batch.base] = batch.data
                                self.total_seen += 1
                        offset = batch.last + 1
            connection.close()
        except (OSError, ConnectionError, struct.error, socket.timeout):
            pass

    def start(self):
        self.running = self.certain = True
        self.threads = [threading.Thread(target=job, args=(p,)) for p in range(PARTITIONS) for job in (self.write, self.read)]
        for thread in self.threads:
            thread.start()

    def answers_no_longer_count(self):
        with self.lock:
            self.certain = False

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join(30)

    def verify(self):
        """After the crash and the start: a list of complaints, empty when the promise was kept."""
        complaints = []
        connection = self.broker.connect()
        for partition in range(PARTITIONS):
            floor, where = self.verified[partition], f"{self.topic}-{partition}"
            found = {b.base: b for b in connection.read(self.topic, partition, floor)}
            for base, data in sorted(self.acknowledged[partition].items()):
                if base not in found:
                    complaints.append(f"{where} offset {base}: acknowledged, and lost")
                elif found[base].data[16:] != data[4:]:
                    complaints.append(f"{where} offset {base}: acknowledged, and other bytes are there")
            for base, data in sorted(self.seen[partition].items()):
                if base not in found:
                    complaints.append(f"{where} offset {base}: was seen, and is gone")
                elif found[base].data != data:
                    complaints.append(f"{where} offset {base}: was seen with other bytes")
            at = floor
            for base in sorted(found):
                if base != at or not found[base].whole():
                    complaints.append(f"{where} offset {base}: a gap or a damaged batch (expected {at})")
                at = found[base].last + 1
            self.acknowledged[partition].clear()
            self.seen[partition].clear()
            self.verified[partition] = at
        connection.close()
        return complaints
