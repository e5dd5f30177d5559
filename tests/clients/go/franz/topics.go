// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func (s *suite) topicCases() {
	s.Run("franz-go asks for the cluster", s.cluster)
	s.Run("franz-go creates, describes and deletes", s.createAndDelete)
	s.Run("franz-go meets refusals", s.refusals)
	s.Run("franz-go creates a topic by use", s.createByUse)
	s.Run("franz-go outlives a topic made anew", s.madeAnew)
}

func (s *suite) cluster(ctx context.Context) error {
	return s.admin(func(admin *kadm.Client) error {
		found, err := admin.BrokerMetadata(ctx)
		if err != nil {
			return err
		}
		versions, err := admin.ApiVersions(ctx)
		if err != nil {
			return err
		}
		return first(
			check(len(found.Brokers) == 1 && found.Brokers[0].NodeID == 1 && found.Controller == 1 && found.Cluster != "", "%+v", found),
			check(fmt.Sprintf("%s:%d", found.Brokers[0].Host, found.Brokers[0].Port) == s.Address, "another address: %+v", found),
			check(versions[1].Err == nil, "versions: %v", versions[1].Err))
	})
}

func (s *suite) createAndDelete(ctx context.Context) error {
	return s.admin(func(admin *kadm.Client) error {
		if err := s.create(ctx, "franz-made", 4, map[string]string{"segment.bytes": "1048576"}); err != nil {
			return err
		}
		found, err := admin.ListTopics(ctx, "franz-made")
		topic := found["franz-made"]
		if err := first(err, topic.Err, check(len(topic.Partitions) == 4 && !topic.IsInternal && topic.ID != kadm.TopicID{}, "listed %+v", topic)); err != nil {
			return err
		}
		for _, p := range topic.Partitions {
			if err := first(p.Err, check(p.Leader == 1 && len(p.Replicas) == 1 && len(p.ISR) == 1, "partition %+v", p)); err != nil {
				return err
			}
		}
		_, err = admin.CreateTopic(ctx, 4, 1, nil, "franz-made")
		if !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("created twice: %v", err)
		}
		answers, err := admin.DeleteTopics(ctx, "franz-made", "franz-never")
		if err != nil {
			return err
		}
		if err := first(answers["franz-made"].Err, check(errors.Is(answers["franz-never"].Err, kerr.UnknownTopicOrPartition), "%v", answers["franz-never"].Err)); err != nil {
			return err
		}
		for ctx.Err() == nil {
			found, err = admin.ListTopics(ctx)
			if err != nil || !found.Has("franz-made") {
				return err
			}
		}
		return errors.New("still listed")
	})
}

func (s *suite) refusals(ctx context.Context) error {
	return s.admin(func(admin *kadm.Client) error {
		create := func(partitions int32, replicas int16, configs map[string]*string, name string) error {
			_, err := admin.CreateTopic(ctx, partitions, replicas, configs, name)
			return err
		}
		for _, one := range []struct{ found, wanted error }{
			{create(0, 1, nil, "franz-bad"), kerr.InvalidPartitions},
			{create(1, 2, nil, "franz-bad"), kerr.InvalidReplicationFactor},
			{create(1, 1, nil, "franz bad"), kerr.InvalidTopicException},
			{create(1, 1, nil, ""), kerr.InvalidTopicException},
			{create(1, 1, map[string]*string{"segment.bytes": kadm.StringPtr("none")}, "franz-bad"), kerr.InvalidConfig},
			{create(1, 1, map[string]*string{"nothing": kadm.StringPtr("1")}, "franz-bad"), kerr.InvalidConfig},
		} {
			if !errors.Is(one.found, one.wanted) {
				return fmt.Errorf("%v, not %v", one.found, one.wanted)
			}
		}
		found, err := admin.ListTopics(ctx, "franz-bad")
		return first(err, check(errors.Is(found["franz-bad"].Err, kerr.UnknownTopicOrPartition), "there after all: %v", found["franz-bad"].Err))
	})
}

func (s *suite) createByUse(ctx context.Context) error {
	c, err := s.client(kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("franz-by-use"))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.ProduceSync(ctx, kgo.StringRecord("first")).FirstErr(); err != nil {
		return err
	}
	strict, err := s.client(kgo.DefaultProduceTopic("franz-not-by-use"), kgo.UnknownTopicRetries(1), kgo.RecordDeliveryTimeout(2*time.Second))
	if err != nil {
		return err
	}
	defer strict.Close()
	err = strict.ProduceSync(ctx, kgo.StringRecord("never")).FirstErr()
	return check(errors.Is(err, kerr.UnknownTopicOrPartition), "sent to a topic that is not there: %v", err)
}

// madeAnew: producer and consumer know topics by id; after the name has got another id both must find it.
func (s *suite) madeAnew(ctx context.Context) error {
	for round := 0; round < 2; round++ {
		if err := s.create(ctx, "franz-anew", 1, nil); err != nil {
			return err
		}
		if err := s.send(ctx, []*kgo.Record{{Topic: "franz-anew", Value: []byte(fmt.Sprint(round))}}); err != nil {
			return err
		}
		err := s.read(ctx, "franz-anew", everywhere(kgo.NewOffset().AtStart(), 1), 1, func(r *kgo.Record) error {
			return check(r.Offset == 0 && string(r.Value) == fmt.Sprint(round), "round %d: %q at %d", round, r.Value, r.Offset)
		})
		if err != nil {
			return err
		}
		if err := s.admin(func(admin *kadm.Client) error {
			answers, err := admin.DeleteTopics(ctx, "franz-anew")
			if err != nil {
				return err
			}
			return answers.Error()
		}); err != nil {
			return err
		}
	}
	return nil
}
