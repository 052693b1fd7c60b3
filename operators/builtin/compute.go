package builtin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/expr"
	"github.com/millrace/millrace/operators/spec"
	"github.com/millrace/millrace/statestore"
)

// function is one aggregate function; each lives in a file of its own.
type function struct {
	name string
	doc  string
	// plan says what the function is over an argument of the given type; Invalid is
	// no argument. An error is for the user and does not repeat the call.
	plan func(arg columnar.Type) (*formula, error)
}

// formula is a function over a type of argument: what it keeps per key and how it is
// made.
type formula struct {
	result columnar.Type
	words  int // of state, zero at first
	blobs  int
	// elements: it keeps entries of its own beside the row, in a space of its own.
	elements bool
	// mayFail: a result may not exist although its rows did not fail.
	mayFail bool
	make    func(place) accumulator
}

// place is where in a row of state an accumulator lives.
type place struct {
	word  uint32 // index of its first word
	blob  int    // index of its first blob
	space uint8  // of its elements
}

// part is the rows of a batch that go into one window.
type part struct {
	end   int64 // of the window; the namespace
	table *statestore.Table
	keys  *columnar.Keys
	rows  []int32           // physical rows
	slots []statestore.Slot // where each row's key has its state
}

// accumulator is one computed column of a running aggregate. Its state is in the
// table; it has none of its own. Whatever the order in which values are added, the
// result is the same, to the last bit.
type accumulator interface {
	// add takes in the values of arg, which is nil for count(), at p.rows.
	add(p *part, arg arrow.Array) error
	// emit appends the results of slots to out; for one that does not exist it appends
	// null and calls fail with its index.
	emit(t *statestore.Table, slots []statestore.Slot, out *columnar.Buffer, fail func(j int, cause error))
}

// elementSpace is the first space of elements; the rows are in space 0.
const (
	rowSpace     = 0
	elementSpace = 1
	maxElements  = statestore.OperatorSpaces - elementSpace
)

var functions = []*function{countFunction, sumFunction, minFunction, maxFunction, avgFunction, distinctFunction}

func functionNames() []string {
	names := make([]string, len(functions))
	for i, f := range functions {
		names[i] = f.name
	}
	slices.Sort(names)
	return names
}

// computation is the `compute` mapping, planned.
type computation struct {
	columns  []columnar.Column
	programs []*expr.Program // arguments, each text once
	calls    []call
	layout   statestore.Layout
	elements int // spaces of elements
	mayFail  bool
	notes    []string // what each column is, for the state's layout
}

// call is one computed column.
type call struct {
	formula *formula
	place   place
	arg     int // index into programs; -1 for none
}

// planCompute reads the `compute` mapping over the rows of a schema.
func planCompute(v spec.Value, schema *columnar.Schema) (*computation, error) {
	c := &computation{}
	var faults spec.Errors
	if len(v.Map) == 0 {
		return nil, spec.Errorf(v.Pos, "empty", "compute needs at least one column, for instance {n: count()}")
	}
	for _, e := range v.Map {
		if err := c.add(e, schema); err != nil {
			faults = collect(faults, err)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	c.place()
	return c, nil
}

func (c *computation) add(e spec.Entry, schema *columnar.Schema) error {
	parsed, err := expr.ParseCall(e.Value.Text)
	if err != nil {
		return placed(e.Value, 0, err)
	}
	at := slices.IndexFunc(functions, func(f *function) bool { return f.name == parsed.Name })
	if at < 0 {
		fault := spec.Errorf(e.Value.At(parsed.From), "unknown-function", "there is no aggregate function %s", parsed.Name)
		fault.Hint = spec.DidYouMean(parsed.Name, functionNames())
		return fault
	}
	f := functions[at]
	if len(parsed.Args) > 1 {
		return spec.Errorf(e.Value.At(parsed.Args[1].From), "arguments", "%s takes one argument", f.name)
	}
	arg, typ, from := -1, columnar.Type{}, parsed.OpenAt
	if len(parsed.Args) == 1 {
		from = parsed.Args[0].From
		p, err := compile(e.Value, parsed.Args[0].Text, from, schema, columnar.Invalid)
		if err != nil {
			return err
		}
		arg, typ = c.program(p), p.Type()
	}
	formula, err := f.plan(typ)
	if err != nil {
		return spec.Errorf(e.Value.At(from), "type-mismatch", "%s", err)
	}
	if formula.elements {
		if c.elements++; c.elements > maxElements {
			fault := spec.Errorf(e.Pos, "range", "an aggregate has at most %d %s", maxElements, f.name)
			fault.Hint = "compute the others in a second aggregate of the same rows"
			return fault
		}
	}
	c.columns = append(c.columns, columnar.Column{Name: e.Key, Type: formula.result})
	c.calls = append(c.calls, call{formula: formula, arg: arg})
	c.mayFail = c.mayFail || formula.mayFail
	c.notes = append(c.notes, describe(f.name, parsed, typ))
	return nil
}

// describe is a call as the state's layout keeps it: the type that the argument has
// decides what is kept.
func describe(name string, parsed *expr.Call, typ columnar.Type) string {
	if len(parsed.Args) == 0 {
		return name + "()"
	}
	null := ""
	if typ.Nullable {
		null = "|null"
	}
	return fmt.Sprintf("%s(%s: %s%s)", name, unspaced(parsed.Args[0].Text), typ.Kind, null)
}

// unspaced is an expression without the blanks that mean nothing. One with text in it
// stays as it is: blanks there may mean something.
func unspaced(text string) string {
	if strings.ContainsAny(text, "\"'`") {
		return text
	}
	return strings.Join(strings.Fields(text), " ")
}

// program is the index of a program, one per text.
func (c *computation) program(p *expr.Program) int {
	for i, known := range c.programs {
		if known.Text() == p.Text() {
			return i
		}
	}
	c.programs = append(c.programs, p)
	return len(c.programs) - 1
}

// place gives every call its words and blobs.
func (c *computation) place() {
	words, blobs, space := 0, 0, uint8(elementSpace)
	for i := range c.calls {
		f := c.calls[i].formula
		c.calls[i].place = place{word: uint32(words), blob: blobs, space: space}
		words += f.words
		blobs += f.blobs
		if f.elements {
			space++
		}
	}
	c.layout = statestore.Layout{Words: words + blobs, Blobs: blobs}
}

// accumulators makes one per call.
func (c *computation) accumulators() []accumulator {
	accs := make([]accumulator, len(c.calls))
	for i, call := range c.calls {
		accs[i] = call.formula.make(call.place)
	}
	return accs
}

// needsArgument refuses a call without argument.
func needsArgument(name string, arg columnar.Type) error {
	if arg.Kind == columnar.Invalid {
		return fmt.Errorf("%s needs an argument, for instance %s(price)", name, name)
	}
	return nil
}

// numeric refuses arguments that are not numbers.
func numeric(name string, arg columnar.Type) error {
	if err := needsArgument(name, arg); err != nil {
		return err
	}
	if arg.Kind != columnar.Int64 && arg.Kind != columnar.Float64 {
		return fmt.Errorf("%s is of numbers, and this is %s", name, arg)
	}
	return nil
}

var errOverflow = errors.New("the sum is beyond what int64 can hold")
