package engine

import (
	"fmt"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
)

// chain is one goroutine's share of the pipeline: everything from a head (a
// source's split, or a keyed operator) down to the next exchanges and sinks.
// Rows are pushed through it by calls, a batch at a time; nothing is queued and
// nothing of a batch outlives the call, so buffers are reused batch after batch.
//
// The same stateless node may stand in several chains (two sources merged by
// `from: [a, b]`): it is instantiated once in each.
type chain struct {
	ports map[portKey]*port
	nodes []*opNode    // stateless operators in topological order
	sends []*scatter   // exchanges that this chain feeds
	fails *failureSink // where row errors go
}

// portKey names a port of a node in this chain; the node nil is the pipeline's
// own port `errors`.
type portKey struct {
	node *dsl.Node
	name string
}

// consumer takes the batches of one port. A batch is lent for the call.
type consumer interface {
	push(b *columnar.Batch) error
}

// port fans a node's rows out to whoever reads them and counts them.
type port struct {
	outs  []consumer
	count *counter
}

func (p *port) push(b *columnar.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	p.count.add(b.Len())
	for _, c := range p.outs {
		if err := c.push(b); err != nil {
			return err
		}
	}
	return nil
}

// opNode runs a stateless operator inside a chain.
type opNode struct {
	node  *dsl.Node
	op    operators.Operator
	out   *nodeOutput
	stats *nodeStats
	// suspect is careful after a failure in this node's code: rows go in one by
	// one, and the one that fails goes to the error port.
	suspect *suspect
}

func (n *opNode) input(i int) consumer { return opInput{n, i} }

// opInput is one input of a stateless operator as a consumer.
type opInput struct {
	n     *opNode
	input int
}

func (in opInput) push(b *columnar.Batch) error {
	n := in.n
	n.stats.in.add(b.Len())
	if !n.suspect.careful.Load() {
		return guard(n.node, func() error { return n.op.Process(in.input, b, n.out) })
	}
	return eachRow(b, func(one *columnar.Batch, row int32) error {
		err := guard(n.node, func() error { return n.op.Process(in.input, one, n.out) })
		if own, ok := asNodeFailure(err, n.node); ok {
			n.out.RowError(b, row, own)
			return nil
		}
		return err
	})
}

// eachRow calls do with batches of one row each.
func eachRow(b *columnar.Batch, do func(one *columnar.Batch, row int32) error) error {
	if b.Sel != nil {
		for i := range b.Sel {
			if err := do(b.Select(b.Sel[i:i+1]), b.Sel[i]); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range int32(b.Rows) {
		if err := do(b.Select([]int32{i}), i); err != nil {
			return err
		}
	}
	return nil
}

// nodeOutput is the operators.Output of one node in one chain.
type nodeOutput struct {
	node  *dsl.Node
	main  *port
	ports map[string]*port
	fails *failureSink
}

// Emit implements operators.Output.
func (o *nodeOutput) Emit(b *columnar.Batch) error { return downstream(o.main.push(b)) }

// EmitTo implements operators.Output.
func (o *nodeOutput) EmitTo(name string, b *columnar.Batch) error {
	p, ok := o.ports[name]
	if !ok {
		return fmt.Errorf("operator %s emits to port %q, which its plan does not declare", o.node.Name, name)
	}
	return downstream(p.push(b))
}

// RowError implements operators.Output.
func (o *nodeOutput) RowError(b *columnar.Batch, row int32, cause error) {
	o.fails.row(o.node, b, row, cause)
}

// push runs a batch from the chain's head through everything.
func (c *chain) push(node *dsl.Node, name string, b *columnar.Batch) error {
	return c.ports[portKey{node, name}].push(b)
}

// watermark lets stateless operators see the watermark, then sends it on.
func (c *chain) watermark(t int64) error {
	for _, n := range c.nodes {
		if err := guard(n.node, func() error { return n.op.Watermark(t, n.out) }); err != nil {
			return err
		}
	}
	if err := c.fails.flush(); err != nil {
		return err
	}
	for _, s := range c.sends {
		if err := s.watermark(t); err != nil {
			return err
		}
	}
	return nil
}

// barrier ends the epoch for everyone that this chain feeds.
func (c *chain) barrier() error {
	if err := c.fails.flush(); err != nil {
		return err
	}
	for _, s := range c.sends {
		if err := s.barrier(); err != nil {
			return err
		}
	}
	return nil
}
