// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func (s *suite) offsetCases() {
	s.Run("franz-go offsets by time and at the ends", s.listOffsets)
	s.Run("franz-go starts at every offset", s.seek)
	s.Run("franz-go an offset that is not there", s.outOfRange)
	s.Run("franz-go the end of a leader epoch", s.leaderEpoch)
}

func (s *suite) listOffsets(ctx context.Context) error {
	if err := s.create(ctx, "franz-offsets", partitions, map[string]string{"index.interval.bytes": "200"}); err != nil {
		return err
	}
	if err := s.send(ctx, content("franz-offsets"), kgo.ProducerBatchMaxBytes(700)); err != nil {
		return err
	}
	return s.admin(func(admin *kadm.Client) error {
		starts, err1 := admin.ListStartOffsets(ctx, "franz-offsets")
		ends, err2 := admin.ListEndOffsets(ctx, "franz-offsets")
		committed, err3 := admin.ListCommittedOffsets(ctx, "franz-offsets")
		newest, err4 := admin.ListMaxTimestampOffsets(ctx, "franz-offsets")
		if err := first(err1, err2, err3, err4, starts.Error(), ends.Error(), committed.Error(), newest.Error()); err != nil {
			return err
		}
		for p := int32(0); p < partitions; p++ {
			newestMs, newestOffset := int64(-1), int64(-1)
			for i := int(p); i < count; i += partitions {
				if at := record("", i).Timestamp.UnixMilli(); at > newestMs {
					newestMs, newestOffset = at, int64(i/partitions)
				}
			}
			if err := first(
				check(starts["franz-offsets"][p].Offset == 0, "start %+v", starts["franz-offsets"][p]),
				check(ends["franz-offsets"][p].Offset == count/partitions, "end %+v", ends["franz-offsets"][p]),
				check(committed["franz-offsets"][p].Offset == count/partitions, "stable %+v", committed["franz-offsets"][p]),
				check(newest["franz-offsets"][p].Offset == newestOffset && newest["franz-offsets"][p].Timestamp == newestMs,
					"newest %+v", newest["franz-offsets"][p])); err != nil {
				return err
			}
		}
		for at := int64(firstMs - 2000); at < firstMs+count*stepMs+2000; at += 700 {
			found, err := admin.ListOffsetsAfterMilli(ctx, at, "franz-offsets")
			if err := first(err, found.Error()); err != nil {
				return err
			}
			for p := 0; p < partitions; p++ {
				wanted := int64(count / partitions) // the client turns "none" into the end
				for i := count - partitions + p; i >= 0; i -= partitions {
					if record("", i).Timestamp.UnixMilli() >= at {
						wanted = int64(i / partitions)
					}
				}
				if offset := found["franz-offsets"][int32(p)].Offset; offset != wanted {
					return fmt.Errorf("%d at %d: %d, not %d", p, at, offset, wanted)
				}
			}
		}
		return nil
	})
}

func (s *suite) seek(ctx context.Context) error {
	for offset := int64(0); offset < count/partitions; offset += 7 {
		wanted := record("", int(offset)*partitions+2)
		err := s.read(ctx, "franz-none", map[int32]kgo.Offset{2: kgo.NewOffset().At(offset)}, 1, func(r *kgo.Record) error {
			if r.Offset != offset {
				return check(r.Offset > offset, "offset %d before %d", r.Offset, offset)
			}
			return checkRecord(r, wanted)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *suite) outOfRange(ctx context.Context) error {
	err := s.read(ctx, "franz-none", map[int32]kgo.Offset{0: kgo.NewOffset().At(1000)}, 1, func(r *kgo.Record) error { return nil },
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	return first(
		check(errors.Is(err, kerr.OffsetOutOfRange), "beyond the end: %v", err),
		s.read(ctx, "franz-none", map[int32]kgo.Offset{0: kgo.NewOffset().At(1000)}, 1, func(r *kgo.Record) error {
			return check(r.Offset < count/partitions, "offset %d", r.Offset)
		}, kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
}

func (s *suite) leaderEpoch(ctx context.Context) error {
	return s.admin(func(admin *kadm.Client) error {
		request := kadm.OffsetForLeaderEpochRequest{}
		request.Add("franz-none", 0, 0)
		found, err := admin.OffsetForLeaderEpoch(ctx, request)
		answer := found["franz-none"][0]
		return first(err, answer.Err, check(answer.LeaderEpoch == 0 && answer.EndOffset == count/partitions, "%+v", answer))
	})
}
