// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var balancers = map[string]kgo.GroupBalancer{
	"range": kgo.RangeBalancer(), "round-robin": kgo.RoundRobinBalancer(), "sticky": kgo.StickyBalancer(), "cooperative": kgo.CooperativeStickyBalancer(),
}

// member is one consumer of one group, as groups.py says. Callbacks run beside the poll, so what is owned has a lock.
type member struct {
	name, group, topic string
	client             *kgo.Client
	lock               sync.Mutex
	owned              []int32
}

// say writes one line in one call, which the pipe keeps whole.
func (m *member) say(format string, values ...any) {
	os.Stdout.WriteString(fmt.Sprintf(m.name+" "+m.group+" "+format+"\n", values...))
}

func (m *member) sayOwned() {
	slices.Sort(m.owned)
	m.say("owns %s", strings.Trim(strings.ReplaceAll(fmt.Sprint(m.owned), " ", ","), "[]"))
}

func (m *member) assigned(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.owned = append(m.owned, partitions[m.topic]...)
	m.sayOwned()
}

func (m *member) lost(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.owned = slices.DeleteFunc(m.owned, func(p int32) bool { return slices.Contains(partitions[m.topic], p) })
	m.sayOwned()
}

// run polls and commits; no rebalance happens between the two, since polls block it until they are done.
func (m *member) run(ended context.Context) {
	for ended.Err() == nil {
		ctx, cancel := context.WithTimeout(ended, 100*time.Millisecond)
		fetches := m.client.PollRecords(ctx, 100)
		cancel()
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) > 0 {
				m.say("read %d %d %d", p.Partition, p.Records[0].Offset, p.Records[len(p.Records)-1].Offset)
			}
		})
		if records := fetches.Records(); len(records) > 0 {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			if err := m.client.CommitRecords(ctx, records...); err != nil {
				m.say("failed to commit: %v", err)
			} else {
				fetches.EachPartition(func(p kgo.FetchTopicPartition) {
					if len(p.Records) > 0 {
						m.say("committed %d %d", p.Partition, p.Records[len(p.Records)-1].Offset+1)
					}
				})
			}
			cancel()
		}
		m.client.AllowRebalance()
	}
	m.client.CloseAllowingRebalance()
}

// beMember takes HOST:PORT TOPIC MEMBER GROUP=BALANCER..., with `server-` before the balancer for the consumer protocol.
func beMember(arguments []string) {
	ended, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, argument := range arguments[3:] {
		group, balancer, _ := strings.Cut(argument, "=")
		m := &member{name: arguments[2], group: group, topic: arguments[1]}
		options := []kgo.Opt{kgo.SeedBrokers(arguments[0]), kgo.FetchMaxWait(50 * time.Millisecond), kgo.ConsumerGroup(group), kgo.ConsumeTopics(m.topic),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
			kgo.HeartbeatInterval(500 * time.Millisecond), kgo.SessionTimeout(6 * time.Second),
			kgo.OnPartitionsAssigned(m.assigned), kgo.OnPartitionsRevoked(m.lost), kgo.OnPartitionsLost(m.lost)}
		kind, protocol := strings.CutPrefix(balancer, "server-")
		options = append(options, kgo.Balancers(balancers[kind]))
		if protocol {
			options = append(options, kgo.ServerSideBalancer())
		}
		client, err := kgo.NewClient(options...)
		if err != nil {
			panic(err)
		}
		m.client = client
		running.Add(1)
		go func() {
			defer running.Done()
			m.run(ended)
		}()
	}
	io.Copy(io.Discard, os.Stdin)
	end()
	running.Wait()
}
