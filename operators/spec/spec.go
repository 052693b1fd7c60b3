// Package spec describes what may stand in a YAML node and carries what did
// stand there, with positions. Operators and connectors declare Fields; the dsl
// reads YAML into a Config by them; documentation, defaults and the JSON Schema
// are derived from them. It knows no YAML library and no verb.
package spec

import (
	"fmt"
	"strings"
	"time"
)

// Type is what a field's value may be.
type Type uint8

// The types of fields.
const (
	String    Type = iota // any scalar, as text
	Int                   // int64
	Float                 // float64
	Boolean               // true or false
	Duration              // 5s, 1m30s, 200ms; the Go syntax plus d for days
	Size                  // 64MiB, 10kB, 512
	Enum                  // one of Field.Values
	Names                 // a list of column names; a scalar is a list of one
	Expr                  // an expression, kept as text
	ExprMap               // an ordered mapping from column name to expression
	StringMap             // an ordered mapping from text to text
	Mapping               // a mapping with Field.Fields
	List                  // a list of mappings with Field.Fields
	Any                   // whatever YAML holds, as a Value tree
)

var typeNames = [...]string{"string", "int", "float", "bool", "duration", "size", "enum", "names", "expression", "expressions", "strings", "mapping", "list", "any"}

func (t Type) String() string { return typeNames[t] }

// Field is one key that may stand under a verb.
type Field struct {
	Name     string
	Type     Type
	Doc      string
	Required bool
	Primary  bool     // the field that a scalar under the verb stands for; at most one
	Default  string   // as YAML would write it; "" means the zero value
	Values   []string // of Enum; of other scalars, words that may stand for a value (never): Text is then the word
	Fields   []Field  // of Mapping and List
	Scalar   string   // of Mapping: the name of the field that a scalar stands for
	Example  string
	Min, Max string // bounds of Int, Float, Duration and Size, as YAML would write them
	Secret   bool   // never echoed
}

// Pos is a place in a pipeline file. Line and Col count from 1; Col counts runes.
// The zero Pos means unknown.
type Pos struct {
	File string
	Line int
	Col  int
}

func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Value is one value of a configuration, with its place. Exactly the fields that
// its Type names are set.
type Value struct {
	Type Type
	Pos  Pos
	Set  bool // false if the value comes from Field.Default

	// Secret says that the field is: the value may be used and never shown.
	Secret bool

	Text     string // String, Enum, Expr; the source text for all scalars
	Int      int64  // Int; Size in bytes
	Float    float64
	Bool     bool
	Duration time.Duration
	Names    []Value  // Names, as String values; elements of an Any list
	Map      []Entry  // ExprMap, StringMap; entries of an Any mapping
	Sub      *Config  // Mapping
	List     []Config // List

	// Locate maps a rune offset in Text to a place in the file; it knows about
	// YAML's quoting and block scalars. Nil where Text does not come from a file.
	Locate func(runeOffset int) Pos
}

// At is the place of a rune offset in Text, as exactly as it is known.
func (v Value) At(runeOffset int) Pos {
	if v.Locate != nil {
		return v.Locate(runeOffset)
	}
	return v.Pos
}

// Entry is one key of a mapping, in the order of the file.
type Entry struct {
	Key   string
	Pos   Pos
	Value Value
}

// Config is a node's configuration after checking against its Fields: every
// field is present, defaults filled in, Enum values valid, bounds kept.
type Config struct {
	Pos    Pos
	Values map[string]Value
}

// Get is the value of the named field; a name that the Fields do not have is a
// programming error and panics.
func (c Config) Get(name string) Value {
	v, ok := c.Values[name]
	if !ok {
		panic("spec: no field " + name)
	}
	return v
}

// Error is a fault in a configuration, with its place.
type Error struct {
	Pos  Pos
	Msg  string
	Hint string // what to do: "did you mean tumbling?"
	Rule string // a short stable name, printed in brackets: unknown-key, type-mismatch
}

func (e *Error) Error() string {
	s := e.Pos.String() + ": " + e.Msg
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	if e.Rule != "" {
		s += " [" + e.Rule + "]"
	}
	return s
}

// Errors is every fault that was found, in the order of the file.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Errorf makes an Error at a place.
func Errorf(p Pos, rule, format string, args ...any) *Error {
	return &Error{Pos: p, Rule: rule, Msg: fmt.Sprintf(format, args...)}
}
