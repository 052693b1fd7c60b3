package dsl

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// Format is a form in which Explain writes.
type Format string

// The formats of Explain.
const (
	Text    Format = "text"
	JSON    Format = "json"
	Mermaid Format = "mermaid"
)

// Explain describes a pipeline to w: for every node what it reads, its schema, key,
// parallelism, state, class, and whether each expression runs over whole columns.
// The text is for people; the JSON keeps its names and gains new ones only.
// Secrets appear as ***.
func Explain(w io.Writer, g *Graph, format Format) error {
	d := describe(g)
	var out []byte
	switch format {
	case Text:
		out = d.text()
	case JSON:
		text, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return err
		}
		out = append(text, '\n')
	case Mermaid:
		out = d.mermaid()
	default:
		return fmt.Errorf("explain has no format %q; it has %s, %s and %s", format, Text, JSON, Mermaid)
	}
	_, err := w.Write(out)
	return err
}

// description is what explain says of a pipeline, in the form of its JSON.
type description struct {
	Pipeline    string            `json:"pipeline"`
	Description string            `json:"description,omitempty"`
	File        string            `json:"file"`
	Class       string            `json:"class"`
	Guarantee   string            `json:"guarantee"`
	Bounded     bool              `json:"bounded"`
	Options     describedOptions  `json:"options"`
	Nodes       []nodeDescription `json:"nodes"`
}

type describedOptions struct {
	StatePartitions     int    `json:"state_partitions"`
	EpochMax            string `json:"epoch_max"`
	UncommittedMaxBytes int64  `json:"uncommitted_max_bytes"`
	Checkpoint          string `json:"checkpoint"`
	StateMemoryBytes    int64  `json:"state_memory_bytes"`
	MaxSkew             string `json:"max_skew"`
}

type nodeDescription struct {
	Name        string              `json:"name"`
	Kind        string              `json:"kind"`
	Verb        string              `json:"verb"`
	Description string              `json:"description,omitempty"`
	Was         string              `json:"was,omitempty"`
	From        []string            `json:"from,omitempty"`
	Format      string              `json:"format,omitempty"`
	Schema      []columnDescription `json:"schema"`
	Reads       []string            `json:"reads,omitempty"` // of a source: the columns that are decoded
	EventTime   string              `json:"event_time,omitempty"`
	Key         []string            `json:"key,omitempty"`
	Global      bool                `json:"global,omitempty"` // one key for all rows
	Parallelism string              `json:"parallelism,omitempty"`
	State       string              `json:"state,omitempty"`
	Class       string              `json:"class,omitempty"`
	Lateness    string              `json:"lateness,omitempty"`
	DecidesLate bool                `json:"decides_late,omitempty"`
	Guarantee   string              `json:"guarantee,omitempty"`
	OnError     string              `json:"on_error"`
	Expressions []expressionMode    `json:"expressions,omitempty"`
	Config      map[string]any      `json:"config"`
}

type columnDescription struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type expressionMode struct {
	Text string `json:"text"`
	Mode string `json:"mode"` // columns or rows
}

func describe(g *Graph) *description {
	d := &description{
		Pipeline: g.Name, Description: g.Description, File: g.Path,
		Class: g.Class().String(), Guarantee: g.Guarantee().String(), Bounded: g.Bounded(),
		Options: describedOptions{
			StatePartitions: g.Options.StatePartitions, EpochMax: durationText(g.Options.EpochMax),
			UncommittedMaxBytes: g.Options.UncommittedMaxBytes, Checkpoint: durationText(g.Options.Checkpoint),
			StateMemoryBytes: g.Options.StateMemory, MaxSkew: orWord(g.Options.MaxSkew, unlimited),
		},
	}
	for _, n := range g.Nodes {
		d.Nodes = append(d.Nodes, describeNode(n))
	}
	return d
}

func describeNode(n *Node) nodeDescription {
	d := nodeDescription{
		Name: n.Name, Kind: n.Kind.String(), Verb: n.Verb, Description: n.Description, Was: n.Was,
		Format: n.Format.Name, Schema: columns(n.Schema), OnError: n.OnError.String(), Config: plainConfig(n.Config),
	}
	for _, edges := range n.Inputs {
		for _, e := range edges {
			d.From = append(d.From, e.String())
		}
	}
	switch n.Kind {
	case Source:
		d.Reads = n.Want
		if n.Want == nil {
			d.Reads = n.Schema.Names()
		}
		d.EventTime = n.EventTime.describe()
	case Operator:
		describeOperator(n, &d)
	case Sink:
		d.Guarantee = n.Sink.Guarantee.String()
		for _, k := range n.Key {
			d.Key = append(d.Key, k.Text)
		}
	}
	return d
}

func describeOperator(n *Node, d *nodeDescription) {
	d.Class = n.Op.Class.String()
	d.DecidesLate = n.DecidesLate
	d.Parallelism = "one task per core"
	switch {
	case n.Parallelism > 0:
		d.Parallelism = fmt.Sprint(n.Parallelism)
	case n.Op.Key == nil:
		d.Parallelism = "with its input"
	}
	if n.Op.Key != nil {
		d.Key = n.Op.Key[0]
		if d.Global = len(d.Key) == 0; d.Global {
			d.Parallelism = "1"
		}
		d.State = fmt.Sprintf("version %d", n.Op.StateVersion)
		if n.Op.StateLayout != "" {
			d.State = n.Op.StateLayout + ", " + d.State
		}
	}
	if t := n.Op.Timing; t != nil {
		d.Lateness = micros(t.Lateness)
	}
	for _, note := range n.Op.Notes {
		d.Expressions = append(d.Expressions, expressionMode{note.Text, note.Mode})
	}
}

func columns(s *columnar.Schema) []columnDescription {
	all := make([]columnDescription, len(s.Columns))
	for i, c := range s.Columns {
		all[i] = columnDescription{c.Name, c.Type.String()}
	}
	return all
}

// plainConfig is a configuration as JSON can hold it, secrets blotted out.
func plainConfig(c spec.Config) map[string]any {
	plain := map[string]any{}
	for name, v := range c.Values {
		if value := plainValue(v); value != nil {
			plain[name] = value
		}
	}
	return plain
}

func plainValue(v spec.Value) any {
	switch {
	case v.Secret && v.Text != "":
		return "***"
	case v.Sub != nil:
		return plainConfig(*v.Sub)
	case v.Names != nil:
		names := make([]any, len(v.Names))
		for i, n := range v.Names {
			names[i] = plainValue(n)
		}
		return names
	case v.Map != nil:
		entries := map[string]any{}
		for _, e := range v.Map {
			entries[e.Key] = plainValue(e.Value)
		}
		return entries
	case v.List != nil:
		list := make([]any, len(v.List))
		for i, c := range v.List {
			list[i] = plainConfig(c)
		}
		return list
	case v.Text != "":
		return v.Text
	}
	return nil
}
