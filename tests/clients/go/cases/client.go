// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Client is what any client can do, each in its own way.
type Client interface {
	Create(ctx context.Context, topic string, partitions int, settings map[string]string) error
	Delete(ctx context.Context, topic string) error
	Topics(ctx context.Context) (map[string]int, error) // how many partitions each has
	Setting(ctx context.Context, topic, name string) (string, error)
	Send(ctx context.Context, topic, codec string, records []Record) error
	Read(ctx context.Context, topic string, partition int, offset int64, each func(Record) (more bool, err error)) error
	Offsets(ctx context.Context, topic string, partition int, at time.Time) (first, end, from int64, err error)
	ReadAsGroup(ctx context.Context, group, topic string, count int) ([]Record, error) // and commit, and leave
	Groups(ctx context.Context) ([]string, error)
	GroupState(ctx context.Context, group string) (string, error)
	Committed(ctx context.Context, group, topic string, partition int) (int64, error)
	DeleteGroup(ctx context.Context, group string) error
}

// Everyday is what most users of a client do. The two errors are what it tells of a topic that is there already and of a record that is
// too large; Same says whether what it read is what was sent.
type Everyday struct {
	*Suite
	Name             string
	Client           Client
	Exists, TooLarge error
	Same             func(a, b []byte) bool
}

func (e *Everyday) Run() {
	for _, codec := range Codecs {
		e.Suite.Run(e.Name+" "+codec, func(ctx context.Context) error { return e.content(ctx, e.Name+"-"+codec, codec) })
	}
	e.Suite.Run(e.Name+" topics", e.topics)
	e.Suite.Run(e.Name+" offsets at the ends and by time", e.offsets)
	e.Suite.Run(e.Name+" too large", e.tooLarge)
	e.Suite.Run(e.Name+" reads as a group", e.group)
	e.End()
}

// create makes a topic without retention, since the content is years old, and waits until it can be written.
func (e *Everyday) create(ctx context.Context, topic string, partitions int) error {
	if err := e.Client.Create(ctx, topic, partitions, map[string]string{"retention.ms": "-1", "max.message.bytes": "100000"}); err != nil {
		return err
	}
	for partition := 0; partition < partitions; partition++ {
		if err := until(ctx, func() error {
			_, _, _, err := e.Client.Offsets(ctx, topic, partition, time.UnixMilli(FirstMs))
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// until asks again until there is no error, or no time.
func until(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (e *Everyday) send(ctx context.Context, topic, codec string) error {
	records := make([]Record, Count)
	for i := range records {
		records[i] = Content(i)
	}
	return e.Client.Send(ctx, topic, codec, records)
}

func (e *Everyday) content(ctx context.Context, topic, codec string) error {
	if err := First(e.create(ctx, topic, Partitions), e.send(ctx, topic, codec)); err != nil {
		return err
	}
	for partition := 0; partition < Partitions; partition++ {
		for _, start := range []int64{0, 17} {
			next := start
			err := e.Client.Read(ctx, topic, partition, start, func(r Record) (bool, error) {
				err := First(Check(r.Offset == next, "%s-%d: offset %d, not %d", topic, partition, r.Offset, next), CheckContent(r, e.Same))
				next++
				return next < Count/Partitions, err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Everyday) topics(ctx context.Context) error {
	topic := e.Name + "-made"
	if err := e.create(ctx, topic, 4); err != nil {
		return err
	}
	found, err := e.Client.Topics(ctx)
	if err := First(err, Check(found[topic] == 4, "%d partitions: %v", found[topic], found)); err != nil {
		return err
	}
	setting, err := e.Client.Setting(ctx, topic, "max.message.bytes")
	if err := First(err, Check(setting == "100000", "max.message.bytes is %s", setting)); err != nil {
		return err
	}
	err = e.Client.Create(ctx, topic, 4, nil)
	if err := First(Check(errors.Is(err, e.Exists), "created twice: %v", err), e.Client.Delete(ctx, topic)); err != nil {
		return err
	}
	return until(ctx, func() error {
		found, err := e.Client.Topics(ctx)
		_, there := found[topic]
		return First(err, Check(!there, "%s is still listed", topic))
	})
}

func (e *Everyday) offsets(ctx context.Context) error {
	topic := e.Name + "-offsets"
	if err := First(e.create(ctx, topic, Partitions), e.send(ctx, topic, "none")); err != nil {
		return err
	}
	for partition := 0; partition < Partitions; partition++ {
		first, end, from, err := e.Client.Offsets(ctx, topic, partition, time.UnixMilli(FirstMs+150*StepMs))
		if err := First(err, Check(first == 0 && end == 100 && from == 50, "%s-%d: %d %d, by time %d", topic, partition, first, end, from)); err != nil {
			return err
		}
	}
	return nil
}

func (e *Everyday) tooLarge(ctx context.Context) error {
	topic := e.Name + "-small"
	if err := e.create(ctx, topic, 1); err != nil {
		return err
	}
	err := e.Client.Send(ctx, topic, "none", []Record{{Value: []byte(strings.Repeat("x", 200000)), Time: time.Now()}})
	_, end, _, asked := e.Client.Offsets(ctx, topic, 0, time.UnixMilli(FirstMs))
	return First(Check(errors.Is(err, e.TooLarge), "200,000 bytes: %v", err), asked, Check(end == 0, "%d records were taken", end))
}

// group: the first round reads and commits the content, the second only what came behind it.
func (e *Everyday) group(ctx context.Context) error {
	topic, group := e.Name+"-group", e.Name+"-readers"
	if err := e.create(ctx, topic, Partitions); err != nil {
		return err
	}
	for round := int64(1); round <= 2; round++ {
		if err := e.send(ctx, topic, "none"); err != nil {
			return err
		}
		found, err := e.Client.ReadAsGroup(ctx, group, topic, Count)
		if err := First(err, Check(len(found) == Count, "%d records", len(found))); err != nil {
			return err
		}
		for _, r := range found {
			r.Offset -= (round - 1) * Count / Partitions
			if err := First(Check(r.Offset >= 0, "round %d: %d@%d is read again", round, r.Partition, r.Offset), CheckContent(r, e.Same)); err != nil {
				return err
			}
		}
		for partition := 0; partition < Partitions; partition++ {
			committed, err := e.Client.Committed(ctx, group, topic, partition)
			if err := First(err, Check(committed == round*Count/Partitions, "round %d: %d is committed", round, committed)); err != nil {
				return err
			}
		}
	}
	state, err1 := e.Client.GroupState(ctx, group)
	groups, err2 := e.Client.Groups(ctx)
	err := First(err1, err2, Check(state == "Empty", "state %s", state), Check(slices.Contains(groups, group), "%s is not among %v", group, groups),
		e.Client.DeleteGroup(ctx, group))
	if err != nil {
		return err
	}
	groups, err = e.Client.Groups(ctx)
	return First(err, Check(!slices.Contains(groups, group), "%s is still listed", group))
}
