package client

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

// pollWithWaiters is the long poll while some partition of the broker waits for
// room: short, since it is fetched for only when the poll has returned.
const pollWithWaiters = 5 * time.Millisecond

// fetchLoop keeps one Fetch in flight at one broker.
type fetchLoop struct {
	f      *Fetcher
	broker int32
	wake   chan struct{} // capacity 1
	turn   int           // rotates the order of partitions, so that none starves behind MaxBytes
}

// fetching is one cursor's part in a fetch, as it was when the fetch was sent.
type fetching struct {
	c      *Cursor
	life   int
	offset int64
}

func (l *fetchLoop) run() {
	for b := (backoff{}); ; {
		req, parts := l.build()
		if len(parts) == 0 {
			select {
			case <-l.wake:
				continue
			case <-l.f.ctx.Done():
				return
			}
		}
		resp, err := l.f.c.cluster.Broker(l.broker).Request(l.f.ctx, req)
		if err == nil {
			err = l.deliver(resp.(*kmsg.FetchResponse), parts)
		}
		if err == nil {
			b = backoff{}
			continue
		}
		l.lost(parts)
		if b.wait(l.f.ctx) != nil {
			return
		}
	}
}

// build makes a request for every cursor of this broker that has room.
func (l *fetchLoop) build() (*kmsg.FetchRequest, []fetching) {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	var mine []*Cursor
	waiting := false
	for _, c := range l.f.cursors {
		if c.leader != l.broker || c.paused || c.err != nil {
			continue
		}
		if c.wanted() {
			mine = append(mine, c)
		} else {
			waiting = true
		}
	}
	if len(mine) == 0 {
		return nil, nil
	}
	slices.SortFunc(mine, func(a, b *Cursor) int { return comparePartitions(a.Partition, b.Partition) })
	l.turn = (l.turn + 1) % len(mine)
	mine = append(mine[l.turn:len(mine):len(mine)], mine[:l.turn]...)

	wait := l.f.o.MaxWait
	if waiting {
		wait = min(wait, pollWithWaiters)
	}
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID = -1
	req.MaxWaitMillis = int32(wait.Milliseconds())
	req.MinBytes = 1
	req.MaxBytes = l.f.o.MaxBytes
	req.IsolationLevel = int8(l.f.o.Isolation)
	req.SessionEpoch = -1 // no fetch session
	parts := make([]fetching, 0, len(mine))
	for _, c := range mine {
		c.inFlight = true
		parts = append(parts, fetching{c, c.life, c.next})
		appendPartition(req, c)
	}
	return req, parts
}

func comparePartitions(a, b TopicPartition) int {
	if a.Topic != b.Topic {
		if a.Topic < b.Topic {
			return -1
		}
		return 1
	}
	return int(a.Partition) - int(b.Partition)
}

func appendPartition(req *kmsg.FetchRequest, c *Cursor) {
	n := len(req.Topics)
	if n == 0 || req.Topics[n-1].Topic != c.Partition.Topic {
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.TopicID = c.Partition.Topic, c.topicID
		req.Topics = append(req.Topics, t)
		n++
	}
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.FetchOffset = c.Partition.Partition, c.epoch, c.next
	p.PartitionMaxBytes = c.maxBytes
	p.LogStartOffset = -1
	req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, p)
}

// lost sends the cursors of a fetch that got no answer back to the locator.
func (l *fetchLoop) lost(parts []fetching) {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	for _, p := range parts {
		p.c.inFlight = false
		p.c.lose()
	}
}

// deliver spreads an answer over the cursors. An error concerns the whole
// answer.
func (l *fetchLoop) deliver(resp *kmsg.FetchResponse, parts []fetching) error {
	if err := brokerError(resp.ErrorCode, nil, "fetch"); err != nil {
		return err
	}
	answers := map[TopicPartition]*kmsg.FetchResponseTopicPartition{}
	names := map[[16]byte]string{}
	for _, p := range parts {
		names[p.c.topicID] = p.c.Partition.Topic
	}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		name := t.Topic
		if name == "" {
			name = names[t.TopicID]
		}
		for j := range t.Partitions {
			answers[TopicPartition{name, t.Partitions[j].Partition}] = &t.Partitions[j]
		}
	}
	for _, p := range parts {
		var got *Fetched
		var err error
		a := answers[p.c.Partition]
		if a != nil && a.ErrorCode == 0 {
			got, err = l.f.read(p, a) // outside of the lock: it checks every byte
		}
		l.f.mu.Lock()
		p.c.inFlight = false
		if a != nil && p.life == p.c.life && !p.c.closed {
			p.c.accept(a, got, err)
		}
		l.f.mu.Unlock()
	}
	return nil
}

// accept takes one partition's answer; f.mu is held.
func (c *Cursor) accept(a *kmsg.FetchResponseTopicPartition, got *Fetched, err error) {
	switch {
	case a.ErrorCode == kerr.OffsetOutOfRange.Code:
		c.fail(&OffsetOutOfRangeError{Partition: c.Partition, Offset: c.next, LogStart: a.LogStartOffset, End: a.HighWatermark})
	case again(a.ErrorCode):
		c.lose()
	case a.ErrorCode != 0:
		c.fail(brokerError(a.ErrorCode, nil, "fetch %s at offset %d", c.Partition, c.next))
	case errors.Is(err, record.ErrCorrupt):
		c.fail(fmt.Errorf("fetch %s at offset %d: %w: the batch there is damaged, on the broker's disk or on the way; read on from a later offset, or bring the partition back from a copy", c.Partition, c.next, err))
	case err != nil:
		c.fail(fmt.Errorf("fetch %s at offset %d: %w", c.Partition, c.next, err))
	default:
		c.end, c.seenAt, c.losses = a.HighWatermark, time.Now(), backoff{}
		c.resize(got, len(a.RecordBatches))
		if len(got.Batches) > 0 || got.Next > c.next || len(a.RecordBatches) == 0 {
			c.push(got)
		}
	}
}

// resize asks for more as long as a batch does not fit and goes back after.
func (c *Cursor) resize(got *Fetched, received int) {
	switch {
	case got.Next > got.From:
		c.maxBytes = c.f.o.PartitionMaxBytes
	case received > 0:
		c.maxBytes = min(c.maxBytes*2, maxPartitionBytes)
	}
}

// read checks an answer's record data and leaves out what is not to be seen.
func (f *Fetcher) read(p fetching, a *kmsg.FetchResponseTopicPartition) (*Fetched, error) {
	got := &Fetched{
		Partition: p.c.Partition, From: p.offset, Next: p.offset,
		HighWatermark: a.HighWatermark, LastStable: a.LastStableOffset, LogStart: a.LogStartOffset,
		Bytes: len(a.RecordBatches), decompressBytes: f.o.DecompressBytes,
	}
	var aborted *abortedFilter
	if f.o.Isolation == ReadCommitted {
		aborted = newAbortedFilter(a.AbortedTransactions)
	}
	if err := got.split(a.RecordBatches, aborted); err != nil {
		return nil, err
	}
	got.AtEnd = got.Next >= got.HighWatermark
	return got, nil
}
