// SPDX-License-Identifier: Apache-2.0

// The sarama suite: what most users of that client do, against one running node; and a member of groups.
package main

import (
	"context"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"strom.example/clients/cases"
)

var codecs = map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}

// newConfig: the client is told what the broker is, and does not look what it offers.
func newConfig(version string) *sarama.Config {
	settings := sarama.NewConfig()
	settings.ClientID, settings.Consumer.MaxWaitTime = "suite", 50*time.Millisecond
	parsed, err := sarama.ParseKafkaVersion(version)
	if err != nil {
		panic(err)
	}
	settings.Version = parsed
	return settings
}

type client struct {
	address []string
	admin   sarama.ClusterAdmin
}

func (c client) Create(_ context.Context, topic string, partitions int, settings map[string]string) error {
	entries := map[string]*string{}
	for name, value := range settings {
		entries[name] = &value
	}
	return c.admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1, ConfigEntries: entries}, false)
}

func (c client) Delete(_ context.Context, topic string) error { return c.admin.DeleteTopic(topic) }

func (c client) Topics(context.Context) (map[string]int, error) {
	found, err := c.admin.ListTopics()
	counts := map[string]int{}
	for topic, detail := range found {
		counts[topic] = int(detail.NumPartitions)
	}
	return counts, err
}

func (c client) Setting(_ context.Context, topic, name string) (string, error) {
	found, err := c.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{name}})
	if err := cases.First(err, cases.Check(len(found) == 1, "%d settings", len(found))); err != nil {
		return "", err
	}
	return found[0].Value, nil
}

func (c client) Send(_ context.Context, topic, codec string, records []cases.Record) error {
	settings := newConfig("4.3.1")
	settings.Producer.Compression, settings.Producer.Partitioner = codecs[codec], sarama.NewManualPartitioner
	settings.Producer.RequiredAcks, settings.Producer.Idempotent, settings.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	settings.Producer.Return.Successes, settings.Producer.Flush.Frequency = true, 20*time.Millisecond
	producer, err := sarama.NewSyncProducer(c.address, settings)
	if err != nil {
		return err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, len(records))
	for i, r := range records {
		messages[i] = &sarama.ProducerMessage{Topic: topic, Partition: int32(r.Partition), Timestamp: r.Time}
		if r.Key != nil {
			messages[i].Key = sarama.ByteEncoder(r.Key)
		}
		if r.Value != nil {
			messages[i].Value = sarama.ByteEncoder(r.Value)
		}
		for _, header := range r.Headers {
			messages[i].Headers = append(messages[i].Headers, sarama.RecordHeader{Key: []byte(header.Key), Value: header.Value})
		}
	}
	if failed, is := producer.SendMessages(messages).(sarama.ProducerErrors); is {
		return failed[0].Err
	}
	return nil
}

func record(message *sarama.ConsumerMessage) cases.Record {
	headers := make([]cases.Header, len(message.Headers))
	for i, header := range message.Headers {
		headers[i] = cases.Header{Key: string(header.Key), Value: header.Value}
	}
	return cases.Record{Partition: int(message.Partition), Offset: message.Offset, Key: message.Key, Value: message.Value, Headers: headers, Time: message.Timestamp}
}

func (c client) Read(ctx context.Context, topic string, partition int, offset int64, each func(cases.Record) (bool, error)) error {
	consumer, err := sarama.NewConsumer(c.address, newConfig("4.3.1"))
	if err != nil {
		return err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, int32(partition), offset)
	if err != nil {
		return err
	}
	defer reader.Close()
	for more := true; more; {
		select {
		case message := <-reader.Messages():
			if more, err = each(record(message)); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (c client) Offsets(_ context.Context, topic string, partition int, at time.Time) (first, end, from int64, err error) {
	connection, err := sarama.NewClient(c.address, newConfig("4.3.1"))
	if err != nil {
		return 0, 0, 0, err
	}
	defer connection.Close()
	first, err1 := connection.GetOffset(topic, int32(partition), sarama.OffsetOldest)
	end, err2 := connection.GetOffset(topic, int32(partition), sarama.OffsetNewest)
	from, err3 := connection.GetOffset(topic, int32(partition), at.UnixMilli())
	return first, end, from, cases.First(err1, err2, err3)
}

// reading is the handler of a group that ends when it has read that many records.
type reading struct {
	lock  sync.Mutex
	found []cases.Record
	count int
	end   context.CancelFunc
}

func (r *reading) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (r *reading) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (r *reading) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		session.MarkMessage(message, "")
		r.lock.Lock()
		r.found = append(r.found, record(message))
		if len(r.found) == r.count {
			r.end()
		}
		r.lock.Unlock()
	}
	return nil
}

// ReadAsGroup leaves the commits to the client: it commits what is marked each second and when it leaves.
func (c client) ReadAsGroup(ctx context.Context, group, topic string, count int) ([]cases.Record, error) {
	settings := newConfig("2.8.0")
	settings.Consumer.Offsets.Initial = sarama.OffsetOldest
	member, err := sarama.NewConsumerGroup(c.address, group, settings)
	if err != nil {
		return nil, err
	}
	handler := &reading{count: count}
	ctx, handler.end = context.WithCancel(ctx)
	defer handler.end()
	err = member.Consume(ctx, []string{topic}, handler)
	return handler.found, cases.First(err, member.Close())
}

func (c client) Groups(context.Context) ([]string, error) {
	found, err := c.admin.ListConsumerGroups()
	return slices.Collect(maps.Keys(found)), err
}

func (c client) GroupState(_ context.Context, group string) (string, error) {
	found, err := c.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return "", err
	}
	return found[0].State, nil
}

func (c client) Committed(_ context.Context, group, topic string, partition int) (int64, error) {
	found, err := c.admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {int32(partition)}})
	if err != nil {
		return -1, err
	}
	return found.GetBlock(topic, int32(partition)).Offset, nil
}

func (c client) DeleteGroup(_ context.Context, group string) error {
	return c.admin.DeleteConsumerGroup(group)
}

func main() {
	if os.Args[1] == "member" {
		cases.RunMembers(runMember)
		return
	}
	suite := cases.New()
	admin, err := sarama.NewClusterAdmin([]string{suite.Address}, newConfig("4.3.1"))
	if err != nil {
		panic(err)
	}
	everyday := cases.Everyday{Suite: suite, Name: "sarama", Client: client{[]string{suite.Address}, admin}, Exists: sarama.ErrTopicAlreadyExists,
		TooLarge: sarama.ErrMessageSizeTooLarge, Same: cases.Same}
	everyday.Run()
}
