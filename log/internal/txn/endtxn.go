package txn

import (
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// EndTxn, versions 0-5. 2: PRODUCER_FENCED is an error of its own. 5: transaction
// version 2 (KIP-890): every end raises the epoch, and the answer says the producer
// id and epoch to go on with.

func (c *Core) endTxn(r coord.Request, req *kmsg.EndTxnRequest) {
	t := c.txns[req.TransactionalID]
	verdict := verdict{err: kerr.InvalidProducerIDMapping}
	switch {
	case req.TransactionalID == "":
		verdict.err = kerr.InvalidRequest
	case t == nil:
	case req.Version >= 5:
		verdict = t.judge2(req)
	default:
		verdict = t.judge1(req)
	}
	switch {
	case verdict.err != nil:
		c.replyError(t, r, verdict.err)
		return
	case verdict.decide:
		if !c.decide(t, req.Commit, endVersion(req)) {
			c.awaitID(r)
			return
		}
	case verdict.empty:
		if !c.endEmpty(t, req.Commit) {
			c.awaitID(r)
			return
		}
	}
	resp := req.ResponseKind().(*kmsg.EndTxnResponse)
	resp.ProducerID, resp.ProducerEpoch = t.after()
	c.reply(t, r.ID, resp)
}

func endVersion(req *kmsg.EndTxnRequest) int16 {
	if req.Version >= 5 {
		return 2
	}
	return 1
}

// verdict is what an EndTxn comes to: an error, a decision, the end of a transaction
// that has nothing in it, or, if all are zero, success without a change.
type verdict struct {
	err    error
	decide bool
	empty  bool
}

func refuse(err error) verdict { return verdict{err: err} }

// judge1 judges a client of version 1, whose epoch stays the same from one
// transaction to the next, so that a repetition cannot be told from the end of an
// empty transaction. Both succeed.
func (t *transaction) judge1(req *kmsg.EndTxnRequest) verdict {
	if req.ProducerID != t.pid {
		return refuse(kerr.InvalidProducerIDMapping)
	}
	if req.ProducerEpoch != t.epoch {
		return refuse(kerr.ProducerFenced)
	}
	switch t.state {
	case Ongoing:
		return verdict{decide: true}
	case Empty:
		return verdict{}
	case CompleteCommit, CompleteAbort:
		if req.Commit == (t.state == CompleteCommit) {
			return verdict{}
		}
	case PrepareCommit, PrepareAbort:
		if req.Commit == (t.state == PrepareCommit) {
			return refuse(kerr.ConcurrentTransactions)
		}
	}
	return refuse(kerr.InvalidTxnState)
}

// judge2 judges a client of version 2. The epoch says which transaction it means: the
// current epoch the present one, the epoch before it the last, asked about again.
func (t *transaction) judge2(req *kmsg.EndTxnRequest) verdict {
	pid, epoch := t.pid, t.epoch
	if t.state.deciding() {
		pid, epoch = t.after()
	}
	current := req.ProducerID == pid && req.ProducerEpoch == epoch
	again := t.repeats(req)
	switch {
	case current && t.state.deciding():
		// The next transaction ends before the last is complete: it is empty. Later.
		return refuse(kerr.ConcurrentTransactions)
	case current && t.state == Ongoing:
		return verdict{decide: true}
	case current:
		return verdict{empty: true}
	case again && t.state.deciding():
		return t.judgeAgain(req, refuse(kerr.ConcurrentTransactions))
	case again:
		return t.judgeAgain(req, verdict{})
	case req.ProducerID == t.pid || req.ProducerID == t.prevPid && req.ProducerEpoch >= exhausted:
		return refuse(kerr.ProducerFenced)
	}
	return refuse(kerr.InvalidProducerIDMapping)
}

// repeats reports whether the request is about the transaction that was decided last,
// by the client or by the coordinator.
func (t *transaction) repeats(req *kmsg.EndTxnRequest) bool {
	if t.state == Ongoing || t.state == Empty {
		return false
	}
	rotated := req.ProducerID == t.prevPid && req.ProducerEpoch == exhausted && t.epoch == 0
	return rotated || req.ProducerID == t.pid && int32(req.ProducerEpoch)+1 == int32(t.epoch)
}

// judgeAgain answers a repetition: with same if the outcome is the one asked for. A
// commit that finds an abort was overtaken by the coordinator (a timeout, a new
// producer): that is what PRODUCER_FENCED says, and what a client can recover from
// (KAFKA-20785).
func (t *transaction) judgeAgain(req *kmsg.EndTxnRequest, same verdict) verdict {
	committed := t.state == PrepareCommit || t.state == CompleteCommit
	switch {
	case req.Commit == committed:
		return same
	case req.Commit:
		return refuse(kerr.ProducerFenced)
	}
	return refuse(kerr.InvalidTxnState)
}

// decide fixes the outcome of the ongoing transaction and has the markers written. In
// version 2 the epoch rises; it reports false if that takes a producer id that is not
// there yet, and has then changed nothing.
func (c *Core) decide(t *transaction, commit bool, version int16) bool {
	if !c.raise(t, version) {
		return false
	}
	t.state = PrepareAbort
	if commit {
		t.state = PrepareCommit
	}
	t.version, t.attempt = version, 0
	t.unmarked = slices.Clone(t.partitions)
	c.timers.Clear(timerKey{abortTimer, t.id})
	c.out.Add(core.Install{State: Ended{t.id, t.pid}})
	c.write(t)
	c.out.AddAfter(t.token, core.Install{State: Ended{t.id, t.pid}})
	c.sendMarkers(t)
	return true
}

// raise goes to the next epoch in version 2. At the last one a new producer id is
// taken for the time after the transaction, also when it is the coordinator that ends
// it (KAFKA-20090), and only once (KAFKA-19367). Should the very last epoch be in use
// nevertheless, it stays, so that the transaction can end.
func (c *Core) raise(t *transaction, version int16) bool {
	if version < 2 {
		return true
	}
	if t.epoch >= exhausted {
		pid, ok := c.takeID()
		if !ok {
			return false
		}
		t.nextPid = pid
	}
	t.lastEpoch = t.epoch
	if t.epoch < math.MaxInt16 {
		t.epoch++
	}
	return true
}

// endEmpty ends a transaction that no partition has joined: the epoch rises, there is
// nothing to mark (KAFKA-18401). It reports false as decide does.
func (c *Core) endEmpty(t *transaction, commit bool) bool {
	if !c.raise(t, 2) {
		return false
	}
	t.state = CompleteAbort
	if commit {
		t.state = CompleteCommit
	}
	t.version = 2
	c.rotate(t)
	c.write(t)
	return true
}

// rotate goes over to the next producer id, if one was taken.
func (c *Core) rotate(t *transaction) {
	if t.nextPid == none {
		return
	}
	t.prevPid, t.pid, t.nextPid = t.pid, t.nextPid, none
	// lastEpoch stays at the last epoch that the client has seen.
	t.epoch = 0
}

// timedOut aborts a transaction that has taken longer than its producer allowed.
func (c *Core) timedOut(t *transaction) {
	if t.state == Ongoing && !c.decide(t, false, 2) {
		c.timers.Set(timerKey{abortTimer, t.id}, c.now+time.Second) // no producer id yet
	}
}

// Abort is the input that aborts an ongoing transaction in an operator's name. The
// core replies with an error: nil once the abort is decided.
type Abort struct {
	ID              uint64
	TransactionalID string
}

func (c *Core) forceAbort(in Abort) {
	t := c.txns[in.TransactionalID]
	var err error
	switch {
	case t == nil:
		err = kerr.TransactionalIDNotFound
	case t.state != Ongoing:
		err = kerr.InvalidTxnState
	case !c.decide(t, false, 2):
		err = kerr.CoordinatorLoadInProgress
	}
	c.reply(t, in.ID, err)
}
