// SPDX-License-Identifier: Apache-2.0

// The franz-go suite: everything a user of that client does without a group, against one running node; and a member of groups.
// usage: suite HOST:PORT DATA_DIRECTORY [PATTERN]; the last line is `N passed, N failed`
//
//	suite member HOST:PORT TOPIC MEMBER GROUP=BALANCER...
package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type suite struct {
	address, data  string
	wanted         *regexp.Regexp
	passed, failed int
}

func (s *suite) run(name string, body func(context.Context) error) {
	if !s.wanted.MatchString(name) {
		return
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	if err := body(ctx); err != nil {
		s.failed++
		fmt.Printf("FAIL  %s  %.1f s: %v\n", name, time.Since(start).Seconds(), err)
		return
	}
	s.passed++
	fmt.Printf("ok    %s  %.1f s\n", name, time.Since(start).Seconds())
}

func (s *suite) client(options ...kgo.Opt) (*kgo.Client, error) {
	all := []kgo.Opt{kgo.SeedBrokers(s.address), kgo.FetchMaxWait(100 * time.Millisecond)}
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

func check(holds bool, format string, values ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, values...)
}

// first answers the first error of those.
func first(errors ...error) error {
	for _, err := range errors {
		if err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if os.Args[1] == "member" {
		beMember(os.Args[2:])
		return
	}
	pattern := ""
	if len(os.Args) > 3 {
		pattern = os.Args[3]
	}
	s := &suite{address: os.Args[1], data: os.Args[2], wanted: regexp.MustCompile(pattern)}
	s.topicCases()
	s.recordCases()
	s.versionCases()
	s.offsetCases()
	s.loadCases()
	fmt.Printf("%d passed, %d failed\n", s.passed, s.failed)
	if s.failed > 0 {
		os.Exit(1)
	}
}
