package txn

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// Core is the transactional ids of one partition of __transaction_state.
//
// The tempting coordinator ends a transaction by writing its markers and then noting
// that it did. A crash between two markers then leaves half a transaction, and the
// next coordinator cannot know which half. So the decision is a record of its own,
// written before the first marker, and whoever reads it goes on from there:
//
//  1. A transaction is decided by exactly one record, PrepareCommit or PrepareAbort.
//     No marker is sent before that record is committed, and the client is answered
//     then and not earlier.
//  2. A decided transaction is never undecided. Its markers are sent until every
//     partition has its one (or is gone), by this core or the one that replays it.
//  3. CompleteCommit and CompleteAbort are written when no marker is missing. Until
//     then nothing of the next transaction is accepted.
//  4. A partition belongs to a transaction before the first of its data is appended:
//     an add is answered when its record is committed.
//  5. Whenever the coordinator itself ends a transaction (a timeout, a new producer
//     with the same id), the epoch rises in that same record, so the old producer can
//     neither write nor commit. At the last epoch the producer id changes instead.
//  6. As in package group, a change is made at once and appended in the same step, and
//     replies wait for it; a failed append throws the core away. There is no state that
//     is intended and not written, and no pending transition to lose.
type Core struct {
	cfg    Config
	epoch  int32 // leader epoch of the partition, which markers carry
	wallMs int64 // Unix time at now = 0

	txns   map[string]*transaction
	timers coord.Timers[timerKey]
	token  core.Token // newest of an append or a send
	// appended is the newest append's. Only these are waited for: a send has no outcome.
	appended core.Token
	ids      stock
	begun    bool

	// Of the running Step.
	now time.Duration
	out *core.Duties
}

// timerKey names a deadline of a transactional id, or of all of them.
type timerKey struct {
	kind timerKind
	id   string
}

type timerKind uint8

const (
	abortTimer  timerKind = iota // an ongoing transaction has taken too long
	markerTimer                  // time to try missing markers again
	parkTimer                    // the oldest parked request has waited long enough
	expiryTimer                  // time to look for idle ids
)

// expiryInterval is how often idle ids are looked for.
const expiryInterval = time.Hour

// NewCore returns a core without transactional ids. epoch is the leader epoch of its
// partition, wall the time of day when now is 0. Replay may follow, then Step.
func NewCore(cfg Config, epoch int32, wall time.Time) *Core {
	cfg.setDefaults()
	return &Core{cfg: cfg, epoch: epoch, wallMs: wall.UnixMilli(), txns: map[string]*transaction{}}
}

// Step implements core.Core. Inputs are coord.Request (InitProducerId, EndTxn,
// DescribeTransactions, ListTransactions), Add, Abort, MarkersWritten, ProducerIDs,
// core.Tick and core.Done. Duties are core.Append, core.Reply, core.Send of Markers and
// WantProducerIDs, and core.Install of Began and Ended.
func (c *Core) Step(now time.Duration, in core.Input, out *core.Duties) {
	c.now, c.out = now, out
	if !c.begun {
		c.begin()
	}
	switch in := in.(type) {
	case coord.Request:
		c.request(in)
	case Add:
		c.add(in)
	case Abort:
		c.forceAbort(in)
	case MarkersWritten:
		c.markersWritten(in)
	case ProducerIDs:
		c.producerIDs(in)
	case core.Tick, core.Done:
	default:
		panic(fmt.Sprintf("txn core: unknown input %T", in))
	}
	for key, ok := c.timers.Due(now); ok; key, ok = c.timers.Due(now) {
		c.expire(key)
	}
	out.WakeAt = c.timers.Next()
	c.out = nil
}

func (c *Core) request(r coord.Request) {
	switch req := r.Body.(type) {
	case *kmsg.InitProducerIDRequest:
		c.initProducerID(r, req)
	case *kmsg.EndTxnRequest:
		c.endTxn(r, req)
	case *kmsg.DescribeTransactionsRequest:
		c.describe(r, req)
	case *kmsg.ListTransactionsRequest:
		c.list(r, req)
	default:
		panic(fmt.Sprintf("txn core: no handler for %T", r.Body))
	}
}

func (c *Core) expire(key timerKey) {
	if key.kind == expiryTimer {
		c.expireIdle()
		return
	}
	t := c.txns[key.id]
	if t == nil {
		return
	}
	switch key.kind {
	case abortTimer:
		c.timedOut(t)
	case markerTimer:
		c.sendMarkers(t)
	case parkTimer:
		c.unparkLate(t)
	}
}

// wall is the present time of day in milliseconds, for records.
func (c *Core) wall() int64 { return c.wallMs + c.now.Milliseconds() }

// write appends the transaction as it is now.
func (c *Core) write(t *transaction) {
	t.updateMs = c.wall()
	c.appendRecords(coord.KV{Key: recordKey(t.id), Value: recordValue(t)})
	t.token = c.appended
}

func (c *Core) appendRecords(records ...coord.KV) {
	c.token++
	c.appended = c.token
	b := coord.Batch{TimestampMs: c.wall(), ProducerID: none, ProducerEpoch: none, Records: records}
	c.out.Add(core.Append{Token: c.token, Batch: b.Encode()})
}

// reply answers once everything that was appended for t is committed, or at once
// without a transaction.
func (c *Core) reply(t *transaction, id uint64, resp any) {
	var after core.Token
	if t != nil {
		after = t.token
	}
	c.out.AddAfter(after, core.Reply{ID: id, Response: resp})
}

// sortedIDs are all transactional ids, in order.
func (c *Core) sortedIDs() []string {
	ids := make([]string, 0, len(c.txns))
	for id := range c.txns {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// code is the error code of a Kafka error, 0 for nil.
func code(err error) int16 {
	if err == nil {
		return 0
	}
	return err.(*kerr.Error).Code
}
