// SPDX-License-Identifier: Apache-2.0

// The franz-go suite: everything a user of that client does without a group, against one running node; and a member of groups.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"strom.example/clients/cases"
)

type suite struct{ *cases.Suite }

const (
	count      = cases.Count
	partitions = cases.Partitions
	firstMs    = cases.FirstMs
	stepMs     = cases.StepMs
)

var check, first, same, codecNames = cases.Check, cases.First, cases.Same, cases.Codecs

func (s *suite) client(options ...kgo.Opt) (*kgo.Client, error) {
	all := []kgo.Opt{kgo.SeedBrokers(s.Address), kgo.FetchMaxWait(100 * time.Millisecond)}
	return kgo.NewClient(append(all, options...)...)
}

// admin runs the body with a client that is closed behind it.
func (s *suite) admin(body func(*kadm.Client) error, options ...kgo.Opt) error {
	c, err := s.client(options...)
	if err != nil {
		return err
	}
	defer c.Close()
	return body(kadm.NewClient(c))
}

// create makes a topic whose retention is off, since much of what is sent carries timestamps of years ago, and waits until it is
// served: Kafka answers before that.
func (s *suite) create(ctx context.Context, topic string, partitions int32, configs map[string]string, options ...kgo.Opt) error {
	all := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
	for name, value := range configs {
		all[name] = kadm.StringPtr(value)
	}
	return s.admin(func(admin *kadm.Client) error {
		answer, err := admin.CreateTopic(ctx, partitions, 1, all, topic)
		if err != nil {
			return err
		}
		for answer.Err == nil {
			ends, err := admin.ListEndOffsets(ctx, topic)
			if err == nil && ends.Error() == nil && len(ends[topic]) == int(partitions) {
				return nil
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%s is not served: %v %v", topic, err, ends.Error())
			}
		}
		return answer.Err
	}, options...)
}

func main() {
	if os.Args[1] == "member" {
		cases.RunMembers(runMember)
		return
	}
	s := &suite{cases.New()}
	s.topicCases()
	s.recordCases()
	s.versionCases()
	s.offsetCases()
	s.loadCases()
	s.End()
}
