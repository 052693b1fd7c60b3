package client

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetSpec says which offset ListOffsets looks for: Earliest, HighWatermark,
// LastStable or AtTimestamp.
type OffsetSpec struct {
	timestamp int64
	isolation Isolation
}

// The usual places to start from or to end at.
var (
	// Earliest is the log start.
	Earliest = OffsetSpec{timestamp: -2}
	// HighWatermark is the end of what is committed to the log.
	HighWatermark = OffsetSpec{timestamp: -1}
	// LastStable is the end of what a read_committed reader sees.
	LastStable = OffsetSpec{timestamp: -1, isolation: ReadCommitted}
)

// AtTimestamp is the first record whose timestamp is at or after ms
// (milliseconds since the Unix epoch); the high watermark if there is none.
func AtTimestamp(ms int64) OffsetSpec { return OffsetSpec{timestamp: max(ms, 0)} }

// ListOffsets finds an offset in each partition. It goes on until every leader
// has answered, ctx ends or a partition does not exist.
func (c *Client) ListOffsets(ctx context.Context, at OffsetSpec, partitions ...TopicPartition) (map[TopicPartition]int64, error) {
	found := make(map[TopicPartition]int64, len(partitions))
	err := c.perLeader(ctx, partitions, func(leader int32, mine []located) ([]TopicPartition, error) {
		return c.listOffsetsAt(ctx, leader, at, mine, found)
	})
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	var none []TopicPartition
	for tp, o := range found {
		if o < 0 {
			none = append(none, tp)
		}
	}
	if len(none) == 0 {
		return found, nil
	}
	ends, err := c.ListOffsets(ctx, HighWatermark, none...)
	if err != nil {
		return nil, err
	}
	for tp, o := range ends {
		found[tp] = o
	}
	return found, nil
}

// listOffsetsAt asks one leader and returns the partitions to ask for again.
func (c *Client) listOffsetsAt(ctx context.Context, leader int32, at OffsetSpec, mine []located, found map[TopicPartition]int64) ([]TopicPartition, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.IsolationLevel = int8(at.isolation)
	byTopic := map[string]int{}
	for _, l := range mine {
		i, ok := byTopic[l.tp.Topic]
		if !ok {
			i = len(req.Topics)
			byTopic[l.tp.Topic] = i
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = l.tp.Topic
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.Timestamp = l.tp.Partition, l.epoch, at.timestamp
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	kresp, err := c.cluster.Broker(leader).Request(ctx, req)
	if err != nil {
		return nil, err
	}
	var repeat []TopicPartition
	for _, t := range kresp.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			tp := TopicPartition{t.Topic, p.Partition}
			switch {
			case again(p.ErrorCode):
				repeat = append(repeat, tp)
			case p.ErrorCode != 0:
				return nil, fatalError{brokerError(p.ErrorCode, nil, "%s", tp)}
			default:
				found[tp] = p.Offset
			}
		}
	}
	return repeat, nil
}

// located is a partition with its leader's epoch.
type located struct {
	tp    TopicPartition
	epoch int32
}

// fatalError ends perLeader's repetitions.
type fatalError struct{ error }

func (f fatalError) Unwrap() error { return f.error }

// perLeader groups partitions by leader and calls ask for each group, again for
// those that ask returns or whose broker did not answer, after a pause and with
// fresh leaders.
func (c *Client) perLeader(ctx context.Context, partitions []TopicPartition, ask func(leader int32, mine []located) (repeat []TopicPartition, err error)) error {
	for b := (backoff{}); len(partitions) > 0; {
		groups, leaderless, stale, err := c.groupByLeader(ctx, partitions)
		if err != nil {
			return err
		}
		repeat := leaderless
		var last error
		for leader, mine := range groups {
			more, err := ask(leader, mine)
			if fatal, ok := err.(fatalError); ok {
				return fatal.error
			}
			if err != nil {
				last = err
				for _, l := range mine {
					more = append(more, l.tp)
				}
			}
			repeat = append(repeat, more...)
		}
		partitions = repeat
		if len(partitions) == 0 {
			return nil
		}
		if err := b.wait(ctx); err != nil {
			if last != nil {
				return fmt.Errorf("%w (last: %w)", err, last)
			}
			return err
		}
		for _, tp := range partitions {
			if _, err := c.refresh(ctx, tp.Topic, stale[tp.Topic]); err != nil && !transient(ctx, err) {
				return err
			}
		}
	}
	return nil
}

// groupByLeader looks the leaders up; stale holds the topics as they were seen.
func (c *Client) groupByLeader(ctx context.Context, partitions []TopicPartition) (groups map[int32][]located, leaderless []TopicPartition, stale map[string]*Topic, err error) {
	groups, stale = map[int32][]located{}, map[string]*Topic{}
	for _, tp := range partitions {
		t, err := c.topic(ctx, tp.Topic)
		if err != nil {
			if !transient(ctx, err) {
				return nil, nil, nil, err
			}
			leaderless = append(leaderless, tp)
			continue
		}
		stale[tp.Topic] = t
		p, err := t.partition(tp.Partition)
		if err != nil {
			return nil, nil, nil, err
		}
		if p.Leader < 0 {
			leaderless = append(leaderless, tp)
			continue
		}
		groups[p.Leader] = append(groups[p.Leader], located{tp, p.LeaderEpoch})
	}
	return groups, leaderless, stale, nil
}
