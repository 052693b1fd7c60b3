package dsl

import "github.com/millrace/millrace/operators/spec"

// policies settles what happens to failing rows at every node: what the node
// says, else what the pipeline says, else `route` where the error port is read and
// `fail` where it is not. An action that nobody chose never loses a row.
func (r *reader) policies() {
	read := readPorts(r.drafts)
	unread := false
	for _, d := range r.drafts {
		port := Edge{From: d.Node, Port: errorsPort}
		reachable := read[Edge{Port: errorsPort}] || d.Kind != Sink && read[port]
		switch {
		case readsErrors(d.Node):
			r.errorSink(d)
		case d.own != nil:
			d.OnError = *d.own
			if d.own.Action == Route && !reachable {
				r.faultf(d.ownPos, "unread-errors", "%s routes failing rows to the error port, which nothing reads", d.Name).Hint =
					"add a sink with `from: errors`, or choose drop or fail"
			}
		case r.own != nil:
			d.OnError = *r.own
			unread = unread || r.own.Action == Route && !reachable
		case reachable:
			d.OnError = Policy{Action: Route}
		}
	}
	if unread {
		r.faultf(r.ownPos, "unread-errors", "failing rows are routed to the error port, which nothing reads").Hint =
			"add a sink with `from: errors`, or choose drop or fail"
	}
}

// errorSink settles a sink that writes error rows: its own failures would come
// back to it, so they stop the pipeline unless it says that they are dropped.
func (r *reader) errorSink(d *draft) {
	d.OnError = Policy{Action: Fail}
	if d.own == nil {
		return
	}
	if d.own.Action == Route {
		r.faultf(d.ownPos, "errors-loop", "%s writes error rows; its own would come back to it", d.Name).Hint = "choose drop or fail"
		return
	}
	d.OnError = *d.own
}

// readsErrors says whether a sink is fed by an error port.
func readsErrors(n *Node) bool {
	for _, edges := range n.Inputs {
		for _, e := range edges {
			if e.Port == errorsPort {
				return true
			}
		}
	}
	return false
}

// readPorts is the set of ports that some node reads.
func readPorts(drafts []*draft) map[Edge]bool {
	read := map[Edge]bool{}
	for _, d := range drafts {
		for _, edges := range d.Inputs {
			for _, e := range edges {
				read[e] = true
			}
		}
	}
	return read
}

// policy reads `on_error`.
func policy(c spec.Config) Policy {
	p := Policy{MaxRate: c.Get("max_rate").Float}
	switch c.Get("action").Text {
	case "route":
		p.Action = Route
	case "drop":
		p.Action = Drop
	}
	return p
}
