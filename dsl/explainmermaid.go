package dsl

import (
	"bytes"
	"fmt"
	"strings"
)

// mermaid draws the graph in the language of mermaid.js. Nodes have numbers for
// names there, so that no name of the user's can be read as syntax.
func (d *description) mermaid() []byte {
	var b bytes.Buffer
	b.WriteString("flowchart LR\n")
	number := map[string]int{}
	for i, n := range d.Nodes {
		if n.Kind != Sink.String() {
			number[n.Name] = i
		}
		open, shut := "[", "]"
		switch n.Kind {
		case Source.String():
			open, shut = "([", "])"
		case Sink.String():
			open, shut = "[/", "/]"
		}
		fmt.Fprintf(&b, "  n%d%s\"%s<br/><small>%s</small>\"%s\n", i, open, mermaidText(n.Name), mermaidText(n.Verb), shut)
	}
	if d.readsErrors() {
		b.WriteString("  errors{{\"errors\"}}\n")
	}
	for i, n := range d.Nodes {
		for _, from := range n.From {
			name, port, _ := strings.Cut(from, ".")
			switch {
			case from == errorsName:
				fmt.Fprintf(&b, "  errors -.-> n%d\n", i)
			case port != "":
				fmt.Fprintf(&b, "  n%d -. %s .-> n%d\n", number[name], mermaidText(port), i)
			default:
				fmt.Fprintf(&b, "  n%d --> n%d\n", number[name], i)
			}
		}
	}
	return b.Bytes()
}

func (d *description) readsErrors() bool {
	for _, n := range d.Nodes {
		for _, from := range n.From {
			if from == errorsName {
				return true
			}
		}
	}
	return false
}

// mermaidText makes a text safe between mermaid's quotes.
func mermaidText(s string) string {
	return strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;").Replace(s)
}
