package dsl

import (
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/operators/spec"
)

// resolve turns the names in `from` into edges.
func (r *reader) resolve() {
	for _, d := range r.drafts {
		if d.Kind == Source || d.from == nil {
			continue
		}
		before := r.count
		for _, input := range r.inputs(d) {
			var edges []Edge
			for _, ref := range d.from[input] {
				if e, ok := r.edge(d, ref); ok {
					edges = append(edges, e)
				}
			}
			d.Inputs = append(d.Inputs, edges)
		}
		d.broken = d.broken || r.count != before
	}
}

// inputs are the names of a node's inputs in the order of its verb; it reports a
// `from` of the wrong form.
func (r *reader) inputs(d *draft) []string {
	only := []string{""}
	s, ok := r.catalog.Operators.Lookup(d.Verb)
	_, plain := d.from[""]
	if d.Kind != Operator || !ok || len(s.Inputs) == 0 {
		if !plain {
			r.faultf(d.fromPos, "type", "%s has one input", d.Name).Hint = "from is a name or a list of names here"
			return nil
		}
		return only
	}
	if plain {
		r.faultf(d.fromPos, "type", "%s has the inputs %s", d.Verb, strings.Join(s.Inputs, " and ")).Hint =
			"from: {" + strings.Join(s.Inputs, ": <name>, ") + ": <name>}"
		return nil
	}
	for _, given := range slices.Sorted(maps.Keys(d.from)) {
		if !slices.Contains(s.Inputs, given) {
			r.faultf(d.fromPos, "unknown-key", "%s has no input %q", d.Verb, given).Hint = spec.DidYouMean(given, s.Inputs)
		}
	}
	for _, input := range s.Inputs {
		if _, ok := d.from[input]; !ok {
			r.faultf(d.fromPos, "missing-key", "%s needs the input %q", d.Verb, input)
		}
	}
	return s.Inputs
}

// edge resolves one reference. A port that only the plan of its node knows is
// checked when schemas are.
func (r *reader) edge(d *draft, ref reference) (Edge, bool) {
	name, port, hasPort := strings.Cut(ref.text, ".")
	from := r.byName[name]
	switch {
	case name == errorsName && !hasPort:
		return r.errorEdge(d, ref, Edge{Port: errorsPort})
	case from == nil && r.sinks[name] != nil:
		r.faultf(ref.pos, "sink-as-input", "%s is a sink; nothing reads from a sink", name).Hint = "read what the sink reads"
		return Edge{}, false
	case from == nil:
		r.faultf(ref.pos, "unknown-name", "there is no source or operator %q", name).Hint = spec.DidYouMean(ref.text, r.readable())
		return Edge{}, false
	case hasPort && port == "":
		r.faultf(ref.pos, "unknown-port", "a port's name is missing after %s.", name).Hint = "known are " + name + ".late and " + name + ".errors"
		return Edge{}, false
	case port == errorsPort:
		return r.errorEdge(d, ref, Edge{From: from.Node, Port: port})
	case port == latePort && from.Kind == Source:
		r.faultf(ref.pos, "unknown-port", "a source has no late rows").Hint = "what is late is decided at the first windowed operator; read its .late"
		return Edge{}, false
	case hasPort && from.Kind == Source:
		r.faultf(ref.pos, "unknown-port", "source %s has no port %q", name, port).Hint = "it has " + name + ".errors"
		return Edge{}, false
	}
	return Edge{From: from.Node, Port: port}, true
}

// errorEdge allows error ports to sinks only: an operator on the error port of the
// pipeline could feed its own failures back to itself.
func (r *reader) errorEdge(d *draft, ref reference, e Edge) (Edge, bool) {
	if d.Kind == Operator {
		r.faultf(ref.pos, "errors-to-operator", "only a sink reads an error port").Hint =
			"write " + ref.text + " to a topic and process that in a pipeline of its own"
		return Edge{}, false
	}
	return e, true
}

// readable lists what `from` may name.
func (r *reader) readable() []string {
	names := []string{errorsName}
	for name, d := range r.byName {
		names = append(names, name)
		if d.Kind == Operator {
			names = append(names, name+"."+latePort, name+"."+errorsPort)
		}
	}
	slices.Sort(names)
	return names
}
