package operators

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// RowSpec declares an operator that looks at one row at a time, keeps at most one
// value of state per key, and adds columns to rows or drops them. It is the short
// way for operators that need no batches, windows or timers:
//
//	operators.Register(operators.PerRow(operators.RowSpec{
//		Name:   "ewma",
//		Fields: []spec.Field{{Name: "by", Type: spec.Names}, {Name: "of", Type: spec.Names}, ...},
//		Plan: func(p *operators.RowPlan) operators.RowFunc {
//			p.KeyBy("by")
//			of, alpha := p.Column("of", columnar.Float64), p.Config.Get("alpha").Float
//			out := p.Add("ewma", columnar.Type{Kind: columnar.Float64})
//			return func(r *operators.Row) error {
//				average := r.Float(of)
//				if old, ok := r.StateFloat(); ok {
//					average = alpha*average + (1-alpha)*old
//				}
//				r.SetStateFloat(average)
//				r.SetFloat(out, average)
//				return nil
//			}
//		},
//	}))
type RowSpec struct {
	Name    string // as in Spec
	Summary string
	Doc     string
	Fields  []spec.Field
	Example string

	// Plan looks at the configuration and the input's columns, says through p what the
	// operator needs and adds, and returns what is done with each row. Faults are
	// recorded by p's methods and by p.Fault.
	Plan func(p *RowPlan) RowFunc
}

// RowFunc handles one row. Rows of one key come in the order of arrival. An error sends
// the row to the error port and leaves the key's state as it was. The function is
// shared by all instances of the operator, which run concurrently: it keeps nothing
// but what Plan gave it.
type RowFunc func(r *Row) error

// PerRow makes an operator of a RowSpec. Without KeyBy its class is exact, with it
// arrival, unless Plan says otherwise.
func PerRow(s RowSpec) *Spec {
	return &Spec{Name: s.Name, Summary: s.Summary, Doc: s.Doc, Fields: s.Fields, Example: s.Example,
		Plan: func(in PlanInput) (*Plan, error) {
			p := &RowPlan{Config: in.Config, Input: in.Inputs[0], StateVersion: 1}
			fn := s.Plan(p)
			return p.plan(s.Name, fn)
		}}
}

// RowPlan is what a RowSpec's Plan works with.
type RowPlan struct {
	Config spec.Config
	Input  *columnar.Schema

	// Class overrides the class, if SetClass is true.
	Class    Class
	SetClass bool
	// StateVersion is to be raised when the meaning of the state's bytes changes; 1 at
	// first.
	StateVersion int

	key    []string // nil: no state
	added  []columnar.Column
	faults spec.Errors
}

// Fault records that the configuration cannot be used.
func (p *RowPlan) Fault(e *spec.Error) { p.faults = append(p.faults, e) }

// KeyBy gives the operator state: one value per combination of values of the columns
// that the given field, of type Names, lists.
func (p *RowPlan) KeyBy(field string) {
	p.key = []string{}
	for _, name := range p.Config.Get(field).Names {
		if p.find(name, nil) >= 0 {
			p.key = append(p.key, name.Text)
		}
	}
}

// Column is the index of the column that the given field names; the field is of type
// Names, with one name, or String. Kinds, if any, are those that the column may have.
// If there is no such column a fault is recorded and -1 returned.
func (p *RowPlan) Column(field string, kinds ...columnar.Kind) int {
	v := p.Config.Get(field)
	if v.Type == spec.Names {
		if len(v.Names) != 1 {
			p.Fault(spec.Errorf(v.Pos, "columns", "%s is one column", field))
			return -1
		}
		v = v.Names[0]
	}
	return p.find(v, kinds)
}

func (p *RowPlan) find(name spec.Value, kinds []columnar.Kind) int {
	i := p.Input.Index(name.Text)
	if i < 0 {
		e := spec.Errorf(name.Pos, "unknown-column", "there is no column %q", name.Text)
		e.Hint = spec.DidYouMean(name.Text, p.Input.Names())
		p.Fault(e)
		return -1
	}
	if got := p.Input.Columns[i].Type; len(kinds) > 0 && !slices.Contains(kinds, got.Kind) {
		p.Fault(spec.Errorf(name.Pos, "type-mismatch", "column %q is %s, not %s", name.Text, got, kindList(kinds)))
		return -1
	}
	return i
}

func kindList(kinds []columnar.Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.String()
	}
	return strings.Join(names, " or ")
}

// Add appends a column to the output and returns its index for Row's setters. A name
// that is taken is a fault.
func (p *RowPlan) Add(name string, t columnar.Type) int {
	taken := p.Input.Index(name) >= 0 || slices.ContainsFunc(p.added, func(c columnar.Column) bool { return c.Name == name })
	if taken {
		e := spec.Errorf(p.Config.Pos, "duplicate", "the rows have a column %q already", name)
		e.Hint = "rename it with map first"
		p.Fault(e)
	}
	p.added = append(p.added, columnar.Column{Name: name, Type: t})
	return len(p.added) - 1
}

func (p *RowPlan) plan(name string, fn RowFunc) (*Plan, error) {
	if len(p.faults) > 0 {
		return nil, p.faults
	}
	output, err := columnar.NewSchema(append(slices.Clone(p.Input.Columns), p.added...)...)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Output: output, MayFail: true, KeepsEventTime: true,
		New: func() (Operator, error) { return newPerRow(output, p, fn), nil }}
	if p.key != nil {
		plan.Class = Arrival
		plan.Key = [][]string{p.key}
		plan.StateVersion = p.StateVersion
		plan.StateLayout = p.layout(name)
	}
	if p.SetClass {
		plan.Class = p.Class
	}
	return plan, nil
}

func (p *RowPlan) layout(name string) string {
	key := make([]string, len(p.key))
	for i, k := range p.key {
		key[i] = k + ": " + p.Input.Columns[p.Input.Index(k)].Type.Kind.String()
	}
	return fmt.Sprintf("%s by {%s}", name, strings.Join(key, ", "))
}
