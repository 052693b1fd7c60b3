package dsl

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"
)

// text lays the description out for a terminal.
func (d *description) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "pipeline %s", d.Pipeline)
	if d.Description != "" {
		fmt.Fprintf(&b, ": %s", strings.TrimSpace(d.Description))
	}
	b.WriteString("\n\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  class\t%s\n", d.Class)
	fmt.Fprintf(w, "  guarantee\t%s\n", d.Guarantee)
	fmt.Fprintf(w, "  ends by itself\t%s\n", map[bool]string{true: "yes", false: "no"}[d.Bounded])
	fmt.Fprintf(w, "  state partitions\t%d\n", d.Options.StatePartitions)
	fmt.Fprintf(w, "  epoch\tat most %s or %s\n", d.Options.EpochMax, bytesText(d.Options.UncommittedMaxBytes))
	fmt.Fprintf(w, "  checkpoint\tevery %s\n", d.Options.Checkpoint)
	fmt.Fprintf(w, "  state memory\t%s\n", bytesText(d.Options.StateMemoryBytes))
	fmt.Fprintf(w, "  max skew\t%s\n", d.Options.MaxSkew)
	w.Flush()
	for _, n := range d.Nodes {
		n.text(&b)
	}
	return b.Bytes()
}

// text lays out one node. What is true of every node is left out.
func (n *nodeDescription) text(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n%s %s: %s\n", n.Kind, n.Name, n.Verb)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %s\t%s\n", name, value)
		}
	}
	line("about", strings.Join(strings.Fields(n.Description), " "))
	line("was", n.Was)
	line("from", strings.Join(n.From, ", "))
	line("format", n.Format)
	if n.Kind != Sink.String() || len(n.Schema) > 0 {
		line("schema", columnsText(n.Schema))
	}
	if len(n.Reads) < len(n.Schema) && n.Kind == Source.String() {
		line("decodes", orNothing(strings.Join(n.Reads, ", ")))
	}
	line("event time", n.EventTime)
	line("key", strings.Join(n.Key, ", "))
	if n.Global {
		line("key", "none: all rows meet in one task")
	}
	line("tasks", n.Parallelism)
	line("state", n.State)
	line("class", n.Class)
	if n.Lateness != "" {
		line("lateness", n.Lateness+map[bool]string{true: ", decided here", false: ", decided before"}[n.DecidesLate])
	}
	line("guarantee", n.Guarantee)
	line("on error", n.OnError)
	for _, e := range n.Expressions {
		line("in "+e.Mode, strings.Join(strings.Fields(e.Text), " "))
	}
	w.Flush()
}

func columnsText(columns []columnDescription) string {
	var parts []string
	for _, c := range columns {
		parts = append(parts, c.Name+" "+c.Type)
	}
	return orNothing(strings.Join(parts, ", "))
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
