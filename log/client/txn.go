package client

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// TxnOptions are a TxnProducer's. TransactionalID is required.
type TxnOptions struct {
	TransactionalID string
	// Timeout after which the coordinator aborts a transaction by itself; default
	// 60 s.
	Timeout time.Duration
	ProducerOptions
}

// TxnProducer writes transactions, one after the other. A transaction begins with
// the first Append or CommitOffsets after Init or End. Append may be called
// concurrently; Init, Flush, CommitOffsets and End by one goroutine at a time, and
// not beside Append.
//
// Two protocols are spoken. Version 2 (KIP-890) is used where the cluster has
// finalized transaction.version=2: partitions and offsets join the transaction
// with the request that writes them, and every EndTxn raises the producer epoch,
// so that nothing of this transaction that is still on the wire can land in the
// next. Version 1 is for older clusters: partitions and offsets are added by
// requests of their own, and the epoch is raised only by Init, which is therefore
// also how a transaction is aborted there.
//
// The outcome of a transaction is what the coordinator says, never a guess:
//
//  1. End repeats the same EndTxn until the answer is definite or ctx ends.
//  2. No transaction begins while the one before may still be open.
//  3. After a lost answer only Init goes on: it makes the coordinator finish what
//     was prepared and abort what was not, and the group's stable offsets then
//     tell which it was.
type TxnProducer struct {
	a       *accumulator
	c       *Client
	o       TxnOptions
	version int // 0 before Init

	began    bool            // offsets were sent in this transaction
	groups   map[string]bool // added to the transaction, where that is explicit
	poisoned error           // why only Init helps; nil while it does not
}

// NewTxnProducer makes a transactional producer. Init it before use; Close it.
func (c *Client) NewTxnProducer(o TxnOptions) *TxnProducer {
	o.Timeout = orDefault(o.Timeout, time.Minute)
	return &TxnProducer{a: newAccumulator(c, o.ProducerOptions, &o.TransactionalID), c: c, o: o, poisoned: errNotInitialised}
}

var errNotInitialised = errors.New("the transactional producer is not initialised: call Init")

// Init takes the transactional id over: the coordinator settles what an earlier
// life (or this one) left open, and fences it. It drops everything appended and
// not committed and clears every error. It is retried until ctx ends.
func (p *TxnProducer) Init(ctx context.Context) error {
	p.a.discard(ErrAborted)
	p.poisoned = errNotInitialised
	version, err := p.c.transactionVersion(ctx)
	if err != nil {
		return fmt.Errorf("ask which transactions the cluster supports: %w", err)
	}
	id, err := p.c.initProducerID(ctx, &p.o.TransactionalID, p.o.Timeout)
	if err != nil {
		return err
	}
	p.version = version
	p.a.mu.Lock()
	p.a.implicitAdd = version >= 2
	p.a.mu.Unlock()
	p.a.reset(id)
	p.fresh()
	return nil
}

// fresh is the state between two transactions.
func (p *TxnProducer) fresh() {
	p.began, p.groups, p.poisoned = false, map[string]bool{}, nil
}

// Version is the transaction protocol in use, 1 or 2; 0 before Init.
func (p *TxnProducer) Version() int { return p.version }

// Partitions is the number of partitions of a topic.
func (p *TxnProducer) Partitions(ctx context.Context, topic string) (int32, error) {
	return p.a.partitions(ctx, topic)
}

// Append adds a record to the open transaction, copying key and value; nil means
// null. It blocks while BufferBytes are unacknowledged. After an error only
// End(ctx, false) or Init help.
func (p *TxnProducer) Append(topic string, partition int32, timestampMs int64, key, value []byte, headers ...Header) error {
	return p.a.append(topic, partition, timestampMs, key, value, headers)
}

// Unacknowledged is the number of bytes in closed batches that are not
// acknowledged.
func (p *TxnProducer) Unacknowledged() int64 { return p.a.unacknowledged() }

// Flush sends everything and waits for all acknowledgements. After an error other
// than ctx's only End(ctx, false) or Init help.
func (p *TxnProducer) Flush(ctx context.Context) error { return p.a.flush(ctx) }

// CommitOffsets makes a group's offsets part of the open transaction. ErrGeneration
// or ErrFenced: the member no longer owns them; abort, and join again (ErrGeneration
// only). After any error the transaction can only be aborted.
func (p *TxnProducer) CommitOffsets(ctx context.Context, g GroupMeta, offsets map[TopicPartition]Committed) error {
	if p.poisoned != nil {
		return p.poisoned
	}
	if err := p.a.failure(); err != nil {
		return err
	}
	if len(offsets) == 0 {
		return nil
	}
	p.began = true
	err := p.commitOffsets(ctx, g, offsets)
	if err != nil {
		err = fmt.Errorf("commit offsets of group %s in transaction %s: %w", g.Group, p.o.TransactionalID, err)
		p.a.mu.Lock()
		p.a.fail(err)
		p.a.mu.Unlock()
	}
	return err
}

func (p *TxnProducer) commitOffsets(ctx context.Context, g GroupMeta, offsets map[TopicPartition]Committed) error {
	if p.version < 2 && !p.groups[g.Group] {
		if err := p.repeat(ctx, func() error { return p.addOffsets(ctx, g.Group) }); err != nil {
			return err
		}
		p.groups[g.Group] = true
	}
	return p.repeat(ctx, func() error { return p.sendOffsets(ctx, g, offsets) })
}

// repeat calls f until its answer is definite.
func (p *TxnProducer) repeat(ctx context.Context, f func() error) error {
	for b := (backoff{}); ; {
		err := f()
		if err == nil || !transient(ctx, err) {
			return err
		}
		if werr := b.wait(ctx); werr != nil {
			return fmt.Errorf("%w (last: %w)", werr, err)
		}
		if b.n == warnAfter {
			p.a.o.Logger.Warn("the transaction waits for its coordinator", "transactional.id", p.o.TransactionalID, "cause", err)
		}
	}
}

// End commits or aborts the open transaction; without one it does nothing.
//
//   - nil: it is committed (aborted), definitely.
//   - ErrAbortable, when asked to commit: it is not committed; End(ctx, false) now.
//   - ErrFenced: another producer has the id, or the coordinator's timeout came first.
//   - ErrUnknownOutcome: the answer to a commit is not known.
//
// After the last two, and after any error of an abort: Init, then FetchOffsets
// with requireStable to learn what was committed, then go on.
func (p *TxnProducer) End(ctx context.Context, commit bool) error {
	if p.poisoned != nil {
		return p.poisoned
	}
	if !commit {
		return p.abort(ctx)
	}
	if err := p.Flush(ctx); err != nil {
		return err
	}
	if !p.began && !p.a.hasBegun() {
		return nil
	}
	id, err := p.endTxn(ctx, true)
	if err == nil {
		p.ended(id)
		return nil
	}
	return p.commitFailed(err)
}

// commitFailed tells the refusals that leave the transaction open from those
// after which nobody here knows.
func (p *TxnProducer) commitFailed(err error) error {
	err = fmt.Errorf("commit transaction %s: %w", p.o.TransactionalID, err)
	if errors.Is(err, errMustAbort) {
		p.a.mu.Lock()
		p.a.fail(err)
		p.a.mu.Unlock()
		return err
	}
	if !errors.Is(err, ErrFenced) {
		err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	p.poisoned = err
	p.a.discard(err)
	return err
}

func (p *TxnProducer) abort(ctx context.Context) error {
	lost := p.a.failure()
	p.a.discard(ErrAborted)
	if errors.Is(lost, ErrFenced) {
		p.poisoned = lost
		return lost
	}
	if !p.began && !p.a.hasBegun() {
		p.a.next(p.a.identity())
		p.fresh()
		return nil
	}
	if p.version < 2 {
		return p.Init(ctx)
	}
	id, err := p.endTxn(ctx, false)
	if err != nil {
		p.poisoned = fmt.Errorf("abort transaction %s: %w", p.o.TransactionalID, err)
		return p.poisoned
	}
	p.ended(id)
	return nil
}

// ended begins the next transaction; with a new identity sequences start over.
func (p *TxnProducer) ended(id identity) {
	if id == p.a.identity() {
		p.a.next(id)
	} else {
		p.a.reset(id)
	}
	p.fresh()
}

// Close gives up what is open (the next Init of the id, or the coordinator's
// timeout, aborts it) and waits for requests in flight. It may be called twice.
func (p *TxnProducer) Close() error {
	p.poisoned = ErrClosed
	p.a.shut()
	return nil
}

func (a *accumulator) hasBegun() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begun
}

func (a *accumulator) identity() identity {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.producer
}
