// SPDX-License-Identifier: Apache-2.0

// The suite of kafka-go (segmentio): what most users of that client do, against one running node; and a member of groups.
package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
	"strom.example/clients/cases"
)

var codecs = map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}

type client struct {
	address string
	*kafka.Client
}

func (c client) Create(ctx context.Context, topic string, partitions int, settings map[string]string) error {
	config := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}
	for name, value := range settings {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	answer, err := c.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (c client) Delete(ctx context.Context, topic string) error {
	answer, err := c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (c client) Topics(ctx context.Context) (map[string]int, error) {
	answer, err := c.Metadata(ctx, &kafka.MetadataRequest{})
	counts := map[string]int{}
	if err == nil {
		for _, topic := range answer.Topics {
			counts[topic.Name] = len(topic.Partitions)
		}
	}
	return counts, err
}

func (c client) Setting(ctx context.Context, topic, name string) (string, error) {
	answer, err := c.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name}}}})
	if err != nil || answer.Resources[0].Error != nil {
		return "", cases.First(err, answer.Resources[0].Error)
	}
	return answer.Resources[0].ConfigEntries[0].ConfigValue, nil
}

// byContent gives a record the partition that its place in the content has; the client takes no partition from its user.
func byContent(records []cases.Record) kafka.Balancer {
	next := 0
	return kafka.BalancerFunc(func(kafka.Message, ...int) int {
		next++
		return records[(next-1)%len(records)].Partition
	})
}

func (c client) Send(ctx context.Context, topic, codec string, records []cases.Record) error {
	writer := kafka.Writer{Addr: kafka.TCP(c.address), Topic: topic, Balancer: byContent(records), Compression: codecs[codec],
		RequiredAcks: kafka.RequireAll, BatchTimeout: 20 * time.Millisecond}
	messages := make([]kafka.Message, len(records))
	for i, r := range records {
		messages[i] = kafka.Message{Key: r.Key, Value: r.Value, Time: r.Time}
		for _, header := range r.Headers {
			messages[i].Headers = append(messages[i].Headers, kafka.Header(header))
		}
	}
	err := writer.WriteMessages(ctx, messages...)
	var each kafka.WriteErrors
	if errors.As(err, &each) {
		err = cases.First(each...)
	}
	return cases.First(err, writer.Close())
}

func record(message kafka.Message) cases.Record {
	headers := make([]cases.Header, len(message.Headers))
	for i, header := range message.Headers {
		headers[i] = cases.Header(header)
	}
	return cases.Record{Partition: message.Partition, Offset: message.Offset, Key: message.Key, Value: message.Value, Headers: headers, Time: message.Time}
}

func (c client) Read(ctx context.Context, topic string, partition int, offset int64, each func(cases.Record) (bool, error)) error {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{c.address}, Topic: topic, Partition: partition, MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	if err := reader.SetOffset(offset); err != nil {
		return err
	}
	for more := true; more; {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			return err
		}
		if more, err = each(record(message)); err != nil {
			return err
		}
	}
	return nil
}

func (c client) Offsets(ctx context.Context, topic string, partition int, at time.Time) (first, end, from int64, err error) {
	answer, err := c.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition), kafka.TimeOffsetOf(partition, at)}}})
	if err != nil {
		return 0, 0, 0, err
	}
	found := answer.Topics[topic][0]
	from = -1
	for offset := range found.Offsets {
		from = offset
	}
	return found.FirstOffset, found.LastOffset, from, found.Error
}

func (c client) ReadAsGroup(ctx context.Context, group, topic string, count int) (found []cases.Record, err error) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{c.address}, GroupID: group, Topic: topic, MaxWait: 100 * time.Millisecond})
	for err == nil && len(found) < count {
		var message kafka.Message
		if message, err = reader.FetchMessage(ctx); err == nil {
			found, err = append(found, record(message)), reader.CommitMessages(ctx, message)
		}
	}
	return found, cases.First(err, reader.Close())
}

func (c client) Groups(ctx context.Context) ([]string, error) {
	answer, err := c.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil || answer.Error != nil {
		return nil, cases.First(err, answer.Error)
	}
	var names []string
	for _, group := range answer.Groups {
		names = append(names, group.GroupID)
	}
	return names, nil
}

func (c client) GroupState(ctx context.Context, group string) (string, error) {
	answer, err := c.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return "", err
	}
	return answer.Groups[0].GroupState, answer.Groups[0].Error
}

func (c client) Committed(ctx context.Context, group, topic string, partition int) (int64, error) {
	answer, err := c.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {partition}}})
	if err != nil {
		return -1, err
	}
	return answer.Topics[topic][0].CommittedOffset, answer.Topics[topic][0].Error
}

func (c client) DeleteGroup(ctx context.Context, group string) error {
	answer, err := c.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return err
	}
	return answer.Errors[group]
}

func main() {
	if os.Args[1] == "member" {
		cases.RunMembers(runMember)
		return
	}
	suite := cases.New()
	everyday := cases.Everyday{Suite: suite, Name: "kafka-go", Client: client{suite.Address, &kafka.Client{Addr: kafka.TCP(suite.Address)}},
		Exists: kafka.TopicAlreadyExists, TooLarge: kafka.MessageSizeTooLarge,
		Same: bytes.Equal} // it reads an empty header as an absent one
	everyday.Run()
}
