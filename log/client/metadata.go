package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic is a topic as the cluster describes it. It is immutable.
type Topic struct {
	Name       string
	ID         [16]byte // zero if the cluster is older than topic ids
	Internal   bool
	Partitions []Partition
}

// Partition is one partition of a Topic; its index is its place in Topic.Partitions.
type Partition struct {
	Leader      int32 // -1: none at the moment
	LeaderEpoch int32
	Replicas    []int32
	ISR         []int32
}

// String is "topic/partition".
func (tp TopicPartition) String() string { return fmt.Sprintf("%s/%d", tp.Topic, tp.Partition) }

// metadata caches topics. A cached Topic is replaced only by who has found it
// wanting: refresh takes the value that the caller saw, so that many who stumble
// over the same stale leader cause one request.
type metadata struct {
	asking chan struct{} // holds one token while a request is under way

	mu     sync.Mutex
	topics map[string]*Topic // guarded by mu
}

func newMetadata() *metadata {
	return &metadata{asking: make(chan struct{}, 1), topics: map[string]*Topic{}}
}

func (m *metadata) get(name string) *Topic {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics[name]
}

func (m *metadata) put(t *Topic) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.topics[t.Name] = t
}

func (m *metadata) forget(names ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range names {
		delete(m.topics, n)
	}
}

// topic is the cached topic, asked for once if it is not known.
func (c *Client) topic(ctx context.Context, name string) (*Topic, error) {
	if t := c.meta.get(name); t != nil {
		return t, nil
	}
	return c.refresh(ctx, name, nil)
}

// findTopic is topic with as many attempts as it takes to get a definite answer.
func (c *Client) findTopic(ctx context.Context, name string) (*Topic, error) {
	for b := (backoff{}); ; {
		t, err := c.topic(ctx, name)
		if err == nil || !transient(ctx, err) {
			return t, err
		}
		if b.n == warnAfter {
			c.logger.Warn("cannot find a topic, still trying", "topic", name, "cause", err)
		}
		if werr := b.wait(ctx); werr != nil {
			return nil, fmt.Errorf("%w (last: %w)", werr, err)
		}
	}
}

// refresh asks for a topic again unless somebody has done so since the caller
// looked at stale.
func (c *Client) refresh(ctx context.Context, name string, stale *Topic) (*Topic, error) {
	select {
	case c.meta.asking <- struct{}{}:
		defer func() { <-c.meta.asking }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if t := c.meta.get(name); t != nil && t != stale {
		return t, nil
	}
	t, err := c.DescribeTopic(ctx, name)
	if err != nil {
		if errors.Is(err, ErrUnknownTopic) {
			c.meta.forget(name)
		}
		return nil, err
	}
	c.meta.put(t)
	return t, nil
}

// partition finds the partition in a topic.
func (t *Topic) partition(p int32) (Partition, error) {
	if p < 0 || int(p) >= len(t.Partitions) {
		return Partition{}, fmt.Errorf("%s/%d: the topic has %d partitions: %w", t.Name, p, len(t.Partitions), ErrUnknownTopic)
	}
	return t.Partitions[p], nil
}

// Partitions is the number of a topic's partitions, from the cache if it is known.
func (c *Client) Partitions(ctx context.Context, topic string) (int32, error) {
	t, err := c.findTopic(ctx, topic)
	if err != nil {
		return 0, err
	}
	return int32(len(t.Partitions)), nil
}

// DescribeTopic asks the cluster (not the cache) for a topic; ErrUnknownTopic if
// there is none. It makes one attempt.
func (c *Client) DescribeTopic(ctx context.Context, name string) (*Topic, error) {
	resp, err := c.askMetadata(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("describe topic %s: %w", name, err)
	}
	for i := range resp.Topics {
		if t := &resp.Topics[i]; t.Topic != nil && *t.Topic == name {
			return newTopic(t)
		}
	}
	return nil, fmt.Errorf("describe topic %s: %w", name, ErrUnknownTopic)
}

// ListTopics asks the cluster for all topics, in order of name.
func (c *Client) ListTopics(ctx context.Context) ([]*Topic, error) {
	resp, err := c.askMetadata(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	all := make([]*Topic, 0, len(resp.Topics))
	for i := range resp.Topics {
		t, err := newTopic(&resp.Topics[i])
		if errors.Is(err, ErrUnknownTopic) {
			continue // deleted while the answer was made
		}
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *Topic) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// ClusterID asks the cluster for its id, "" if it has none. It makes one attempt.
func (c *Client) ClusterID(ctx context.Context) (string, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none: nil would be all
	resp, err := req.RequestWith(ctx, c.cluster)
	if err != nil {
		return "", fmt.Errorf("ask for the cluster's id: %w", err)
	}
	if resp.ClusterID == nil {
		return "", nil
	}
	return *resp.ClusterID, nil
}

// askMetadata asks for the named topics, or for all if none is named.
func (c *Client) askMetadata(ctx context.Context, names ...string) (*kmsg.MetadataResponse, error) {
	resp, err := topicsRequest(names).RequestWith(ctx, c.cluster)
	if err != nil {
		return nil, err
	}
	return resp, brokerError(resp.ErrorCode, nil, "ask for metadata")
}

// topicsRequest asks for the named topics, or for all if none is named, and creates
// none.
func topicsRequest(names []string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	for _, n := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(n)
		req.Topics = append(req.Topics, t)
	}
	return req
}

func newTopic(t *kmsg.MetadataResponseTopic) (*Topic, error) {
	name := "?"
	if t.Topic != nil {
		name = *t.Topic
	}
	switch err := kerr.TypedErrorForCode(t.ErrorCode); err {
	case nil, kerr.LeaderNotAvailable:
	case kerr.UnknownTopicOrPartition, kerr.UnknownTopicID:
		return nil, fmt.Errorf("topic %s: %w", name, ErrUnknownTopic)
	default:
		return nil, brokerError(t.ErrorCode, nil, "describe topic %s", name)
	}
	topic := &Topic{Name: name, ID: t.TopicID, Internal: t.IsInternal, Partitions: make([]Partition, len(t.Partitions))}
	for i := range topic.Partitions {
		topic.Partitions[i] = Partition{Leader: -1, LeaderEpoch: -1}
	}
	for _, p := range t.Partitions {
		if p.Partition < 0 || int(p.Partition) >= len(topic.Partitions) {
			return nil, fmt.Errorf("describe topic %s: the answer names partition %d of %d", name, p.Partition, len(t.Partitions))
		}
		topic.Partitions[p.Partition] = Partition{Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR}
	}
	return topic, nil
}
