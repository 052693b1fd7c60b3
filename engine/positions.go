package engine

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/operators/columnar"
)

// Beside its outputs, a pipeline keeps two topics of its own: the changelog of its
// state, and <pipeline>.splits, compacted, one partition, with keyed JSON records:
//
//	epoch                   what the last epoch holds: its number, the offsets, and the
//	                        ids of the topics that these and the state are of
//	split/<source>/<split>  position and watermark of a split that is no topic's
//	sink/<name>             handle of a staged sink's last Prepare
//
// They are written in the epoch's transaction. Positions in topics are the
// group's committed offsets, whose metadata string carries epoch and watermark.

func (p *Pipeline) splitsTopic() string    { return p.plan.graph.Name + ".splits" }
func (p *Pipeline) changelogTopic() string { return p.plan.graph.Name + ".changelog" }

// home is the partition that stands for the pipeline in the group: who is
// assigned it runs the pipeline, and its commit carries every epoch's number.
func (p *Pipeline) home() client.TopicPartition {
	return client.TopicPartition{Topic: p.splitsTopic()}
}

type epochRecord struct {
	Epoch   uint64           `json:"epoch"`
	Offsets map[string]int64 `json:"offsets,omitempty"` // "topic/partition"
	// TopicIDs are those of the topics in Offsets, and of the changelog if there is
	// state, in hex by the topics' names.
	TopicIDs map[string]string `json:"topic_ids,omitempty"`
}

type splitRecord struct {
	Epoch     uint64 `json:"epoch"`
	Position  []byte `json:"position"`
	Watermark *int64 `json:"watermark,omitempty"` // microseconds; absent before the first row
}

type sinkRecord struct {
	Epoch  uint64 `json:"epoch"`
	Handle []byte `json:"handle"`
}

const epochKey = "epoch"

func splitRecordKey(k splitKey) string { return "split/" + k.source + "/" + escape(k.split) }
func sinkRecordKey(name string) string { return "sink/" + name }

// escape keeps the slashes of a split's id, such as a file's path, apart from
// those of the key.
func escape(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func unescape(s string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return string(b), err
}

// offsetMetadata is the metadata string of an offset commit.
func offsetMetadata(epoch uint64, watermark int64) string {
	if watermark == columnar.MinTime {
		return fmt.Sprintf("v1 %d", epoch)
	}
	return fmt.Sprintf("v1 %d %d", epoch, watermark)
}

// parseOffsetMetadata reads it; what is not of this engine, such as a person's, has
// epoch 0 and no watermark.
func parseOffsetMetadata(s string) (epoch uint64, watermark int64, err error) {
	watermark = columnar.MinTime
	n, err := fmt.Sscanf(s, "v1 %d %d", &epoch, &watermark)
	if n >= 1 {
		return epoch, watermark, nil
	}
	return 0, columnar.MinTime, fmt.Errorf("offset metadata %q is not of this engine: %w", s, err)
}

// topicPosition is the 8-byte position of a log offset.
func topicPosition(offset int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(offset)) }

func topicOffset(position []byte) (int64, error) {
	if len(position) != 8 {
		return 0, fmt.Errorf("position %x is not a log offset", position)
	}
	return int64(binary.BigEndian.Uint64(position)), nil
}

// splitsLog is the content of the splits topic, replayed.
type splitsLog struct {
	epoch  epochRecord
	splits map[splitKey]splitState
	sinks  map[string][]byte
}

// apply takes one record. A nil value is a tombstone; the engine writes none.
func (l *splitsLog) apply(key, value []byte) error {
	kind, rest, _ := strings.Cut(string(key), "/")
	if value == nil {
		return nil // of a split or sink that somebody has forgotten on purpose
	}
	var err error
	switch kind {
	case epochKey:
		err = json.Unmarshal(value, &l.epoch)
	case "split":
		err = l.applySplit(rest, value)
	case "sink":
		var r sinkRecord
		if err = json.Unmarshal(value, &r); err == nil {
			l.sinks[rest] = r.Handle
		}
	default:
		err = fmt.Errorf("unknown kind")
	}
	if err != nil {
		return fmt.Errorf("record %q of the splits topic: %w", key, err)
	}
	return nil
}

func (l *splitsLog) applySplit(rest string, value []byte) error {
	source, id, _ := strings.Cut(rest, "/")
	split, err := unescape(id)
	if err != nil {
		return err
	}
	var r splitRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	s := splitState{known: true, position: r.Position, watermark: columnar.MinTime}
	if r.Watermark != nil {
		s.watermark = *r.Watermark
	}
	l.splits[splitKey{source, split}] = s
	return nil
}

// readSplits replays the splits topic up to its high watermark of now.
func (p *Pipeline) readSplits(ctx context.Context) (*splitsLog, error) {
	l := &splitsLog{splits: map[splitKey]splitState{}, sinks: map[string][]byte{}}
	err := p.replay(ctx, map[client.TopicPartition]int64{p.home(): 0}, func(_ client.TopicPartition, key, value []byte) error {
		return l.apply(key, value)
	})
	return l, err
}

// replay reads partitions, committed records only, from the given offsets (or the
// log's start, if that is later) until the position passes what is the high
// watermark now. Not the last stable offset: markers of one transaction reach
// partitions one after the other, and a commit that the group already shows must
// be waited for here. Not the last record: it may be a marker.
func (p *Pipeline) replay(ctx context.Context, from map[client.TopicPartition]int64, do func(tp client.TopicPartition, key, value []byte) error) error {
	var all []client.TopicPartition
	for tp := range from {
		all = append(all, tp)
	}
	ends, err := p.client.ListOffsets(ctx, client.HighWatermark, all...)
	if err != nil {
		return err
	}
	starts, err := p.client.ListOffsets(ctx, client.Earliest, all...)
	if err != nil {
		return err
	}
	f := p.client.NewFetcher(client.FetcherOptions{Isolation: client.ReadCommitted})
	defer f.Close()
	open := 0
	for tp, at := range from {
		if at = max(at, starts[tp]); at < ends[tp] {
			f.Open(tp, at)
			open++
		}
	}
	var records client.Records
	for open > 0 {
		c, got, err := f.Next(ctx)
		if err != nil {
			return err
		}
		for records.Reset(got); records.Next(); {
			if err := do(got.Partition, records.Key, records.Value); err != nil {
				return err
			}
		}
		if err := records.Err(); err != nil {
			return err
		}
		if c.Position() >= ends[got.Partition] {
			c.Close()
			open--
		}
	}
	return nil
}
