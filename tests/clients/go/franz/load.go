// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

func (s *suite) loadCases() {
	s.Run("franz-go 100,000 records over six partitions", s.hundredThousand)
	s.Run("franz-go four producers and three consumers at once", s.concurrent)
}

func numbers(topic string, producer, count, partitions int) []*kgo.Record {
	records := make([]*kgo.Record, count)
	for n := range records {
		value := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(producer)), uint32(n))
		records[n] = &kgo.Record{Topic: topic, Partition: int32(n % partitions), Value: value}
	}
	return records
}

// inOrder checks that the records of each producer come once and in the order in which they were sent.
func inOrder(partitions int) func(*kgo.Record) error {
	next := map[[2]int]int{}
	return func(r *kgo.Record) error {
		producer, n := int(binary.BigEndian.Uint32(r.Value)), int(binary.BigEndian.Uint32(r.Value[4:]))
		from := [2]int{producer, int(r.Partition)}
		wanted := next[from]*partitions + int(r.Partition)
		next[from]++
		return check(n == wanted, "producer %d in %d at %d: %d, not %d", producer, r.Partition, r.Offset, n, wanted)
	}
}

func (s *suite) hundredThousand(ctx context.Context) error {
	if err := s.create(ctx, "franz-load", 6, map[string]string{"segment.bytes": "1048576"}); err != nil {
		return err
	}
	if err := s.send(ctx, numbers("franz-load", 0, 100_000, 6), kgo.ProducerBatchCompression(codecs["snappy"])); err != nil {
		return err
	}
	return s.read(ctx, "franz-load", everywhere(kgo.NewOffset().AtStart(), 6), 100_000, inOrder(6))
}

func (s *suite) concurrent(ctx context.Context) error {
	const producers, consumers, each = 4, 3, 20_000
	if err := s.create(ctx, "franz-concurrent", partitions, nil); err != nil {
		return err
	}
	var all sync.WaitGroup
	errors := make(chan error, producers+consumers)
	start := func(name string, body func() error) {
		all.Add(1)
		go func() {
			defer all.Done()
			if err := body(); err != nil {
				errors <- fmt.Errorf("%s: %w", name, err)
			}
		}()
	}
	for c := 0; c < consumers; c++ {
		start("a consumer", func() error {
			return s.read(ctx, "franz-concurrent", everywhere(kgo.NewOffset().AtStart(), partitions), producers*each, inOrder(partitions))
		})
	}
	for p := 0; p < producers; p++ {
		start("a producer", func() error {
			return s.send(ctx, numbers("franz-concurrent", p, each, partitions), kgo.ProducerBatchCompression(codecs[codecNames[p]]))
		})
	}
	all.Wait()
	close(errors)
	return <-errors
}
