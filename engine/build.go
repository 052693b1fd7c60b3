package engine

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/expr"
)

// builder makes the running things of one generation from the plan.
type builder struct {
	p        *Pipeline
	ctx      context.Context // the generation's
	out      *recorder
	stages   map[*dsl.Node]*stage
	senders  map[*dsl.Node]int // next free sender index of each stage
	suspects map[*dsl.Node]*suspect
	closers  []func() error
}

// makeStages makes the stages with their inboxes; splits are the sources' splits.
func (b *builder) makeStages(splits map[*dsl.Node][]connectors.Split) {
	feeding := map[*dsl.Node]int{}
	for _, f := range b.p.plan.sources {
		for _, k := range f.keyed {
			feeding[k] += len(splits[f.head])
		}
	}
	for _, f := range b.p.plan.stages {
		for _, k := range f.keyed {
			feeding[k] += len(b.p.states[f.head].tasks)
		}
	}
	for _, f := range b.p.plan.stages {
		n, state := f.head, b.p.states[f.head]
		st := &stage{partitions: len(state.owner), owner: state.owner}
		for i := range state.tasks {
			st.tasks = append(st.tasks, &task{
				node: n, index: i, inbox: newInbox(feeding[n], inboxBytes), min: newMinimum(feeding[n]),
				view: state.tasks[i].View(stateName(n)), state: state.tasks[i],
				suspect: b.suspects[n], gate: &gate{ctx: b.ctx}, checkpointing: state.tasks[i].Checkpointing(),
			})
		}
		b.stages[n] = st
	}
}

// inboxBytes bounds the rows that wait between one sender and one task.
const inboxBytes = 4 << 20

// stateName is the name under which a keyed operator's state is kept: the one it
// had before, if it was renamed.
func stateName(n *dsl.Node) string {
	if n.Was != "" {
		return n.Was
	}
	return n.Name
}

// chain instantiates a fragment.
func (b *builder) chain(f *fragment, g *gate) (*chain, error) {
	c := &chain{ports: map[portKey]*port{}, fails: &failureSink{
		routes: map[*dsl.Node]*port{}, stats: b.p.stats, rows: map[*dsl.Node]*errorRows{},
	}}
	inputs := map[input]consumer{}
	members := append([]*dsl.Node{f.head}, f.nodes...)
	for _, n := range f.keyed {
		late := b.port(c, portKey{n, latePort})
		s := newScatter(n, b.stages[n], b.senders[n], late, b.p.stats[n], b.suspects[n])
		b.senders[n]++
		c.sends = append(c.sends, s)
		for i := range s.inputs {
			inputs[input{n, i}] = &s.inputs[i]
		}
	}
	for _, n := range f.sinks {
		s, err := b.sink(n, g, c.fails)
		if err != nil {
			return nil, err
		}
		inputs[input{n, 0}] = s
		members = append(members, n)
	}
	for _, n := range f.nodes {
		node, err := b.node(c, n)
		if err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, node)
		for i := range n.Inputs {
			inputs[input{n, i}] = node.input(i)
		}
	}
	for _, n := range members {
		if n.Kind != dsl.Sink {
			b.port(c, portKey{n, mainPort})
			for name := range n.Ports {
				b.port(c, portKey{n, name})
			}
		}
		if route, read := b.p.plan.errorRoute(n); read {
			c.fails.routes[n] = b.port(c, route)
		}
	}
	for key, p := range c.ports {
		for _, in := range b.p.plan.consumers[key] {
			out, ok := inputs[in]
			if !ok {
				continue // another fragment feeds it
			}
			p.outs = append(p.outs, out)
		}
	}
	return c, nil
}

// port is the chain's port of that name, made on first use.
func (b *builder) port(c *chain, key portKey) *port {
	p := c.ports[key]
	if p == nil {
		p = &port{count: &counter{}}
		if key.node != nil && key.name == mainPort {
			p.count = &b.p.stats[key.node].out
		}
		c.ports[key] = p
	}
	return p
}

func (b *builder) node(c *chain, n *dsl.Node) (*opNode, error) {
	op, err := n.Op.New()
	if err != nil {
		return nil, fmt.Errorf("make operator %s: %w", n.Name, err)
	}
	if err := guard(n, func() error { return op.Open(&operators.Context{Name: n.Name}) }); err != nil {
		return nil, err
	}
	b.closers = append(b.closers, op.Close)
	return &opNode{node: n, op: op, out: b.output(c, n), stats: b.p.stats[n], suspect: b.suspects[n]}, nil
}

func (b *builder) output(c *chain, n *dsl.Node) *nodeOutput {
	o := &nodeOutput{node: n, main: b.port(c, portKey{n, mainPort}), ports: map[string]*port{}, fails: c.fails}
	for name := range n.Op.Ports {
		o.ports[name] = b.port(c, portKey{n, name})
	}
	return o
}

func (b *builder) sink(n *dsl.Node, g *gate, fails *failureSink) (consumer, error) {
	s := &sinkInput{node: n, stats: b.p.stats[n], gate: g, fails: fails}
	if n.Sink.Log == nil {
		s.shared = b.p.sinks[n]
		return s, nil
	}
	log, err := n.Sink.Log(b.p.env(n))
	if err != nil {
		return nil, fmt.Errorf("open sink %s: %w", n.Name, err)
	}
	s.log, s.out = log, b.out
	b.closers = append(b.closers, log.Close)
	return s, nil
}

// keyedTask finishes a task of a stage: its operator and the chain behind it.
func (b *builder) keyedTask(t *task, f *fragment) error {
	var err error
	if t.chain, err = b.chain(f, t.gate); err != nil {
		return err
	}
	t.out = b.output(t.chain, t.node)
	if t.op, err = t.node.Op.New(); err != nil {
		return fmt.Errorf("make operator %s: %w", t.node.Name, err)
	}
	if err := t.view.CheckLayout(t.node.Op.StateVersion, t.node.Op.StateLayout); err != nil {
		return fmt.Errorf("operator %s: %w", t.node.Name, err)
	}
	b.closers = append(b.closers, t.op.Close)
	return guard(t.node, func() error { return t.op.Open(&operators.Context{Name: t.node.Name, State: t.view}) })
}

// split makes the task of one split of a source, at its committed position, or, if
// it is new, with the watermark arrival.
func (b *builder) split(f *fragment, src connectors.Source, s connectors.Split, peers *splitPeers, arrival int64) (*splitTask, error) {
	n := f.head
	key := splitKey{n.Name, s.ID}
	at := b.p.positions[key]
	reader, err := src.Open(b.ctx, s, at.position)
	if err != nil {
		return nil, fmt.Errorf("source %s, split %s: open: %w", n.Name, s.ID, err)
	}
	b.closers = append(b.closers, reader.Close)
	g := &gate{ctx: b.ctx}
	c, err := b.chain(f, g)
	if err != nil {
		return nil, err
	}
	t := &splitTask{
		node: n, split: s, key: key, reader: reader, chain: c, gate: g, stats: b.p.stats[n],
		pulse: b.p.pulse, peers: peers, maxSkew: b.p.graph.MaxSkew.Microseconds(), position: append([]byte(nil), at.position...),
	}
	if at.position == nil {
		t.position = nil
	}
	watermark := arrival
	if at.known {
		watermark = at.watermark
	}
	t.clock = newSplitClock(0, 0, watermark)
	if n.EventTime != nil {
		t.clock = newSplitClock(n.EventTime.OutOfOrder, n.EventTime.Idle, watermark)
		if t.event, err = newEventTime(n); err != nil {
			return nil, err
		}
	}
	t.seen.Store(watermark)
	return t, nil
}

func newEventTime(n *dsl.Node) (eventTime, error) {
	e := eventTime{spec: n.EventTime, col: -1, maxAhead: n.EventTime.MaxAhead.Microseconds()}
	if n.EventTime.Field != "" {
		e.col = n.Schema.Index(n.EventTime.Field)
		return e, nil
	}
	prog, err := expr.Compile(n.EventTime.Expr.Text, n.Schema, expr.Options{Deterministic: true, Want: columnar.Timestamp})
	if err != nil {
		return e, fmt.Errorf("%s: event time of source %s: %w", n.EventTime.Pos, n.Name, err)
	}
	e.eval = prog.New()
	return e, nil
}

// close releases what was built, the last first.
func (b *builder) close() error {
	var first error
	for i := len(b.closers) - 1; i >= 0; i-- {
		if err := b.closers[i](); err != nil && first == nil {
			first = err
		}
	}
	b.closers = nil
	return first
}
