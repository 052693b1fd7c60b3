package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// produceTimeoutMs is how long a broker may wait for its followers.
	produceTimeoutMs = 30_000
	// maxRequestBytes bounds one Produce; a batch that is larger goes alone. Brokers
	// refuse requests far above it only.
	maxRequestBytes = 16 << 20
	// unknownTopicTries is how often a topic may be unknown before it is believed;
	// with the pauses between, about four seconds.
	unknownTopicTries = 12
	// patience is how long retries go on before the log says so.
	patience = 10 * time.Second
)

// sending is the sender's state, guarded by accumulator.mu.
type sending struct {
	ctx        context.Context // of requests; ends when everything is discarded
	cancel     context.CancelFunc
	flying     int            // requests and lookups under way
	busy       map[int32]bool // brokers with a Produce in flight
	looking    map[string]bool
	addingTxn  bool
	complained time.Time
}

func (s *sending) init(life context.Context) {
	if s.cancel != nil {
		s.cancel()
	}
	s.ctx, s.cancel = context.WithCancel(life)
	s.busy, s.looking = map[int32]bool{}, map[string]bool{}
	s.addingTxn = false
}

// outgoing is one partition's part in a Produce.
type outgoing struct {
	q     *queue
	batch *closedBatch
	topic *Topic // by which the leader was chosen
}

// runSender sends what is ready until the accumulator is shut. It starts one
// goroutine per request; each ends by waking it.
func (a *accumulator) runSender() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(a.dispatch())
		select {
		case <-a.wake:
		case <-timer.C:
		case <-a.life.Done():
			return
		}
	}
}

// dispatch starts every request that can be started and returns how long until
// a retry is due.
func (a *accumulator) dispatch() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	pause := time.Hour
	if a.err != nil {
		return pause
	}
	now := time.Now()
	requests := map[int32][]outgoing{}
	sizes := map[int32]int{}
	var add []*queue
	for _, t := range *a.topics.Load() {
		for _, q := range t.queues {
			if len(q.ready) == 0 || q.flying {
				continue
			}
			if left := q.retryAt.Sub(now); left > 0 {
				pause = min(pause, left)
				continue
			}
			if !a.implicitAdd && !q.added {
				add = append(add, q)
				continue
			}
			leader, topic, ok := a.leader(q)
			if !ok || a.sending.busy[leader] {
				continue
			}
			batch := q.ready[0]
			if n := sizes[leader]; n > 0 && n+len(batch.data) > maxRequestBytes {
				continue
			}
			sizes[leader] += len(batch.data)
			requests[leader] = append(requests[leader], outgoing{q, batch, topic})
		}
	}
	if len(add) > 0 && !a.sending.addingTxn {
		a.sending.addingTxn = true
		a.start(func(ctx context.Context) { a.addPartitions(ctx, add) })
	}
	for leader, out := range requests {
		a.sending.busy[leader] = true
		for _, o := range out {
			o.q.flying = true
		}
		id := a.producer
		a.start(func(ctx context.Context) { a.send(ctx, leader, out, id) })
	}
	return pause
}

// start runs f beside the sender; a.mu is held.
func (a *accumulator) start(f func(context.Context)) {
	a.sending.flying++
	ctx := a.sending.ctx
	a.wg.Go(func() {
		f(ctx)
		a.mu.Lock()
		a.sending.flying--
		a.announce()
		a.mu.Unlock()
		notify(a.wake)
	})
}

// leader is the broker to send to, if it is known; otherwise a lookup is begun.
// a.mu is held.
func (a *accumulator) leader(q *queue) (int32, *Topic, bool) {
	t := a.c.meta.get(q.tp.Topic)
	if t != nil && t != q.stale {
		if p, err := t.partition(q.tp.Partition); err == nil && p.Leader >= 0 {
			return p.Leader, t, true
		}
	}
	if !a.sending.looking[q.tp.Topic] {
		a.sending.looking[q.tp.Topic] = true
		a.start(func(ctx context.Context) { a.lookUp(ctx, q, t) })
	}
	return -1, nil, false
}

// lookUp learns a topic's leaders anew.
func (a *accumulator) lookUp(ctx context.Context, q *queue, stale *Topic) {
	t, err := a.c.refresh(ctx, q.tp.Topic, stale)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sending.looking, q.tp.Topic)
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, ErrUnknownTopic) && q.retries.n < unknownTopicTries:
		// A broker may hear of a new topic later than the one that created it.
	case err != nil && !transient(ctx, err):
		a.fail(fmt.Errorf("write to %s: %w", q.tp, err))
		return
	case err == nil:
		q.stale = nil
		if p, err := t.partition(q.tp.Partition); err == nil && p.Leader >= 0 {
			return
		}
	}
	a.pause(q, err)
}

// pause puts a queue's next attempt off; a.mu is held.
func (a *accumulator) pause(q *queue, cause error) {
	now := time.Now()
	q.retryAt = now.Add(q.retries.next())
	if q.retries.n >= warnAfter && cause != nil && now.Sub(a.sending.complained) > patience {
		a.sending.complained = now
		a.o.Logger.Warn("cannot write, still trying", "partition", q.tp.String(), "attempts", q.retries.n, "cause", cause)
	}
}

// send makes one Produce of one batch per partition.
func (a *accumulator) send(ctx context.Context, leader int32, out []outgoing, id identity) {
	resp, err := a.c.cluster.Broker(leader).Request(ctx, a.request(out))
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sending.busy, leader)
	for _, o := range out {
		o.q.flying = false
	}
	if ctx.Err() != nil {
		return // discarded, whatever the answer
	}
	if err != nil {
		for _, o := range out {
			o.q.stale = o.topic
			a.pause(o.q, err)
		}
		return
	}
	answers := produceAnswers(resp.(*kmsg.ProduceResponse), out)
	for _, o := range out {
		a.settle(o, answers[o.q.tp])
	}
}

func (a *accumulator) request(out []outgoing) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.TransactionID, req.Acks, req.TimeoutMillis = a.txnID, -1, produceTimeoutMs
	for _, o := range out {
		n := len(req.Topics)
		if n == 0 || req.Topics[n-1].Topic != o.q.tp.Topic {
			t := kmsg.NewProduceRequestTopic()
			t.Topic, t.TopicID = o.q.tp.Topic, o.topic.ID
			req.Topics = append(req.Topics, t)
			n++
		}
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = o.q.tp.Partition, o.batch.data
		req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, p)
	}
	return req
}

func produceAnswers(resp *kmsg.ProduceResponse, out []outgoing) map[TopicPartition]*kmsg.ProduceResponseTopicPartition {
	names := map[[16]byte]string{}
	for _, o := range out {
		names[o.topic.ID] = o.q.tp.Topic
	}
	answers := map[TopicPartition]*kmsg.ProduceResponseTopicPartition{}
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
	return answers
}

// settle acts on one partition's answer; a.mu is held.
func (a *accumulator) settle(o outgoing, p *kmsg.ProduceResponseTopicPartition) {
	if p == nil {
		a.pause(o.q, fmt.Errorf("the answer leaves out %s", o.q.tp))
		return
	}
	refused := brokerError(p.ErrorCode, p.ErrorMessage, "write %d records (%d bytes) to %s", o.batch.count, len(o.batch.data), o.q.tp)
	switch k := classify(p.ErrorCode); {
	case k == kindOK, p.ErrorCode == kerr.DuplicateSequenceNumber.Code:
		a.ack(o.q)
	case k == kindRefresh:
		o.q.stale = o.topic
		a.pause(o.q, refused)
	case k == kindRetriable:
		a.pause(o.q, refused)
	default:
		a.fail(refused)
	}
}

// addPartitions adds partitions to a transaction of version 1.
func (a *accumulator) addPartitions(ctx context.Context, add []*queue) {
	a.mu.Lock()
	id := a.producer
	a.mu.Unlock()
	err := a.c.addPartitionsToTxn(ctx, *a.txnID, id, add)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sending.addingTxn = false
	switch {
	case ctx.Err() != nil:
	case err == nil:
		for _, q := range add {
			q.added = true
		}
	case transient(ctx, err):
		for _, q := range add {
			a.pause(q, err)
		}
	default:
		a.fail(err)
	}
}
