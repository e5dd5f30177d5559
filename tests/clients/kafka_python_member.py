# SPDX-License-Identifier: Apache-2.0
"""A member of groups through kafka-python, as groups.py says; the settings of a group are the name of an assignor."""
from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

import member

ASSIGNORS = {"range": RangePartitionAssignor, "round-robin": RoundRobinPartitionAssignor, "sticky": StickyPartitionAssignor,
             "cooperative": CooperativeStickyAssignor}


class Member(ConsumerRebalanceListener):
    def __init__(self, address, topic, voice, settings):
        self.voice, self.owned, self.eager = voice, set(), settings != "cooperative"
        self.consumer = KafkaConsumer(bootstrap_servers=address, group_id=voice.group, partition_assignment_strategy=[ASSIGNORS[settings]],
                                      enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50, max_poll_records=100,
                                      session_timeout_ms=6000, heartbeat_interval_ms=500, reconnect_backoff_max_ms=200)
        self.consumer.subscribe([topic], listener=self)

    def on_partitions_assigned(self, assigned):
        self.owned |= {one.partition for one in assigned}
        self.voice.owns(self.owned)

    def on_partitions_revoked(self, revoked):
        """kafka-python 3.0.12 drops what a join brought when it ends between two polls, joins again, and would read on from its old positions
        a partition that another member had in the generation it missed. The Java client forgets positions here; so does this member."""
        if self.eager:
            self.consumer._subscription.assign_from_subscribed([])
        self.owned -= {one.partition for one in revoked}
        self.voice.owns(self.owned)

    def run(self):
        while not member.ended.is_set():
            try:
                self.take(self.consumer.poll(timeout_ms=100))
            except KafkaError as error:
                self.voice.failed(error)
        self.consumer.close()

    def take(self, found):
        if not found:
            return
        for partition, records in found.items():
            self.voice.read(partition.partition, records[0].offset, records[-1].offset)
        self.consumer.commit({partition: OffsetAndMetadata(records[-1].offset + 1, "", -1) for partition, records in found.items()}, timeout_ms=5000)
        for partition, records in found.items():
            self.voice.committed(partition.partition, records[-1].offset + 1)


member.run(Member)
