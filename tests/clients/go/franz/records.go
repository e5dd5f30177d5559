// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

func (s *suite) recordCases() {
	for _, codec := range codecNames {
		s.Run("franz-go "+codec, func(ctx context.Context) error { return s.roundTrip(ctx, "franz-"+codec, codec) })
	}
	for name, level := range map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()} {
		s.Run("franz-go acks="+name+" without idempotence", func(ctx context.Context) error {
			return s.roundTrip(ctx, "franz-acks-"+name, "zstd", kgo.DisableIdempotentWrite(), kgo.RequiredAcks(level))
		})
	}
	s.Run("franz-go append time", s.appendTime)
	for _, codec := range codecNames {
		s.Run("franz-go a topic's own codec "+codec, func(ctx context.Context) error { return s.ownCodec(ctx, codec) })
	}
	s.Run("franz-go compacted topics need keys", s.compactedNeedsKeys)
	s.Run("franz-go too large", s.tooLarge)
	for _, codec := range codecNames {
		s.Run("franz-go records of 900 kB in "+codec, func(ctx context.Context) error { return s.largeRecords(ctx, codec) })
	}
}

// versionCases speak as clients of other years do; the versions between the first and the flexible ones are what most of them use.
func (s *suite) versionCases() {
	versions := []struct {
		name string
		max  *kversion.Versions
	}{{"1.0", kversion.V1_0_0()}, {"2.0", kversion.V2_0_0()}, {"2.1", kversion.V2_1_0()}, {"2.4", kversion.V2_4_0()}, {"2.8", kversion.V2_8_0()},
		{"3.1", kversion.V3_1_0()}, {"3.5", kversion.V3_5_0()}, {"3.9", kversion.V3_9_0()}, {"4.0", kversion.V4_0_0()}}
	for _, one := range versions {
		s.Run("franz-go as of "+one.name, func(ctx context.Context) error {
			return s.roundTrip(ctx, "franz-version-"+one.name, "lz4", kgo.MaxVersions(one.max))
		})
	}
}

func (s *suite) roundTrip(ctx context.Context, topic, codec string, options ...kgo.Opt) error {
	if err := s.create(ctx, topic, partitions, nil); err != nil {
		return err
	}
	if err := s.send(ctx, content(topic), append(options, kgo.ProducerBatchCompression(codecs[codec]))...); err != nil {
		return err
	}
	var reading []kgo.Opt
	for _, option := range options {
		if c, err := kgo.NewClient(kgo.SeedBrokers(s.Address), option); err == nil { // only what a consumer may have, too
			c.Close()
			reading = append(reading, option)
		}
	}
	err := first(
		s.expect(ctx, topic, kgo.NewOffset().AtStart(), 0, reading...),
		s.expect(ctx, topic, kgo.NewOffset().At(17), 17, append(reading, kgo.FetchIsolationLevel(kgo.ReadCommitted()))...),
		s.expect(ctx, topic, kgo.NewOffset().AfterMilli(firstMs+150*stepMs), 50, reading...),
		s.expect(ctx, topic, kgo.NewOffset().AtEnd().Relative(-30), 70, append(reading, kgo.FetchMaxPartitionBytes(100))...))
	for p := 0; err == nil && p < partitions; p++ {
		err = s.stored(topic, p, codec)
	}
	return err
}

func (s *suite) appendTime(ctx context.Context) error {
	if err := s.create(ctx, "franz-append-time", 1, map[string]string{"message.timestamp.type": "LogAppendTime"}); err != nil {
		return err
	}
	before := time.Now().Truncate(time.Millisecond)
	records := content("franz-append-time")[:50]
	for _, r := range records {
		r.Partition = 0
	}
	if err := s.send(ctx, records, kgo.ProducerBatchCompression(codecs["snappy"])); err != nil {
		return err
	}
	return s.read(ctx, "franz-append-time", everywhere(kgo.NewOffset().AtStart(), 1), 50, func(r *kgo.Record) error {
		return first(
			check(r.Attrs.TimestampType() == 1, "timestamp type %d", r.Attrs.TimestampType()),
			check(!r.Timestamp.Before(before) && !r.Timestamp.After(time.Now()), "timestamp %v", r.Timestamp),
			checkRecord(r, record("", int(r.Offset))))
	})
}

func (s *suite) ownCodec(ctx context.Context, codec string) error {
	topic, setting := "franz-own-"+codec, codec
	if codec == "none" {
		setting = "uncompressed"
	}
	if err := s.create(ctx, topic, partitions, map[string]string{"compression.type": setting}); err != nil {
		return err
	}
	if err := s.send(ctx, content(topic), kgo.ProducerBatchCompression(codecs["gzip"])); err != nil {
		return err
	}
	err := s.expect(ctx, topic, kgo.NewOffset().AtStart(), 0)
	for p := 0; err == nil && p < partitions; p++ {
		err = s.stored(topic, p, codec)
	}
	return err
}

func (s *suite) compactedNeedsKeys(ctx context.Context) error {
	if err := s.create(ctx, "franz-compacted", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		return err
	}
	err := s.send(ctx, []*kgo.Record{{Topic: "franz-compacted", Value: []byte("no key")}})
	return first(
		check(errors.Is(err, kerr.InvalidRecord), "without key: %v", err),
		s.send(ctx, []*kgo.Record{{Topic: "franz-compacted", Key: []byte("key"), Value: nil}}))
}

func (s *suite) tooLarge(ctx context.Context) error {
	if err := s.create(ctx, "franz-small", 1, map[string]string{"max.message.bytes": "1000"}); err != nil {
		return err
	}
	err := s.send(ctx, []*kgo.Record{{Topic: "franz-small", Value: make([]byte, 5000)}}, kgo.ProducerBatchCompression(kgo.NoCompression()))
	return first(
		check(errors.Is(err, kerr.MessageTooLarge), "5,000 bytes: %v", err),
		s.send(ctx, []*kgo.Record{{Topic: "franz-small", Value: make([]byte, 900)}}, kgo.ProducerBatchCompression(kgo.NoCompression())),
		s.send(ctx, []*kgo.Record{{Topic: "franz-small", Value: make([]byte, 50000)}}, kgo.ProducerBatchCompression(kgo.ZstdCompression())),
		s.admin(func(admin *kadm.Client) error {
			ends, err := admin.ListEndOffsets(ctx, "franz-small")
			return first(err, check(ends["franz-small"][0].Offset == 2, "end %+v", ends))
		}))
}

func (s *suite) largeRecords(ctx context.Context, codec string) error {
	topic := "franz-large-" + codec
	if err := s.create(ctx, topic, 2, nil); err != nil {
		return err
	}
	values := make([][]byte, 8)
	records := make([]*kgo.Record, len(values))
	for i := range values {
		values[i] = make([]byte, 900_000)
		rand.New(rand.NewSource(int64(i))).Read(values[i][:600_000]) // not all of it: the client sends what does not shrink as it is
		records[i] = &kgo.Record{Topic: topic, Partition: int32(i % 2), Value: values[i]}
	}
	if err := s.send(ctx, records, kgo.ProducerBatchCompression(codecs[codec])); err != nil {
		return err
	}
	for _, limit := range []int32{1, 1 << 20, 50 << 20} {
		err := s.read(ctx, topic, everywhere(kgo.NewOffset().AtStart(), 2), len(values), func(r *kgo.Record) error {
			return check(bytes.Equal(r.Value, values[int(r.Offset)*2+int(r.Partition)]), "value at %d-%d", r.Partition, r.Offset)
		}, kgo.FetchMaxBytes(limit), kgo.FetchMaxPartitionBytes(limit))
		if err != nil {
			return fmt.Errorf("with at most %d bytes: %w", limit, err)
		}
	}
	return first(s.stored(topic, 0, codec), s.stored(topic, 1, codec))
}
