package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Committed is an offset that a group has committed, or is to commit.
type Committed struct {
	Offset      int64
	LeaderEpoch int32 // of the last record before Offset; -1 if unknown
	Metadata    string
}

// GroupMeta identifies a member for offset commits. Generation -1 with an empty
// Member is a commit from outside of the membership, allowed while the group is
// empty.
type GroupMeta struct {
	Group      string
	Generation int32
	Member     string
	Instance   string // group.instance.id; "" if the member is dynamic
}

// FetchOffsets reads a group's committed offsets. Partitions without one are
// absent from the result; naming no partition means all that the group has. With
// requireStable it waits while a transaction that carries offsets of the group is
// open or still ending (KIP-447).
func (c *Client) FetchOffsets(ctx context.Context, group string, requireStable bool, partitions ...TopicPartition) (map[TopicPartition]Committed, error) {
	for b := (backoff{}); ; {
		found, err := c.fetchOffsetsOnce(ctx, group, requireStable, partitions)
		if err == nil {
			return found, nil
		}
		if !transient(ctx, err) {
			return nil, fmt.Errorf("fetch offsets of group %s: %w", group, err)
		}
		if werr := b.wait(ctx); werr != nil {
			return nil, fmt.Errorf("fetch offsets of group %s: %w (last: %w)", group, werr, err)
		}
	}
}

func (c *Client) fetchOffsetsOnce(ctx context.Context, group string, requireStable bool, partitions []TopicPartition) (map[TopicPartition]Committed, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = requireStable
	req.Group = group
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	for topic, parts := range byTopic(partitions) {
		id, err := c.topicID(ctx, topic)
		if err != nil {
			return nil, err
		}
		old := kmsg.NewOffsetFetchRequestTopic()
		old.Topic, old.Partitions = topic, parts
		req.Topics = append(req.Topics, old)
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.TopicID, t.Partitions = topic, id, parts
		g.Topics = append(g.Topics, t)
	}
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(ctx, c.cluster)
	if err != nil {
		return nil, err
	}
	return c.readOffsets(ctx, group, resp)
}

// readOffsets unites the two shapes of the response: one group's topics (below
// version 8) and a list of groups.
func (c *Client) readOffsets(ctx context.Context, group string, resp *kmsg.OffsetFetchResponse) (map[TopicPartition]Committed, error) {
	found := map[TopicPartition]Committed{}
	add := func(topic string, partition int32, offset int64, epoch int32, metadata *string, code int16) error {
		tp := TopicPartition{topic, partition}
		if code == kerr.UnknownTopicOrPartition.Code || code == kerr.UnknownTopicID.Code {
			if c.meta.get(topic) == nil {
				return nil // a topic that does not exist has no offsets
			}
			c.meta.forget(topic) // asked for under an id that is no longer its own
		}
		if err := brokerError(code, nil, "%s", tp); err != nil {
			return err
		}
		if offset < 0 {
			return nil
		}
		o := Committed{Offset: offset, LeaderEpoch: epoch}
		if metadata != nil {
			o.Metadata = *metadata
		}
		found[tp] = o
		return nil
	}
	if err := offsetFetchError(resp.ErrorCode); err != nil {
		return nil, err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := add(t.Topic, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode); err != nil {
				return nil, err
			}
		}
	}
	for _, g := range resp.Groups {
		if g.Group != group {
			continue
		}
		if err := offsetFetchError(g.ErrorCode); err != nil {
			return nil, err
		}
		for _, t := range g.Topics {
			name, err := c.topicName(ctx, t.Topic, t.TopicID)
			if errors.Is(err, ErrUnknownTopic) {
				continue // deleted since
			}
			if err != nil {
				return nil, err
			}
			for _, p := range t.Partitions {
				if err := add(name, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode); err != nil {
					return nil, err
				}
			}
		}
	}
	return found, nil
}

// offsetFetchError: a group that has never been seen has no offsets, which is
// not a failure.
func offsetFetchError(code int16) error {
	if code == kerr.GroupIDNotFound.Code {
		return nil
	}
	return brokerError(code, nil, "group")
}

// CommitOffsets commits a group's offsets outside of a transaction. ErrGeneration
// and ErrFenced say that the member no longer owns them.
func (c *Client) CommitOffsets(ctx context.Context, g GroupMeta, offsets map[TopicPartition]Committed) error {
	for b := (backoff{}); ; {
		err := c.commitOffsetsOnce(ctx, g, offsets)
		if err == nil {
			return nil
		}
		if !transient(ctx, err) {
			return fmt.Errorf("commit offsets of group %s: %w", g.Group, err)
		}
		if werr := b.wait(ctx); werr != nil {
			return fmt.Errorf("commit offsets of group %s: %w (last: %w)", g.Group, werr, err)
		}
	}
}

func (c *Client) commitOffsetsOnce(ctx context.Context, g GroupMeta, offsets map[TopicPartition]Committed) error {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = g.Group, g.Generation, g.Member, optional(g.Instance)
	for topic, parts := range byTopic(keys(offsets)) {
		id, err := c.topicID(ctx, topic)
		if err != nil {
			return err
		}
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, id
		for _, n := range parts {
			o := offsets[TopicPartition{topic, n}]
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = n, o.Offset, o.LeaderEpoch, &o.Metadata
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, c.cluster)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := brokerError(p.ErrorCode, nil, "%s/%d", t.Topic, p.Partition); err != nil {
				return err
			}
		}
	}
	return nil
}

// topicID is the topic's id, zero for a topic that is gone: the offsets of a
// deleted topic can be read below the versions that need ids.
func (c *Client) topicID(ctx context.Context, name string) ([16]byte, error) {
	t, err := c.topic(ctx, name)
	if errors.Is(err, ErrUnknownTopic) {
		return [16]byte{}, nil
	}
	if err != nil {
		return [16]byte{}, err
	}
	return t.ID, nil
}

// topicName is the name in an answer that may carry only the id.
func (c *Client) topicName(ctx context.Context, name string, id [16]byte) (string, error) {
	if name != "" {
		return name, nil
	}
	if n, ok := c.meta.name(id); ok {
		return n, nil
	}
	all, err := c.ListTopics(ctx)
	if err != nil {
		return "", err
	}
	for _, t := range all {
		if t.ID == id {
			c.meta.put(t)
			return t.Name, nil
		}
	}
	return "", fmt.Errorf("topic with id %x: %w", id, ErrUnknownTopic)
}

func (m *metadata) name(id [16]byte) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n, t := range m.topics {
		if t.ID == id {
			return n, true
		}
	}
	return "", false
}

// byTopic groups partitions by topic, keeping their order.
func byTopic(partitions []TopicPartition) map[string][]int32 {
	m := map[string][]int32{}
	for _, tp := range partitions {
		m[tp.Topic] = append(m[tp.Topic], tp.Partition)
	}
	return m
}

func keys[V any](m map[TopicPartition]V) []TopicPartition {
	all := make([]TopicPartition, 0, len(m))
	for tp := range m {
		all = append(all, tp)
	}
	return all
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
