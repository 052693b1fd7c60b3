package txn

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// InitProducerId, versions 0-5. 3: the producer says who it was, to go on after an
// error without fencing itself (KIP-360). 4: PRODUCER_FENCED is an error of its own.
//
// Requests without a transactional id need no coordinator; Coordinator serves them.

func (c *Core) initProducerID(r coord.Request, req *kmsg.InitProducerIDRequest) {
	t, err := c.initTransaction(req)
	if err != nil {
		c.replyError(t, r, err)
		return
	}
	if t == nil {
		c.awaitID(r)
		return
	}
	switch {
	case t.state.deciding():
		c.park(t, parkedRequest{init: &r})
	case t.state == Ongoing:
		// A new incarnation. Abort what the old one left, then go on.
		if !c.decide(t, false, 2) {
			c.awaitID(r)
			return
		}
		c.park(t, parkedRequest{init: &r})
	default:
		c.renew(t, r, req)
	}
}

// initTransaction checks the request and finds or makes its transactional id. It
// gives neither if a producer id is needed first.
func (c *Core) initTransaction(req *kmsg.InitProducerIDRequest) (*transaction, error) {
	id := text(req.TransactionalID)
	switch {
	case id == "", (req.ProducerID == none) != (req.ProducerEpoch == none):
		return nil, kerr.InvalidRequest
	case req.TransactionTimeoutMillis <= 0, int64(req.TransactionTimeoutMillis) > c.cfg.MaxTimeout.Milliseconds():
		return nil, kerr.InvalidTransactionTimeout
	}
	t := c.txns[id]
	if t == nil {
		pid, ok := c.takeID()
		if !ok {
			return nil, nil
		}
		t = &transaction{id: id, pid: pid, prevPid: none, nextPid: none,
			epoch: none, lastEpoch: none, startMs: -1, version: 1}
		c.txns[id] = t
		return t, nil
	}
	return t, t.mayInit(req)
}

// mayInit fences a producer that says who it was and is not the current one. Kafka
// lets any epoch of the producer id abort an ongoing transaction; only the current
// one may here.
func (t *transaction) mayInit(req *kmsg.InitProducerIDRequest) error {
	switch {
	case req.ProducerID == none:
		return nil
	case req.ProducerID == t.pid:
		if t.state == Ongoing && req.ProducerEpoch != t.epoch {
			return kerr.ProducerFenced
		}
		return nil
	case req.ProducerID == t.prevPid && req.ProducerEpoch >= exhausted:
		return nil // its id was rotated and it has not heard of it
	}
	return kerr.ProducerFenced
}

// renew gives the producer its id and a new epoch, or both new if epochs have run
// out. A request that was answered before gets the same answer.
func (c *Core) renew(t *transaction, r coord.Request, req *kmsg.InitProducerIDRequest) {
	named := req.ProducerID != none
	current := req.ProducerID == t.pid && req.ProducerEpoch == t.epoch
	fresh := t.epoch == none // the id was made just now
	switch {
	case named && !fresh && !current && req.ProducerEpoch == t.lastEpoch:
		// A repetition. Nobody came between: a producer without a name resets lastEpoch.
	case named && !fresh && !current:
		c.replyError(t, r, kerr.ProducerFenced)
		return
	case t.epoch >= exhausted:
		pid, ok := c.takeID()
		if !ok {
			c.awaitID(r)
			return
		}
		t.prevPid, t.pid = t.pid, pid
		t.lastEpoch, t.epoch = lastIf(named, t.epoch), 0
	default:
		t.lastEpoch, t.epoch = lastIf(named, t.epoch), t.epoch+1
	}
	t.state, t.timeoutMs = Empty, req.TransactionTimeoutMillis
	t.partitions, t.startMs = nil, -1
	c.write(t)
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = t.pid, t.epoch
	c.reply(t, r.ID, resp)
}

func lastIf(named bool, epoch int16) int16 {
	if named {
		return epoch
	}
	return none
}

// replyError answers InitProducerId or EndTxn with an error, in the words of the
// request's version.
func (c *Core) replyError(t *transaction, r coord.Request, err error) {
	switch req := r.Body.(type) {
	case *kmsg.InitProducerIDRequest:
		resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ProducerID, resp.ProducerEpoch = none, none
		resp.ErrorCode = coord.CodeFor(req.Key(), req.Version, code(err))
		c.reply(t, r.ID, resp)
	case *kmsg.EndTxnRequest:
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ProducerID, resp.ProducerEpoch = none, none
		resp.ErrorCode = coord.CodeFor(req.Key(), req.Version, code(err))
		c.reply(t, r.ID, resp)
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
