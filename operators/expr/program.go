package expr

import (
	"github.com/millrace/millrace/operators/columnar"
)

// Program is a compiled expression. It is immutable and may be shared.
type Program struct {
	text    string
	schema  *columnar.Schema
	typ     columnar.Type
	columns []string
	mode    Mode
	mayFail bool
}

// Text is the expression as it was written.
func (p *Program) Text() string { return p.text }

// Type is the type of the result. It says whether the result can be null.
func (p *Program) Type() columnar.Type { return p.typ }

// Columns lists the columns that the expression reads, each once, in the order
// of the schema.
func (p *Program) Columns() []string { return p.columns }

// Mode says how the program runs, for explain.
func (p *Program) Mode() Mode { return p.mode }

// MayFail says whether Run or Filter can report row errors.
func (p *Program) MayFail() bool { return p.mayFail }
