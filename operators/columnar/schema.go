// Package columnar holds the shapes that flow between operators: the schema of
// a row, and the Batch, a set of rows as Arrow columns with the hidden columns
// that event time, lateness and error reports need.
//
// It knows no operator and no connector. Time is int64 microseconds since the
// Unix epoch, UTC, everywhere (one "tick" is one microsecond); the unit that a
// schema declares, as in timestamp(ms), says only how a number on the wire is
// read and written.
package columnar

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// Kind is the family of a column's type.
type Kind uint8

// The kinds of column. JSON is the raw text of a nested value, kept verbatim.
const (
	Invalid Kind = iota
	Bool
	Int64
	Float64
	String
	Bytes
	Timestamp
	JSON
)

// Unit is the unit in which a timestamp stands as a number on the wire.
type Unit uint8

// The units of a timestamp on the wire; the zero value is milliseconds.
const (
	Millisecond Unit = iota
	Second
	Microsecond
	Nanosecond
)

// Type is a column's type. Two types of equal Kind hold equal values in memory,
// whatever Unit and Nullable say.
type Type struct {
	Kind     Kind
	Unit     Unit // of Timestamp only
	Nullable bool
}

var kindNames = [...]string{"invalid", "bool", "int64", "float64", "string", "bytes", "timestamp", "json"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

var unitNames = [...]string{"ms", "s", "us", "ns"}

func (u Unit) String() string {
	if int(u) < len(unitNames) {
		return unitNames[u]
	}
	return fmt.Sprintf("unit(%d)", uint8(u))
}

// String is the type as a schema writes it: "int64|null", "timestamp(ms)".
func (t Type) String() string {
	s := t.Kind.String()
	if t.Kind == Timestamp {
		s += "(" + t.Unit.String() + ")"
	}
	if t.Nullable {
		s += "|null"
	}
	return s
}

// ErrType is wrapped by every error of ParseType.
var ErrType = errors.New("unknown type")

// TypeNames lists what ParseType accepts, for messages and documentation.
var TypeNames = []string{"bool", "int64", "float64", "string", "bytes", "timestamp(s)", "timestamp(ms)", "timestamp(us)", "timestamp(ns)", "json"}

// ParseType reads a type as a schema writes it. "timestamp" alone means
// timestamp(ms); "|null" makes a column nullable.
func ParseType(text string) (Type, error) {
	var t Type
	s := strings.TrimSpace(text)
	if i := strings.IndexByte(s, '|'); i >= 0 {
		if strings.TrimSpace(s[i+1:]) != "null" {
			return Type{}, fmt.Errorf("%w %q: after | only null may follow", ErrType, text)
		}
		t.Nullable = true
		s = strings.TrimSpace(s[:i])
	}
	if rest, ok := strings.CutPrefix(s, "timestamp"); ok {
		t.Kind = Timestamp
		switch rest {
		case "", "(ms)":
			return t, nil
		case "(s)":
			t.Unit = Second
		case "(us)":
			t.Unit = Microsecond
		case "(ns)":
			t.Unit = Nanosecond
		default:
			return Type{}, fmt.Errorf("%w %q: the unit is one of s, ms, us, ns", ErrType, text)
		}
		return t, nil
	}
	for k := Bool; k <= JSON; k++ {
		if k != Timestamp && s == kindNames[k] {
			t.Kind = k
			return t, nil
		}
	}
	return Type{}, fmt.Errorf("%w %q", ErrType, text)
}

// Arrow is the type's layout in memory. A timestamp is always microseconds UTC.
func (t Type) Arrow() arrow.DataType {
	switch t.Kind {
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Int64:
		return arrow.PrimitiveTypes.Int64
	case Float64:
		return arrow.PrimitiveTypes.Float64
	case String, JSON:
		return arrow.BinaryTypes.String
	case Bytes:
		return arrow.BinaryTypes.Binary
	case Timestamp:
		return arrow.FixedWidthTypes.Timestamp_us
	}
	return arrow.Null
}

// Column is one named column of a Schema.
type Column struct {
	Name string
	Type Type
}

// Schema is the ordered list of a row's columns. It is immutable once shared.
type Schema struct {
	Columns []Column
	index   map[string]int
}

// NewSchema builds a schema. Names must be unique; a duplicate is an error.
func NewSchema(columns ...Column) (*Schema, error) {
	s := &Schema{Columns: columns, index: make(map[string]int, len(columns))}
	for i, c := range columns {
		if _, dup := s.index[c.Name]; dup {
			return nil, fmt.Errorf("column %q appears twice", c.Name)
		}
		s.index[c.Name] = i
	}
	return s, nil
}

// Index is the position of the named column, or -1.
func (s *Schema) Index(name string) int {
	if i, ok := s.index[name]; ok {
		return i
	}
	return -1
}

// Names lists the columns' names in order.
func (s *Schema) Names() []string {
	names := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		names[i] = c.Name
	}
	return names
}

// Equal says whether both schemas have the same names and types in the same
// order; the wire unit of timestamps is ignored.
func (s *Schema) Equal(o *Schema) bool {
	if len(s.Columns) != len(o.Columns) {
		return false
	}
	for i, c := range s.Columns {
		d := o.Columns[i]
		if c.Name != d.Name || c.Type.Kind != d.Type.Kind || c.Type.Nullable != d.Type.Nullable {
			return false
		}
	}
	return true
}

// String is the schema as a pipeline writes it: "{ad: string, at: timestamp(ms)}".
func (s *Schema) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, c := range s.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.Name + ": " + c.Type.String())
	}
	b.WriteByte('}')
	return b.String()
}
