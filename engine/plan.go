package engine

import "github.com/millrace/millrace/dsl"

// plan is the graph cut at its exchanges: a fragment per source and per keyed
// operator. It is data; a generation instantiates it.
//
//	source ─ filter ─ map ─┬─► keyed ─ map ─► sink
//	└──── fragment ────────┘   └─── fragment ────┘
type plan struct {
	graph     *dsl.Graph
	sources   []*fragment // in the graph's order
	stages    []*fragment // heads are keyed operators, in topological order
	consumers map[portKey][]input
	hasErrors bool // something reads the pipeline's own error port
}

// input is one input of a node.
type input struct {
	node  *dsl.Node
	index int
}

// fragment is what one goroutine runs: a head and the stateless nodes and sinks
// behind it, up to the next keyed operators.
type fragment struct {
	head  *dsl.Node
	nodes []*dsl.Node // stateless operators, in topological order
	keyed []*dsl.Node // keyed operators that it feeds, in topological order
	sinks []*dsl.Node
}

func keyed(n *dsl.Node) bool { return n.Kind == dsl.Operator && n.Op.Key != nil }

// newPlan cuts a graph.
func newPlan(g *dsl.Graph) *plan {
	p := &plan{graph: g, consumers: map[portKey][]input{}}
	for _, n := range g.Nodes {
		for i, edges := range n.Inputs {
			for _, e := range edges {
				key := edgePort(e)
				p.consumers[key] = append(p.consumers[key], input{n, i})
				p.hasErrors = p.hasErrors || e.From == nil
			}
		}
	}
	for _, n := range g.Nodes {
		switch {
		case n.Kind == dsl.Source:
			p.sources = append(p.sources, p.cut(n))
		case keyed(n):
			p.stages = append(p.stages, p.cut(n))
		}
	}
	return p
}

func edgePort(e dsl.Edge) portKey {
	if e.From == nil {
		return portKey{nil, errorsPort}
	}
	return portKey{e.From, e.Port}
}

// The ports that the engine fills.
const (
	mainPort   = ""
	latePort   = "late"
	errorsPort = "errors"
)

// errorRoute is the port that takes a node's error rows, and whether anyone
// reads it.
func (p *plan) errorRoute(n *dsl.Node) (portKey, bool) {
	own := portKey{n, errorsPort}
	if len(p.consumers[own]) > 0 {
		return own, true
	}
	return portKey{nil, errorsPort}, p.hasErrors
}

// cut collects the fragment behind a head.
func (p *plan) cut(head *dsl.Node) *fragment {
	reached := map[*dsl.Node]bool{}
	var follow func(portKey)
	ports := func(n *dsl.Node, withLate bool) {
		follow(portKey{n, mainPort})
		for name := range n.Ports {
			if name != errorsPort && (name != latePort || withLate) {
				follow(portKey{n, name})
			}
		}
		if route, read := p.errorRoute(n); read {
			follow(route)
		}
	}
	follow = func(key portKey) {
		for _, in := range p.consumers[key] {
			if reached[in.node] {
				continue
			}
			reached[in.node] = true
			switch {
			case keyed(in.node):
				// Lateness is decided on this side of the exchange.
				follow(portKey{in.node, latePort})
			case in.node.Kind == dsl.Operator:
				ports(in.node, true)
			case in.node.Kind == dsl.Sink:
				if route, read := p.errorRoute(in.node); read {
					follow(route)
				}
			}
		}
	}
	ports(head, head.Kind == dsl.Source)
	f := &fragment{head: head}
	for _, n := range p.graph.Nodes {
		switch {
		case !reached[n]:
		case n.Kind == dsl.Sink:
			f.sinks = append(f.sinks, n)
		case keyed(n):
			f.keyed = append(f.keyed, n)
		default:
			f.nodes = append(f.nodes, n)
		}
	}
	return f
}
