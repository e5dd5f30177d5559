// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"strom.example/clients/cases"
)

var balancers = map[string]kgo.GroupBalancer{
	"range": kgo.RangeBalancer(), "round-robin": kgo.RoundRobinBalancer(), "sticky": kgo.StickyBalancer(), "cooperative": kgo.CooperativeStickyBalancer(),
}

// runMember polls and commits; no rebalance happens between the two, since polls block it until they are done.
func runMember(ended context.Context, m *cases.Member) {
	client := joinGroup(m)
	for ended.Err() == nil {
		ctx, cancel := context.WithTimeout(ended, 100*time.Millisecond)
		fetches := client.PollRecords(ctx, 100)
		cancel()
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) > 0 {
				m.Say("read %d %d %d", p.Partition, p.Records[0].Offset, p.Records[len(p.Records)-1].Offset)
			}
		})
		if records := fetches.Records(); len(records) > 0 {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			if err := client.CommitRecords(ctx, records...); err != nil {
				m.Say("failed to commit: %v", err)
			} else {
				fetches.EachPartition(func(p kgo.FetchTopicPartition) {
					if len(p.Records) > 0 {
						m.Say("committed %d %d", p.Partition, p.Records[len(p.Records)-1].Offset+1)
					}
				})
			}
			cancel()
		}
		client.AllowRebalance()
	}
	client.CloseAllowingRebalance()
}

// joinGroup: the settings are a balancer's name, with `server-` before it for the consumer protocol.
func joinGroup(m *cases.Member) *kgo.Client {
	assigned := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { m.Own(partitions[m.Topic], nil) }
	lost := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { m.Own(nil, partitions[m.Topic]) }
	options := []kgo.Opt{kgo.SeedBrokers(m.Address), kgo.FetchMaxWait(50 * time.Millisecond), kgo.ConsumerGroup(m.Group), kgo.ConsumeTopics(m.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.HeartbeatInterval(500 * time.Millisecond), kgo.SessionTimeout(6 * time.Second),
		kgo.OnPartitionsAssigned(assigned), kgo.OnPartitionsRevoked(lost), kgo.OnPartitionsLost(lost)}
	kind, protocol := strings.CutPrefix(m.Settings, "server-")
	options = append(options, kgo.Balancers(balancers[kind]))
	if protocol {
		options = append(options, kgo.ServerSideBalancer())
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		panic(err)
	}
	return client
}
