package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/log/record"
)

// accumulator turns records into batches, one open batch per partition, and its
// sender delivers full ones in the background while more are built. Producer and
// TxnProducer are thin shells around it.
//
// One lock around everything would be taken once per record by every task of the
// engine. Instead each partition has its own lock, which covers only the open
// batch; the lock of the accumulator is taken once per batch.
//
//  1. Lock order: queue.mu, then accumulator.mu.
//  2. Sequence numbers are given when a batch is closed, under queue.mu, so a
//     partition's batches carry consecutive numbers in the order of appending.
//  3. A partition's batches are sent in order, one at a time; a batch leaves the
//     queue when it is acknowledged or when everything is discarded.
//  4. The bytes of a batch are reused only when no request refers to them.
//  5. After an error nothing more is sent until reset.
type accumulator struct {
	c     *Client
	o     ProducerOptions
	txnID *string // nil: idempotent only
	codec record.Codec

	misuse error // of the options; stays

	// topics is replaced, never changed, so that Append finds its queue without a
	// lock. A pipeline writes to a handful of topics: a scan beats a map.
	topics atomic.Pointer[[]*topicQueues]
	failed atomic.Bool // err is set

	life context.Context // ends at close
	end  context.CancelFunc
	wake chan struct{} // wakes the sender; capacity 1
	wg   sync.WaitGroup

	mu sync.Mutex
	// The rest is guarded by mu.
	producer    identity
	implicitAdd bool // transactions of version 2, or no transaction
	err         error
	closed      bool
	begun       bool  // something was appended since the last reset
	unacked     int64 // bytes of closed batches
	pending     int   // closed batches
	changed     chan struct{}
	free        []*record.Builder
	sending     sending
}

// identity is what the broker knows a producer by. id -1: none yet.
type identity struct {
	id    int64
	epoch int16
}

func newAccumulator(c *Client, o ProducerOptions, txnID *string) *accumulator {
	o.defaults(c)
	a := &accumulator{c: c, o: o, txnID: txnID, wake: make(chan struct{}, 1), changed: make(chan struct{}), implicitAdd: true}
	a.producer = identity{-1, -1}
	a.topics.Store(&[]*topicQueues{})
	codec, err := record.ParseCodec(orDefault(o.Compression, "none"))
	if err != nil {
		a.misuse = err
		a.fail(err)
	}
	a.codec = codec
	a.life, a.end = context.WithCancel(context.Background())
	a.sending.init(a.life)
	a.wg.Go(a.runSender)
	return a
}

// maxRecordBytes bounds a key and a value so that a batch, which is closed after
// the record that makes it full, stays below the 2 GiB of its length field.
// Brokers refuse much smaller ones.
const maxRecordBytes = 1<<29 - 1

// append adds one record. It copies key, value and headers.
func (a *accumulator) append(topic string, partition int32, timestampMs int64, key, value []byte, headers []Header) error {
	if a.failed.Load() {
		return a.failure()
	}
	if len(key) > maxRecordBytes || len(value) > maxRecordBytes {
		return fmt.Errorf("write to %s/%d: a record of %d bytes cannot be in a batch", topic, partition, len(key)+len(value))
	}
	q, err := a.queue(topic, partition)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open == nil {
		if q.open, err = a.builder(); err != nil {
			return err
		}
	}
	q.open.Append(timestampMs, key, value, headers)
	if q.open.Size() >= a.o.BatchBytes {
		return a.close(q)
	}
	return nil
}

// builder takes an empty builder, waiting while too much is unacknowledged.
func (a *accumulator) builder() (*record.Builder, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.err == nil && a.unacked >= a.o.BufferBytes {
		if err := a.await(a.life); err != nil {
			break
		}
	}
	if a.closed {
		return nil, ErrClosed
	}
	if a.err != nil {
		return nil, a.err
	}
	if a.producer.id < 0 {
		if err := a.identify(); err != nil {
			return nil, err
		}
	}
	a.begun = true
	if n := len(a.free); n > 0 {
		b := a.free[n-1]
		a.free = a.free[:n-1]
		return b, nil
	}
	return new(record.Builder), nil
}

// identify asks for a producer id; a.mu is held and released meanwhile.
func (a *accumulator) identify() error {
	if a.txnID != nil {
		return errors.New("the transactional producer is not initialised: call Init")
	}
	a.mu.Unlock()
	got, err := a.c.initProducerID(a.life, nil, 0)
	a.mu.Lock()
	if err == nil && a.producer.id < 0 {
		a.producer = got
	}
	return err
}

// flush closes all open batches and waits for every acknowledgement.
func (a *accumulator) flush(ctx context.Context) error {
	for _, t := range *a.topics.Load() {
		for _, q := range t.queues {
			q.mu.Lock()
			err := a.close(q)
			q.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.err == nil && a.pending > 0 {
		if err := a.await(ctx); err != nil {
			return fmt.Errorf("wait for %d batches to be acknowledged: %w", a.pending, err)
		}
	}
	return a.err
}

// await waits for a change; a.mu is held and released meanwhile.
func (a *accumulator) await(ctx context.Context) error {
	changed := a.changed
	a.mu.Unlock()
	defer a.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// announce wakes whoever awaits; a.mu is held.
func (a *accumulator) announce() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// fail keeps the first error; a.mu is held.
func (a *accumulator) fail(err error) {
	if a.err == nil {
		a.err = err
		a.failed.Store(true)
		a.announce()
	}
}

func (a *accumulator) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// ack removes the head of a queue; a.mu is held.
func (a *accumulator) ack(q *queue) {
	batch := q.ready[0]
	q.ready[0] = nil
	q.ready = q.ready[1:]
	q.retries = backoff{}
	a.pending--
	a.unacked -= int64(len(batch.data))
	a.recycle(batch.builder)
	a.announce()
}

// maxFree bounds the builders that are kept: enough for one per partition of a
// usual pipeline.
const maxFree = 64

func (a *accumulator) recycle(b *record.Builder) {
	b.Reset()
	if len(a.free) < maxFree {
		a.free = append(a.free, b)
	}
}

func (a *accumulator) unacknowledged() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unacked
}
