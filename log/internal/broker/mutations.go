package broker

import (
	"github.com/millrace/millrace/log/internal/meta"
)

// The lowest versions whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const (
	strictCreateTopics     = 6
	strictDeleteTopics     = 5
	strictCreatePartitions = 3
)

// partitionsOf is how many partitions a topic that is to be made would have.
func (c *call) partitionsOf(t meta.NewTopic) int {
	switch {
	case len(t.Assignments) > 0:
		return len(t.Assignments)
	case t.Partitions == -1:
		return int(c.opts.DefaultPartitions)
	}
	return int(t.Partitions)
}

// deletedBy is how many partitions go with a topic.
func (c *call) deletedBy(ref meta.TopicRef) int {
	t := c.image().Topic(ref.ID)
	if ref.ID.IsZero() {
		t = c.image().TopicByName(ref.Name)
	}
	if t == nil {
		return 0
	}
	return len(t.Partitions)
}

// addedBy is how many partitions a topic would get more.
func (c *call) addedBy(more meta.MorePartitions) int {
	if t := c.image().TopicByName(more.Name); t != nil {
		return int(more.Count) - len(t.Partitions)
	}
	return 0
}

// mutating has do make those of a request's changes that the caller has the right to
// by its quota, and returns the results of all in their order. What comes to nothing is
// not charged, nor is what is only validated (dry).
func mutating[T any](c *call, all []T, strict, dry bool, count func(T) int, do func([]T) ([]meta.TopicResult, error)) ([]meta.TopicResult, error) {
	if dry || c.image().Quotas() == nil {
		return do(all)
	}
	results := make([]meta.TopicResult, len(all))
	var granted []T
	var at, charged []int
	for i, change := range all {
		n := count(change) // before the change: a topic that is deleted has none after it
		if results[i].Err = c.mutate(n, strict); results[i].Err == nil {
			granted, at, charged = append(granted, change), append(at, i), append(charged, n)
		}
	}
	if len(granted) == 0 {
		return results, nil
	}
	made, err := do(granted)
	for j, i := range at {
		if err == nil {
			results[i] = made[j]
		}
		if err != nil || results[i].Err != nil {
			c.unmutate(charged[j])
		}
	}
	return results, err
}
