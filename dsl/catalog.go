package dsl

import (
	"os"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/spec"
)

// Catalog is what a pipeline may be made of. The zero value is everything that
// the program has registered, and the process's environment.
type Catalog struct {
	Operators  *operators.Registry  // nil: operators.Default
	Connectors *connectors.Registry // nil: connectors.Default
	// Formats are the codecs, by name; nil: those registered with connectors/codec.
	Formats []*codec.Format
	// Getenv finds the value of ${NAME}; nil: os.LookupEnv.
	Getenv func(name string) (string, bool)
}

// orDefault fills in what is nil.
func (c Catalog) orDefault() Catalog {
	if c.Operators == nil {
		c.Operators = operators.Default
	}
	if c.Connectors == nil {
		c.Connectors = connectors.Default
	}
	if c.Formats == nil {
		c.Formats = codec.List()
	}
	if c.Getenv == nil {
		c.Getenv = os.LookupEnv
	}
	return c
}

// format finds a codec by name.
func (c Catalog) format(name string) (*codec.Format, bool) {
	for _, f := range c.Formats {
		if f.Name == name {
			return f, true
		}
	}
	return nil, false
}

// verb is what is known here of a registered verb.
type verb struct {
	summary, doc, example string
	fields                []spec.Field
	formats               []string // that it reads or writes; nil if it has none
	format                string   // the one it takes by itself
}

// verb finds a verb of a kind of node.
func (c Catalog) verb(k Kind, name string) (verb, bool) {
	switch k {
	case Source:
		if s, ok := c.Connectors.Source(name); ok {
			return verb{s.Summary, s.Doc, s.Example, s.Fields, s.Formats, s.Default}, true
		}
	case Operator:
		if s, ok := c.Operators.Lookup(name); ok {
			return verb{s.Summary, s.Doc, s.Example, s.Fields, nil, ""}, true
		}
	case Sink:
		if s, ok := c.Connectors.Sink(name); ok {
			return verb{s.Summary, s.Doc, s.Example, s.Fields, s.Formats, s.Default}, true
		}
	}
	return verb{}, false
}

// verbs lists the registered verbs of a kind of node, by name.
func (c Catalog) verbs(k Kind) []string {
	var names []string
	switch k {
	case Source:
		for _, s := range c.Connectors.Sources() {
			names = append(names, s.Name)
		}
	case Operator:
		for _, s := range c.Operators.List() {
			names = append(names, s.Name)
		}
	case Sink:
		for _, s := range c.Connectors.Sinks() {
			names = append(names, s.Name)
		}
	}
	return names
}
