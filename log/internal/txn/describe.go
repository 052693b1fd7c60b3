package txn

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// DescribeTransactions, version 0 (KIP-664).

func (c *Core) describe(r coord.Request, req *kmsg.DescribeTransactionsRequest) {
	resp := req.ResponseKind().(*kmsg.DescribeTransactionsResponse)
	resp.TransactionStates = []kmsg.DescribeTransactionsResponseTransactionState{}
	for _, id := range req.TransactionalIDs {
		resp.TransactionStates = append(resp.TransactionStates, c.describeOne(id))
	}
	c.out.AddAfter(c.appended, core.Reply{ID: r.ID, Response: resp})
}

func (c *Core) describeOne(id string) kmsg.DescribeTransactionsResponseTransactionState {
	d := kmsg.NewDescribeTransactionsResponseTransactionState()
	d.TransactionalID, d.Topics = id, []kmsg.DescribeTransactionsResponseTransactionStateTopic{}
	t := c.txns[id]
	switch {
	case id == "":
		d.ErrorCode = kerr.InvalidRequest.Code
		return d
	case t == nil:
		d.ErrorCode = kerr.TransactionalIDNotFound.Code
		return d
	}
	d.State, d.TimeoutMillis, d.StartTimestamp = t.state.String(), t.timeoutMs, t.startMs
	d.ProducerID, d.ProducerEpoch = t.pid, t.epoch
	for _, p := range t.partitions {
		n := len(d.Topics)
		if n == 0 || d.Topics[n-1].Topic != p.Topic {
			dt := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
			dt.Topic = p.Topic
			d.Topics = append(d.Topics, dt)
			n++
		}
		d.Topics[n-1].Partitions = append(d.Topics[n-1].Partitions, p.Partition)
	}
	return d
}

// maxPattern bounds the pattern of a ListTransactions in bytes. Each may become a
// thousand instructions of forty bytes.
const maxPattern = 512

// ListTransactions, versions 0-2. 1: filter by how long a transaction runs. 2: by a
// pattern of transactional ids.

func (c *Core) list(r coord.Request, req *kmsg.ListTransactionsRequest) {
	resp := req.ResponseKind().(*kmsg.ListTransactionsResponse)
	resp.TransactionStates = []kmsg.ListTransactionsResponseTransactionState{}
	resp.UnknownStateFilters = []string{}
	for _, s := range req.StateFilters {
		if !slices.Contains(stateNames[:], s) {
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, s)
		}
	}
	pattern, err := compilePattern(text(req.TransactionalIDPattern))
	if err != nil {
		resp.ErrorCode = kerr.InvalidRegularExpression.Code
		c.reply(nil, r.ID, resp)
		return
	}
	for _, id := range c.sortedIDs() {
		t := c.txns[id]
		if !c.listed(t, req) || pattern != nil && !pattern.MatchString(id) {
			continue
		}
		l := kmsg.NewListTransactionsResponseTransactionState()
		l.TransactionalID, l.ProducerID, l.TransactionState = id, t.pid, t.state.String()
		resp.TransactionStates = append(resp.TransactionStates, l)
	}
	c.out.AddAfter(c.appended, core.Reply{ID: r.ID, Response: resp})
}

// compilePattern is what must match a whole transactional id; nil if there is none.
func compilePattern(p string) (*regexp.Regexp, error) {
	switch {
	case p == "":
		return nil, nil
	case len(p) > maxPattern:
		return nil, fmt.Errorf("a pattern of %d bytes, the limit is %d", len(p), maxPattern)
	}
	return regexp.Compile(`^(?:` + p + `)$`)
}

func (c *Core) listed(t *transaction, req *kmsg.ListTransactionsRequest) bool {
	running := t.state == Ongoing || t.state.deciding()
	switch {
	case len(req.StateFilters) > 0 && !slices.Contains(req.StateFilters, t.state.String()),
		len(req.ProducerIDFilters) > 0 && !slices.Contains(req.ProducerIDFilters, t.pid),
		req.Version >= 1 && req.DurationFilterMillis >= 0 && (!running || c.wall()-t.startMs <= req.DurationFilterMillis):
		return false
	}
	return true
}
