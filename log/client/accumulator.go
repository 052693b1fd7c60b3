package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/log/record"
)

// ProducerOptions are a producer's; the zero value makes batches of nearly 1 MiB,
// uncompressed.
type ProducerOptions struct {
	// BatchBytes is the size at which a batch is closed and sent in the background.
	// The default, 1 MiB less 16 KiB, leaves room below Kafka's default
	// message.max.bytes. A larger record is a batch of its own.
	BatchBytes int
	// BufferBytes of full batches may wait for acknowledgement before Append blocks;
	// default 64 MiB. Besides, every partition has one open batch.
	BufferBytes int64
	// Compression of batches: none, gzip, snappy, lz4 or zstd; default none. Any other
	// name is the error of the first Append.
	Compression string
	// Logger hears of retries that go on for long; default the client's.
	Logger *slog.Logger
}

func (o *ProducerOptions) defaults(c *Client) {
	o.BatchBytes = orDefault(o.BatchBytes, 1<<20-16<<10)
	o.BufferBytes = orDefault(o.BufferBytes, 64<<20)
	if o.Logger == nil {
		o.Logger = c.logger
	}
}

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

// discard drops everything that is not acknowledged and waits until no request
// refers to it. Until reset, appending fails with cause.
func (a *accumulator) discard(cause error) {
	a.mu.Lock()
	a.fail(cause)
	a.sending.cancel()
	for a.sending.flying > 0 {
		_ = a.await(context.Background()) // sends end soon: their context has ended
	}
	a.mu.Unlock()
	for _, t := range *a.topics.Load() {
		for _, q := range t.queues {
			q.mu.Lock()
			open := q.open
			q.open = nil
			a.mu.Lock()
			for len(q.ready) > 0 {
				a.ack(q)
			}
			q.retryAt = time.Time{}
			if open != nil {
				a.recycle(open)
			}
			a.mu.Unlock()
			q.mu.Unlock()
		}
	}
}

// reset begins anew under an identity: sequences start at 0, the error is gone.
// Nothing is open or unacknowledged.
func (a *accumulator) reset(id identity) {
	for _, t := range *a.topics.Load() {
		for _, q := range t.queues {
			q.mu.Lock()
			q.seq = 0
			q.mu.Unlock()
		}
	}
	a.next(id)
}

// next begins the next transaction under an identity. Sequences go on unless the
// epoch has changed.
func (a *accumulator) next(id identity) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range *a.topics.Load() {
		for _, q := range t.queues {
			q.added = false
		}
	}
	a.producer, a.begun = id, false
	if !a.closed {
		a.err = a.misuse
		a.failed.Store(a.err != nil)
	}
	a.sending.init(a.life)
}

// shut gives up what is not acknowledged and waits for requests and goroutines.
func (a *accumulator) shut() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.discard(ErrClosed)
	a.end()
	a.wg.Wait()
}

func (a *accumulator) unacknowledged() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unacked
}
