package dsl

import (
	"os"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/spec"
)

// Catalog is what a pipeline may be made of. The zero value is everything that
// the program has registered, and the process's environment.
type Catalog struct {
	Operators  *operators.Registry  // nil: operators.Default
	Connectors *connectors.Registry // nil: connectors.Default
	// Formats are the codecs; nil: those of connectors/codec.
	Formats []Format
	// Getenv finds the value of ${NAME}; nil: os.LookupEnv.
	Getenv func(name string) (string, bool)
}

// Format is what is known here of a codec.
type Format struct {
	Name    string
	Summary string
	Doc     string
	Fields  []spec.Field
}

// orDefault fills in what is nil.
func (c Catalog) orDefault() Catalog {
	if c.Operators == nil {
		c.Operators = operators.Default
	}
	if c.Connectors == nil {
		c.Connectors = connectors.Default
	}
	if c.Getenv == nil {
		c.Getenv = os.LookupEnv
	}
	return c
}

// format finds a codec by name.
func (c Catalog) format(name string) (Format, bool) {
	for _, f := range c.Formats {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
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

// fields are those of a verb; false if there is no such verb.
func (c Catalog) fields(k Kind, verb string) ([]spec.Field, bool) {
	switch k {
	case Source:
		if s, ok := c.Connectors.Source(verb); ok {
			return s.Fields, true
		}
	case Operator:
		if s, ok := c.Operators.Lookup(verb); ok {
			return s.Fields, true
		}
	case Sink:
		if s, ok := c.Connectors.Sink(verb); ok {
			return s.Fields, true
		}
	}
	return nil, false
}

// formats are the names of the codecs that a connector reads or writes, and the
// one it takes by itself.
func (c Catalog) formats(k Kind, verb string) (names []string, byDefault string) {
	switch k {
	case Source:
		if s, ok := c.Connectors.Source(verb); ok {
			return s.Formats, s.Default
		}
	case Sink:
		if s, ok := c.Connectors.Sink(verb); ok {
			return s.Formats, s.Default
		}
	}
	return nil, ""
}
