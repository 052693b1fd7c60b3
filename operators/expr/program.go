package expr

import (
	"github.com/millrace/millrace/operators/columnar"
)

// Program is a compiled expression. It is immutable and may be shared.
type Program struct {
	text      string
	canonical string
	schema    *columnar.Schema
	root      node
	slots     int   // variables of let
	reads     []int // columns read, by index
	typ       columnar.Type
	columns   []string
	mode      Mode
	mayFail   bool
}

// Text is the expression as it was written.
func (p *Program) Text() string { return p.text }

// Canonical is the expression in a normal form: white space, redundant
// parentheses and the spelling of operators do not show. Equal canonical texts
// over equal schemas mean equal programs, so it can identify state.
func (p *Program) Canonical() string { return p.canonical }

// Type is the type of the result. It says whether the result can be null.
func (p *Program) Type() columnar.Type { return p.typ }

// Columns lists the columns that the expression reads, each once, in the order
// of the schema.
func (p *Program) Columns() []string { return p.columns }

// Column is the name of the column, if the expression is just a column.
func (p *Program) Column() (string, bool) {
	if _, ok := p.root.(*column); ok {
		return p.columns[0], true
	}
	return "", false
}

// Mode says how the program runs, for explain.
func (p *Program) Mode() Mode { return p.mode }

// MayFail says whether Run or Filter can report row errors.
func (p *Program) MayFail() bool { return p.mayFail }
