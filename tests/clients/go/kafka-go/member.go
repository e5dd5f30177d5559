// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
	"strom.example/clients/cases"
)

var balancers = map[string]kafka.GroupBalancer{"range": kafka.RangeGroupBalancer{}, "round-robin": kafka.RoundRobinGroupBalancer{}}

// runMember: the settings are a balancer's name.
func runMember(ended context.Context, m *cases.Member) {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{ID: m.Group, Brokers: []string{m.Address}, Topics: []string{m.Topic},
		GroupBalancers: []kafka.GroupBalancer{balancers[m.Settings]}, HeartbeatInterval: 500 * time.Millisecond, SessionTimeout: 6 * time.Second,
		JoinGroupBackoff: 200 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	for ended.Err() == nil {
		generation, err := group.Next(ended)
		if err != nil {
			if ended.Err() == nil {
				m.Say("failed to join: %v", err)
			}
			continue
		}
		m.Own(nil, nil)
		for _, assigned := range generation.Assignments[m.Topic] {
			generation.Start(func(ctx context.Context) { readPartition(ctx, m, generation, assigned) })
		}
	}
	group.Close()
}

// readPartition reads and commits until the generation ends; nobody joins another before it has returned.
func readPartition(ctx context.Context, m *cases.Member, generation *kafka.Generation, assigned kafka.PartitionAssignment) {
	m.Own([]int32{int32(assigned.ID)}, nil)
	defer m.Own(nil, []int32{int32(assigned.ID)})
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{m.Address}, Topic: m.Topic, Partition: assigned.ID, MaxBytes: 1 << 20,
		MaxWait: 50 * time.Millisecond, ReadBackoffMin: 20 * time.Millisecond, ReadBackoffMax: 200 * time.Millisecond})
	defer reader.Close()
	if err := reader.SetOffset(assigned.Offset); err != nil {
		m.Say("failed to go to %d: %v", assigned.Offset, err)
		return
	}
	for uncommitted := 0; ; {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		message, err := reader.FetchMessage(short)
		cancel()
		if err == nil {
			m.Say("read %d %d %d", assigned.ID, message.Offset, message.Offset)
			assigned.Offset = message.Offset + 1
			uncommitted++
		} else if ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
			m.Say("failed to read: %v", err)
		}
		over := ctx.Err() != nil // asked once: what was read as it ended is committed, too
		if uncommitted == 50 || uncommitted > 0 && (err != nil || over) {
			if err := generation.CommitOffsets(map[string]map[int]int64{m.Topic: {assigned.ID: assigned.Offset}}); err != nil {
				m.Say("failed to commit: %v", err)
				return
			}
			m.Say("committed %d %d", assigned.ID, assigned.Offset)
			uncommitted = 0
		}
		if over {
			return
		}
	}
}
