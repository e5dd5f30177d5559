// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

const (
	Count      = 300
	Partitions = 3
	FirstMs    = 1700000000000
	StepMs     = 1000
)

var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

type Header struct {
	Key   string
	Value []byte
}

type Record struct {
	Partition  int
	Offset     int64
	Key, Value []byte
	Headers    []Header
	Time       time.Time
}

// Content is record i of the content of ../content.py; it belongs to partition i % 3 at offset i / 3.
func Content(i int) Record {
	key, value := []byte(fmt.Sprintf("key-%d-größe-漢字", i)), []byte(fmt.Sprintf("value-%d-🙂-%s", i, strings.Repeat("abcdefghij", i%50)))
	switch i % 10 {
	case 3:
		key = nil
	case 4:
		key = []byte{}
	case 5:
		value = nil
	case 6:
		value = []byte{}
	}
	headers := []Header{{"number", []byte(fmt.Sprint(i))}, {"empty", []byte{}}, {"null", nil}, {"größe-漢字", []byte("naïve-🙂")}}
	if i%7 == 0 {
		headers = append(headers, Header{"number", []byte("again")})
	}
	timestamp := int64(FirstMs + i*StepMs)
	if i%11 == 0 {
		timestamp -= 5000
	}
	return Record{i % Partitions, int64(i / Partitions), key, value, headers, time.UnixMilli(timestamp)}
}

// Same: an absent key or value is not an empty one.
func Same(a, b []byte) bool {
	return bytes.Equal(a, b) && (a == nil) == (b == nil)
}

// CheckContent asks that what was found is the record of the content that belongs there.
func CheckContent(found Record, same func(a, b []byte) bool) error {
	wanted := Content(int(found.Offset)*Partitions + found.Partition)
	where := fmt.Sprintf("%d@%d", found.Partition, found.Offset)
	err := First(
		Check(same(found.Key, wanted.Key), "%s: key %q, not %q", where, found.Key, wanted.Key),
		Check(same(found.Value, wanted.Value), "%s: value %q, not %q", where, found.Value, wanted.Value),
		Check(found.Time.Equal(wanted.Time), "%s: timestamp %v, not %v", where, found.Time, wanted.Time),
		Check(len(found.Headers) == len(wanted.Headers), "%s: %d headers", where, len(found.Headers)))
	for h := 0; err == nil && h < len(wanted.Headers); h++ {
		err = Check(found.Headers[h].Key == wanted.Headers[h].Key && same(found.Headers[h].Value, wanted.Headers[h].Value),
			"%s: header %v, not %v", where, found.Headers[h], wanted.Headers[h])
	}
	return err
}
