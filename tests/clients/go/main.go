// SPDX-License-Identifier: Apache-2.0

// The franz-go suite: per codec it creates a topic, sends the content (see ../content.py), idempotent, and reads it back by
// partition and by timestamp. usage: suite HOST:PORT
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	count      = 300
	partitions = 3
	firstMs    = 1700000000000
	stepMs     = 1000
)

var (
	address string
	codecs  = map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
)

func record(topic string, i int) *kgo.Record {
	return &kgo.Record{
		Topic: topic, Partition: int32(i % partitions), Key: []byte(fmt.Sprintf("key-%d", i)),
		Value:     []byte(fmt.Sprintf("value-%d-%s", i, strings.Repeat("abcdefghij", i%50))),
		Headers:   []kgo.RecordHeader{{Key: "number", Value: []byte(fmt.Sprint(i))}, {Key: "empty", Value: []byte{}}},
		Timestamp: time.UnixMilli(firstMs + int64(i)*stepMs),
	}
}

func client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(address)}, options...)...)
}

func create(ctx context.Context, topic string, count int32) error {
	c, err := client()
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := kadm.NewClient(c).CreateTopic(ctx, count, 1, nil, topic)
	if err != nil {
		return err
	}
	return answer.Err
}

func produce(ctx context.Context, topic string, codec kgo.CompressionCodec, options ...kgo.Opt) error {
	c, err := client(append([]kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(codec),
		kgo.ProducerLinger(50 * time.Millisecond)}, options...)...)
	if err != nil {
		return err
	}
	defer c.Close()
	records := make([]*kgo.Record, count)
	for i := range records {
		records[i] = record(topic, i)
	}
	return c.ProduceSync(ctx, records...).FirstErr()
}

// expect reads from the place in each partition to the end; each record must be the content's, in order.
func expect(ctx context.Context, topic string, from kgo.Offset, place int) error {
	where := map[int32]kgo.Offset{}
	next := map[int32]int{}
	for p := int32(0); p < partitions; p++ {
		where[p], next[p] = from, place
	}
	c, err := client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: where}))
	if err != nil {
		return err
	}
	defer c.Close()
	for got := 0; got < count-place*partitions; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d records: %w", got, err)
		}
		for _, r := range fetches.Records() {
			wanted := record(topic, next[r.Partition]*partitions+int(r.Partition))
			if r.Offset != int64(next[r.Partition]) || !bytes.Equal(r.Key, wanted.Key) || !bytes.Equal(r.Value, wanted.Value) ||
				!r.Timestamp.Equal(wanted.Timestamp) || len(r.Headers) != 2 || r.Headers[0].Key != "number" ||
				!bytes.Equal(r.Headers[0].Value, wanted.Headers[0].Value) || r.Headers[1].Key != "empty" || len(r.Headers[1].Value) != 0 {
				return fmt.Errorf("%d-%d is not record %s", r.Partition, r.Offset, wanted.Key)
			}
			next[r.Partition]++
			got++
		}
	}
	return nil
}

func content(ctx context.Context, name string) error {
	topic := "franz-" + name
	if err := create(ctx, topic, partitions); err != nil {
		return err
	}
	if err := produce(ctx, topic, codecs[name]); err != nil {
		return err
	}
	if err := expect(ctx, topic, kgo.NewOffset().AtStart(), 0); err != nil {
		return err
	}
	return expect(ctx, topic, kgo.NewOffset().AfterMilli(firstMs+150*stepMs), 50)
}

func acks(ctx context.Context, name string, level kgo.Acks) error {
	topic := "franz-acks-" + name
	if err := create(ctx, topic, partitions); err != nil {
		return err
	}
	if err := produce(ctx, topic, codecs["none"], kgo.DisableIdempotentWrite(), kgo.RequiredAcks(level)); err != nil {
		return err
	}
	return expect(ctx, topic, kgo.NewOffset().AtStart(), 0)
}

func topics(ctx context.Context) error {
	if err := create(ctx, "franz-made", 4); err != nil {
		return err
	}
	if err := create(ctx, "franz-made", 4); err != kerr.TopicAlreadyExists {
		return fmt.Errorf("created twice: %v", err)
	}
	c, err := client()
	if err != nil {
		return err
	}
	defer c.Close()
	admin := kadm.NewClient(c)
	found, err := admin.ListTopics(ctx, "franz-made")
	if err != nil || len(found["franz-made"].Partitions) != 4 {
		return fmt.Errorf("listed: %v %v", found, err)
	}
	ends, err := admin.ListEndOffsets(ctx, "franz-none")
	if err != nil || ends["franz-none"][0].Offset != count/partitions {
		return fmt.Errorf("ends: %v %v", ends, err)
	}
	answers, err := admin.DeleteTopics(ctx, "franz-made")
	if err != nil {
		return err
	}
	return answers.Error()
}

func main() {
	address = os.Args[1]
	passed, failed := 0, 0
	run := func(name string, body func(context.Context) error) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := body(ctx); err != nil {
			failed++
			fmt.Printf("FAIL  %s: %v\n", name, err)
			return
		}
		passed++
		fmt.Printf("ok    %s  %.1f s\n", name, time.Since(start).Seconds())
	}
	for _, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		run("franz-go "+name, func(ctx context.Context) error { return content(ctx, name) })
	}
	run("franz-go acks=1", func(ctx context.Context) error { return acks(ctx, "1", kgo.LeaderAck()) })
	run("franz-go topics", topics)
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
