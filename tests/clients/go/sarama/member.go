// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"strom.example/clients/cases"
)

var strategies = map[string]func() sarama.BalanceStrategy{
	"range": sarama.NewBalanceStrategyRange, "round-robin": sarama.NewBalanceStrategyRoundRobin, "sticky": sarama.NewBalanceStrategySticky,
	"cooperative": sarama.NewBalanceStrategyCooperativeSticky,
}

// member is the handler of one group. The client calls it once for each partition that it owns, and closes the partition's messages
// before somebody else gets it.
type member struct {
	*cases.Member
	admin sarama.ClusterAdmin
}

func (m member) Setup(sarama.ConsumerGroupSession) error {
	m.Own(nil, nil)
	return nil
}

func (m member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	m.Own([]int32{claim.Partition()}, nil)
	defer m.Own(nil, []int32{claim.Partition()})
	for message := range claim.Messages() {
		last := message
		for len(claim.Messages()) > 0 && last.Offset-message.Offset < 100 {
			if next := <-claim.Messages(); next != nil {
				last = next
			}
		}
		m.Say("read %d %d %d", last.Partition, message.Offset, last.Offset)
		session.MarkMessage(last, "")
		session.Commit()
		m.sayCommitted(last.Partition, last.Offset+1)
	}
	return nil
}

// sayCommitted asks what is committed, since the client does not tell what became of a commit.
func (m member) sayCommitted(partition int32, offset int64) {
	found, err := m.admin.ListConsumerGroupOffsets(m.Group, map[string][]int32{m.Topic: {partition}})
	if err != nil {
		m.Say("failed to ask what is committed: %v", err)
	} else if block := found.GetBlock(m.Topic, partition); block == nil || block.Err != sarama.ErrNoError || block.Offset != offset {
		m.Say("failed to commit")
	} else {
		m.Say("committed %d %d", partition, offset)
	}
}

// runMember: the settings are a strategy's name and the version of Kafka that the client is told, with @ between the two.
func runMember(ended context.Context, of *cases.Member) {
	strategy, version, _ := strings.Cut(of.Settings, "@")
	settings := newConfig(version)
	settings.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategies[strategy]()}
	settings.Consumer.Group.Session.Timeout, settings.Consumer.Group.Heartbeat.Interval = 6*time.Second, 500*time.Millisecond
	settings.Consumer.Group.Rebalance.Retry.Backoff = 200 * time.Millisecond
	settings.Consumer.Offsets.Initial, settings.Consumer.Offsets.AutoCommit.Enable = sarama.OffsetOldest, false
	settings.Consumer.Retry.Backoff, settings.Consumer.Return.Errors = 200*time.Millisecond, true
	admin, err := sarama.NewClusterAdmin([]string{of.Address}, settings)
	if err != nil {
		panic(err)
	}
	group, err := sarama.NewConsumerGroup([]string{of.Address}, of.Group, settings)
	if err != nil {
		panic(err)
	}
	go func() {
		for err := range group.Errors() {
			of.Say("failed %v", err)
		}
	}()
	for ended.Err() == nil {
		if err := group.Consume(ended, []string{of.Topic}, member{of, admin}); err != nil && ended.Err() == nil {
			of.Say("failed to consume: %v", err)
			select { // the broker is not there; it comes back
			case <-ended.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	group.Close()
	admin.Close()
}
