package dsl

import (
	"maps"
	"slices"

	"github.com/millrace/millrace/operators/columnar"
)

// prune finds out which columns of each source anything downstream reads, so that
// decoders can skip the rest. It walks from the sinks up. An operator needs the
// columns that it says it reads; if its rows pass through it, also those of them
// that are wanted behind it.
func prune(g *Graph) {
	wanted := map[*Node]map[string]bool{} // of a node's rows: by any port but late
	late := map[*Node]map[string]bool{}   // of its late rows
	for _, n := range slices.Backward(g.Nodes) {
		for i, edges := range n.Inputs {
			for _, e := range edges {
				if e.From == nil || e.Port == errorsPort {
					continue
				}
				into := wanted
				if e.Port == latePort {
					into = late
				}
				if into[e.From] == nil {
					into[e.From] = map[string]bool{}
				}
				maps.Copy(into[e.From], reads(n, i, portSchema(e), wanted[n], late[n]))
			}
		}
		if n.Kind == Source {
			n.Want = sourceColumns(n, wanted[n])
		}
	}
}

// portSchema is the schema of the rows that an edge brings.
func portSchema(e Edge) *columnar.Schema {
	if e.Port == "" {
		return e.From.Schema
	}
	return e.From.Ports[e.Port]
}

// reads is what a node needs of the rows of one input, given what is wanted of
// its own rows and of its late ones.
func reads(n *Node, input int, in *columnar.Schema, wanted, late map[string]bool) map[string]bool {
	need := map[string]bool{}
	if n.Kind == Sink || input >= len(n.Op.Columns) || n.Op.Columns[input] == nil {
		for _, c := range in.Columns {
			need[c.Name] = true
		}
		return need
	}
	for _, c := range n.Op.Columns[input] {
		need[c] = true
	}
	// An operator whose output schema is the very one it was given hands rows on,
	// whether it says so or not.
	through := n.Op.PassesThrough || n.Op.Output == in
	for _, c := range in.Columns {
		if late[c.Name] || through && wanted[c.Name] {
			need[c.Name] = true
		}
	}
	return need
}

// sourceColumns is Node.Want: the wanted columns and those of the event time, in
// schema order; nil if that is all of them.
func sourceColumns(n *Node, wanted map[string]bool) []string {
	if et := n.EventTime; et != nil {
		wanted = maps.Clone(wanted)
		if wanted == nil {
			wanted = map[string]bool{}
		}
		wanted[et.Field] = true
		if et.Program != nil {
			for _, c := range et.Program.Columns() {
				wanted[c] = true
			}
		}
	}
	want := []string{}
	for _, name := range n.Schema.Names() {
		if wanted[name] {
			want = append(want, name)
		}
	}
	if len(want) == len(n.Schema.Columns) {
		return nil
	}
	return want
}

// needPositions marks the nodes whose batches must carry the place that each row
// came from: those in front of a node that may fail on a row, up to the next
// exchange, behind which a row has no single origin. A sink may always fail, since
// it encodes; late rows leave before the exchange.
func needPositions(g *Graph) {
	fails := map[*Node]bool{} // the node, or one behind it, may fail on an input row
	for _, n := range slices.Backward(g.Nodes) {
		fails[n] = n.Kind == Sink || n.Kind == Operator && (n.Op.MayFail || n.NeedPos && n.Op.Key == nil) || fails[n]
		for _, edges := range n.Inputs {
			for _, e := range edges {
				switch {
				case e.From == nil || e.Port == errorsPort:
				case e.Port == latePort:
					fails[e.From] = true // what is in front of it must carry positions to its late port
				case fails[n]:
					e.From.NeedPos = true
				}
			}
		}
	}
}
