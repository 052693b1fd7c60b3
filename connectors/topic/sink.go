package topic

import (
	"time"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/log/record"
	"github.com/millrace/millrace/operators/columnar"
)

// sink turns rows into records. It belongs to one goroutine.
type sink struct {
	topic   string
	encoder codec.Encoder
	key     *keyEncoder // nil: records have no key
	turn    int32       // partition of the next batch without keys

	value []byte // reused
}

func newSink(topic string, e codec.Encoder, schema *columnar.Schema, keys []string) *sink {
	s := &sink{topic: topic, encoder: e}
	if len(keys) > 0 {
		s.key = newKeyEncoder(schema, keys)
	}
	return s
}

// Write implements connectors.LogSink.
func (s *sink) Write(b *columnar.Batch, out connectors.LogWriter, rowError func(row int32, err error)) error {
	partitions, err := out.Partitions(s.topic)
	if err != nil {
		return err
	}
	keyless := s.turn % partitions
	s.turn = keyless + 1
	now := time.Now().UnixMilli()
	write := func(row int32) error {
		value, err := s.encoder.Encode(s.value[:0], b, row)
		if err != nil {
			rowError(row, err)
			return nil
		}
		s.value = value
		partition, key := keyless, []byte(nil)
		if s.key != nil {
			if key, err = s.key.encode(b, row); err != nil {
				rowError(row, err)
				return nil
			}
			if key != nil {
				partition = record.Partition(key, partitions)
			}
		}
		return out.Append(s.topic, partition, timestamp(b, row, now), key, value)
	}
	return eachRow(b, write)
}

func eachRow(b *columnar.Batch, f func(row int32) error) error {
	if b.Sel == nil {
		for row := range int32(b.Rows) {
			if err := f(row); err != nil {
				return err
			}
		}
		return nil
	}
	for _, row := range b.Sel {
		if err := f(row); err != nil {
			return err
		}
	}
	return nil
}

// timestamp is a record's, in milliseconds. Kafka has none before 1970.
func timestamp(b *columnar.Batch, row int32, now int64) int64 {
	if b.EventTime == nil {
		return now
	}
	return max(b.EventTime[row]/1000, 0)
}

// Close implements connectors.LogSink.
func (s *sink) Close() error { return nil }
