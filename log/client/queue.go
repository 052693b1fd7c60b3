package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/log/record"
)

type topicQueues struct {
	name   string
	queues []*queue // by partition
}

// queue is one partition's batches.
type queue struct {
	tp TopicPartition

	mu   sync.Mutex
	open *record.Builder // guarded by mu; nil if nothing is open
	seq  int32           // of the next batch; guarded by mu

	// The rest is guarded by accumulator.mu.
	ready   []*closedBatch // in order of sequence; the head may be in flight
	flying  bool
	added   bool   // to the transaction, where that is explicit
	stale   *Topic // metadata that proved wrong
	retries backoff
	retryAt time.Time
}

// closedBatch is a batch on its way. data refers to builder's memory.
type closedBatch struct {
	builder *record.Builder
	data    []byte
	count   int32
}

// queue finds the partition's queue.
func (a *accumulator) queue(topic string, partition int32) (*queue, error) {
	for _, t := range *a.topics.Load() {
		if t.name == topic {
			if partition < 0 || int(partition) >= len(t.queues) {
				return nil, fmt.Errorf("%s/%d: the topic has %d partitions: %w", topic, partition, len(t.queues), ErrUnknownTopic)
			}
			return t.queues[partition], nil
		}
	}
	return a.newQueues(topic, partition)
}

func (a *accumulator) newQueues(topic string, partition int32) (*queue, error) {
	if _, err := a.partitions(a.life, topic); err != nil {
		return nil, err
	}
	return a.queue(topic, partition)
}

// partitions is the number of a topic's partitions, and makes its queues.
func (a *accumulator) partitions(ctx context.Context, topic string) (int32, error) {
	for _, t := range *a.topics.Load() {
		if t.name == topic {
			return int32(len(t.queues)), nil
		}
	}
	t, err := a.c.findTopic(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("write to topic %s: %w", topic, err)
	}
	tq := &topicQueues{name: topic}
	for p := range t.Partitions {
		tq.queues = append(tq.queues, &queue{tp: TopicPartition{topic, int32(p)}})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old := *a.topics.Load()
	for _, t := range old {
		if t.name == topic {
			return int32(len(t.queues)), nil
		}
	}
	grown := append(old[:len(old):len(old)], tq)
	a.topics.Store(&grown)
	return int32(len(tq.queues)), nil
}

// close finishes the open batch and hands it to the sender; q.mu is held.
func (a *accumulator) close(q *queue) error {
	b := q.open
	if b == nil || b.Len() == 0 {
		return nil
	}
	q.open = nil
	a.mu.Lock()
	id := a.producer
	a.mu.Unlock()
	attributes := int16(a.codec)
	if a.txnID != nil {
		attributes |= record.AttrTransactional
	}
	data := b.Finish(record.Header{LeaderEpoch: -1, Attributes: attributes, ProducerID: id.id, ProducerEpoch: id.epoch, BaseSequence: q.seq})
	batch := &closedBatch{builder: b, data: data, count: int32(b.Len())}
	q.seq = record.NextSequence(q.seq, batch.count)

	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return a.err
	}
	q.ready = append(q.ready, batch)
	a.pending++
	a.unacked += int64(len(data))
	notify(a.wake)
	return nil
}
