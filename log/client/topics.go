package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// createTimeoutMs is how long a controller may take to place a new topic.
const createTimeoutMs = 15_000

// TopicSpec is a topic that must exist.
type TopicSpec struct {
	Name              string
	Partitions        int32 // 0: the broker's default, and an existing topic may have any number
	ReplicationFactor int16 // 0: the broker's default
	Configs           map[string]string
}

// EnsureTopics creates the topics that are missing, checks the partition count
// of those that exist (their configuration is left alone), and returns once
// every partition has a leader.
func (c *Client) EnsureTopics(ctx context.Context, specs ...TopicSpec) error {
	for _, spec := range specs {
		if err := c.ensureTopic(ctx, spec); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) ensureTopic(ctx context.Context, spec TopicSpec) error {
	created := false
	for b := (backoff{}); ; {
		t, err := c.DescribeTopic(ctx, spec.Name)
		switch {
		case err == nil && spec.Partitions > 0 && int(spec.Partitions) != len(t.Partitions):
			return fmt.Errorf("topic %s has %d partitions, but %d are needed; delete it, or change what needs it", spec.Name, len(t.Partitions), spec.Partitions)
		case err == nil && t.led():
			c.meta.put(t)
			return nil
		case errors.Is(err, ErrUnknownTopic) && !created:
			err = c.CreateTopics(ctx, spec)
			if err != nil && !errors.Is(err, ErrTopicExists) && !errors.Is(err, ErrRetriable) {
				return err
			}
			created = err == nil
			if created {
				continue // it is usually there at once
			}
		case err != nil && !errors.Is(err, ErrUnknownTopic) && !errors.Is(err, ErrRetriable):
			return err
		}
		if err := b.wait(ctx); err != nil {
			return fmt.Errorf("wait for topic %s to have leaders: %w", spec.Name, err)
		}
	}
}

// led says whether every partition has a leader.
func (t *Topic) led() bool {
	for _, p := range t.Partitions {
		if p.Leader < 0 {
			return false
		}
	}
	return len(t.Partitions) > 0
}

// CreateTopics creates topics in one request. The first failure is returned,
// ErrTopicExists for a topic that is there; others may have been created.
func (c *Client) CreateTopics(ctx context.Context, specs ...TopicSpec) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = createTimeoutMs
	for _, spec := range specs {
		req.Topics = append(req.Topics, spec.wire())
	}
	resp, err := req.RequestWith(ctx, c.cluster)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for _, t := range resp.Topics {
		if t.ErrorCode == kerr.TopicAlreadyExists.Code {
			return fmt.Errorf("create topic %s: %w", t.Topic, ErrTopicExists)
		}
		if err := brokerError(t.ErrorCode, t.ErrorMessage, "create topic %s", t.Topic); err != nil {
			return err
		}
	}
	return nil
}

func (s TopicSpec) wire() kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = s.Name, s.Partitions, s.ReplicationFactor
	if t.NumPartitions == 0 {
		t.NumPartitions = -1
	}
	if t.ReplicationFactor == 0 {
		t.ReplicationFactor = -1
	}
	for k, v := range s.Configs {
		cfg := kmsg.NewCreateTopicsRequestTopicConfig()
		cfg.Name, cfg.Value = k, kmsg.StringPtr(v)
		t.Configs = append(t.Configs, cfg)
	}
	return t
}

// DeleteTopics deletes topics; ErrUnknownTopic for one that does not exist.
func (c *Client) DeleteTopics(ctx context.Context, names ...string) error {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = createTimeoutMs
	req.TopicNames = names
	for _, n := range names {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = kmsg.StringPtr(n)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, c.cluster)
	if err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	c.meta.forget(names...)
	for _, t := range resp.Topics {
		name := "?"
		if t.Topic != nil {
			name = *t.Topic
		}
		if t.ErrorCode == kerr.UnknownTopicOrPartition.Code {
			return fmt.Errorf("delete topic %s: %w", name, ErrUnknownTopic)
		}
		if err := brokerError(t.ErrorCode, t.ErrorMessage, "delete topic %s", name); err != nil {
			return err
		}
	}
	return nil
}

// TopicConfigs asks for a topic's configuration as text; sensitive values are
// absent.
func (c *Client) TopicConfigs(ctx context.Context, name string) (map[string]string, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, name
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(ctx, c.cluster)
	if err != nil {
		return nil, fmt.Errorf("describe the configuration of topic %s: %w", name, err)
	}
	configs := map[string]string{}
	for _, r := range resp.Resources {
		if err := brokerError(r.ErrorCode, r.ErrorMessage, "describe the configuration of topic %s", name); err != nil {
			return nil, err
		}
		for _, cfg := range r.Configs {
			if cfg.Value != nil {
				configs[cfg.Name] = *cfg.Value
			}
		}
	}
	return configs, nil
}
