// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"strom.example/clients/cases"
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// record is record i of the content for this topic.
func record(topic string, i int) *kgo.Record {
	one := cases.Content(i)
	headers := make([]kgo.RecordHeader, len(one.Headers))
	for h, header := range one.Headers {
		headers[h] = kgo.RecordHeader(header)
	}
	return &kgo.Record{Topic: topic, Partition: int32(one.Partition), Key: one.Key, Value: one.Value, Headers: headers, Timestamp: one.Time}
}

func content(topic string) []*kgo.Record {
	records := make([]*kgo.Record, count)
	for i := range records {
		records[i] = record(topic, i)
	}
	return records
}

func checkRecord(found, wanted *kgo.Record) error {
	where := fmt.Sprintf("%s-%d@%d", found.Topic, found.Partition, found.Offset)
	err := first(
		check(same(found.Key, wanted.Key), "%s: key %q, not %q", where, found.Key, wanted.Key),
		check(same(found.Value, wanted.Value), "%s: value %q, not %q", where, found.Value, wanted.Value),
		check(len(found.Headers) == len(wanted.Headers), "%s: %d headers", where, len(found.Headers)))
	for h := 0; err == nil && h < len(wanted.Headers); h++ {
		err = check(found.Headers[h].Key == wanted.Headers[h].Key && same(found.Headers[h].Value, wanted.Headers[h].Value),
			"%s: header %v, not %v", where, found.Headers[h], wanted.Headers[h])
	}
	return err
}

func (s *suite) send(ctx context.Context, records []*kgo.Record, options ...kgo.Opt) error {
	c, err := s.client(append([]kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(20 * time.Millisecond)}, options...)...)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.ProduceSync(ctx, records...).FirstErr()
}

// read answers that many records from these places on, each handed to the check together with its place in its partition's order.
func (s *suite) read(ctx context.Context, topic string, places map[int32]kgo.Offset, wanted int, body func(*kgo.Record) error, options ...kgo.Opt) error {
	c, err := s.client(append([]kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: places})}, options...)...)
	if err != nil {
		return err
	}
	defer c.Close()
	last := map[int32]int64{}
	for got := 0; got < wanted; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d of %d records: %w", got, wanted, err)
		}
		for _, r := range fetches.Records() {
			if before, seen := last[r.Partition]; seen && r.Offset <= before {
				return fmt.Errorf("%s-%d: offset %d after %d", topic, r.Partition, r.Offset, before)
			}
			last[r.Partition] = r.Offset
			if err := body(r); err != nil {
				return err
			}
			got++
		}
	}
	return nil
}

func everywhere(place kgo.Offset, count int) map[int32]kgo.Offset {
	places := map[int32]kgo.Offset{}
	for p := 0; p < count; p++ {
		places[int32(p)] = place
	}
	return places
}

// expect reads the content, from this place of each partition on; the first offset there must be the one given.
func (s *suite) expect(ctx context.Context, topic string, place kgo.Offset, offset int, options ...kgo.Opt) error {
	next := map[int32]int{}
	return s.read(ctx, topic, everywhere(place, partitions), count-offset*partitions, func(r *kgo.Record) error {
		at := next[r.Partition] + offset
		next[r.Partition]++
		wanted := record(topic, at*partitions+int(r.Partition))
		return first(
			check(r.Offset == int64(at), "%s-%d: offset %d, not %d", topic, r.Partition, r.Offset, at),
			check(r.Timestamp.Equal(wanted.Timestamp), "%s-%d@%d: timestamp", topic, r.Partition, r.Offset),
			check(r.Attrs.TimestampType() == 0, "%s-%d@%d: timestamp type", topic, r.Partition, r.Offset),
			checkRecord(r, wanted))
	}, options...)
}

// stored: every batch in the partition's segments must have this codec.
func (s *suite) stored(topic string, partition int, codec string) error {
	files, err := filepath.Glob(filepath.Join(s.Data, fmt.Sprintf("%s-%d", topic, partition), "*.log"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s-%d: no segment: %v", topic, partition, err)
	}
	batches := 0
	for _, file := range files {
		log, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for len(log) >= 61 {
			size, attributes := int(binary.BigEndian.Uint32(log[8:]))+12, binary.BigEndian.Uint16(log[21:])
			if size < 61 || size > len(log) {
				return fmt.Errorf("%s: a batch of %d bytes", file, size)
			}
			if name := codecNames[attributes&7]; name != codec {
				return fmt.Errorf("%s: %s is stored, not %s", file, name, codec)
			}
			log, batches = log[size:], batches+1
		}
	}
	return check(batches > 0, "%s-%d: no batch", topic, partition)
}
