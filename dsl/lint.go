package dsl

import (
	"slices"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/spec"
)

// Lint lists what is allowed but unwise, or not what a reader may expect, in the
// order of the file. It never reports what Parse refuses.
func Lint(g *Graph) spec.Errors {
	l := linter{g: g, read: map[Edge]bool{}}
	for _, n := range g.Nodes {
		for _, edges := range n.Inputs {
			for _, e := range edges {
				l.read[e] = true
			}
		}
	}
	for _, n := range g.Nodes {
		l.unused(n)
		l.eventTime(n)
		l.late(n)
		l.sink(n)
	}
	if c := g.Class(); c != operators.Exact {
		l.weakest(c)
	}
	for _, t := range g.Tests {
		l.warn(t.Pos, "tests-not-run", "the test %q is checked for names and columns, and not run", t.Name)
	}
	slices.SortStableFunc(l.found, func(a, b *spec.Error) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Col - b.Pos.Col
	})
	return l.found
}

// Class is the pipeline's determinism, the weakest of its operators'.
func (g *Graph) Class() operators.Class {
	class := operators.Exact
	for _, n := range g.Nodes {
		if n.Kind == Operator {
			class = max(class, n.Op.Class)
		}
	}
	return class
}

// Guarantee is what the pipeline promises of its output under crashes, the
// weakest of its sinks'.
func (g *Graph) Guarantee() connectors.Guarantee {
	guarantee := connectors.ExactlyOnce
	for _, n := range g.Nodes {
		if n.Kind == Sink {
			guarantee = max(guarantee, n.Sink.Guarantee)
		}
	}
	return guarantee
}

// Bounded says whether every source ends by itself, and so the pipeline.
func (g *Graph) Bounded() bool {
	for _, n := range g.Nodes {
		if n.Kind == Source && !n.Source.Bounded {
			return false
		}
	}
	return true
}

type linter struct {
	g     *Graph
	read  map[Edge]bool // ports that something reads
	found spec.Errors
}

func (l *linter) warn(p spec.Pos, rule, format string, args ...any) *spec.Error {
	e := spec.Errorf(p, rule, format, args...)
	l.found = append(l.found, e)
	return e
}

// unused finds nodes whose rows go nowhere.
func (l *linter) unused(n *Node) {
	if n.Kind == Sink {
		return
	}
	for e := range l.read {
		if e.From == n && e.Port != errorsPort {
			return
		}
	}
	l.warn(n.Pos, "unused", "nothing reads %s", n.Name).Hint = "add a sink for it, or remove it"
}

// eventTime finds assumptions about time that nobody wrote down.
func (l *linter) eventTime(n *Node) {
	et := n.EventTime
	if et == nil {
		return
	}
	if !et.Stated {
		l.warn(et.Pos, "out-of-order", "%s does not say how far its rows may be out of order; a row older than the one before may be late", n.Name).Hint =
			"give event_time an out_of_order, 0s if the rows are sorted"
	}
	if !et.IdleStated && !n.Source.Bounded {
		l.warn(et.Pos, "idle", "%s does not say when it is idle: a partition that is silent for %s advances with the clock", n.Name, durationText(et.Idle)).Hint =
			"give event_time an idle, or `idle: never`"
	}
}

// late finds what happens to late rows without anyone having said so.
func (l *linter) late(n *Node) {
	if n.Kind != Operator {
		return
	}
	read := l.read[Edge{From: n, Port: latePort}]
	switch {
	case n.DecidesLate && !read:
		l.warn(n.Pos, "late-dropped", "late rows of %s are counted and dropped", n.Name).Hint = "add a sink with `from: " + n.Name + ".late` to keep them"
	case !n.DecidesLate && read:
		why := "it is not windowed"
		if n.Op.Timing != nil {
			why = "lateness is decided once, at the first windowed operator"
		}
		l.warn(n.Pos, "late-never", "%s never has late rows: %s", n.Name, why)
	}
	if n.DecidesLate && n.Op.Timing.Lateness == 0 && !stated(n.Config, "lateness") {
		l.warn(n.Pos, "lateness", "%s does not say how late a row may be; the watermark alone closes its windows", n.Name).Hint =
			"give its window a lateness, 0s if none"
	}
}

// stated says whether the file gives a field of this name, at any depth.
func stated(c spec.Config, name string) bool {
	for key, v := range c.Values {
		if key == name && v.Set || v.Sub != nil && stated(*v.Sub, name) {
			return true
		}
	}
	return false
}

func (l *linter) sink(n *Node) {
	if n.Kind == Sink && n.Sink.Guarantee != connectors.ExactlyOnce {
		verbs := map[connectors.Guarantee]string{connectors.AtLeastOnce: "repeat", connectors.AtMostOnce: "lose"}
		l.warn(n.Pos, "guarantee", "%s writes %s: after a crash it may %s rows of the last epoch", n.Name, n.Sink.Guarantee, verbs[n.Sink.Guarantee])
	}
}

// weakest names the operator that gives the pipeline its class.
func (l *linter) weakest(c operators.Class) {
	for _, n := range l.g.Nodes {
		if n.Kind == Operator && n.Op.Class == c {
			meaning := "only the last value of each key is the same on every run"
			if c == operators.Arrival {
				meaning = "results depend on the order in which rows arrive"
			}
			l.warn(n.Pos, "class", "the pipeline's class is %s because of %s: %s", c, n.Name, meaning)
			return
		}
	}
}
