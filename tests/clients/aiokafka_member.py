# SPDX-License-Identifier: Apache-2.0
"""A member of groups through aiokafka, as groups.py says; the settings of a group are the name of an assignor."""
import asyncio
import sys

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError

import member

ASSIGNORS = {"range": RangePartitionAssignor, "round-robin": RoundRobinPartitionAssignor, "sticky": StickyPartitionAssignor}


class Member(ConsumerRebalanceListener):
    """The client takes part in rebalances beside its reader: the lock lets none begin between a read and its commit. It is not held
    while the client is asked for records, since the client gives none while a rebalance goes on."""

    def __init__(self, address, topic, voice, settings):
        self.voice, self.topic, self.lock = voice, topic, asyncio.Lock()
        self.consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=voice.group, partition_assignment_strategy=[ASSIGNORS[settings]],
                                         enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50, max_poll_records=100,
                                         session_timeout_ms=6000, heartbeat_interval_ms=500)
        self.consumer.subscribe([topic], listener=self)

    async def on_partitions_revoked(self, revoked):
        async with self.lock:
            self.voice.owns([])

    async def on_partitions_assigned(self, assigned):
        self.voice.owns(one.partition for one in assigned)

    async def run(self, ended):
        await self.consumer.start()
        while not ended.is_set():
            try:
                found = await self.consumer.getmany(timeout_ms=100)
                async with self.lock:
                    await self.take(found)
            except KafkaError as error:
                self.voice.failed(error)
        await self.consumer.stop()

    async def take(self, found):
        for partition, records in found.items():
            self.voice.read(partition.partition, records[0].offset, records[-1].offset)
        if found:
            await self.consumer.commit({partition: records[-1].offset + 1 for partition, records in found.items()})
        for partition, records in found.items():
            self.voice.committed(partition.partition, records[-1].offset + 1)


async def main():
    ended = asyncio.Event()
    members = [asyncio.create_task(Member(*one).run(ended)) for one in member.memberships()]
    await asyncio.to_thread(sys.stdin.read)
    ended.set()
    await asyncio.gather(*members)


asyncio.run(main())
