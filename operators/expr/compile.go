package expr

import (
	"fmt"
	"unicode/utf8"

	"github.com/expr-lang/expr/parser"

	"github.com/millrace/millrace/operators/columnar"
)

// Compile parses text, checks it against the schema and makes a program of it.
// The error is an *Error.
func Compile(text string, schema *columnar.Schema, opts Options) (*Program, error) {
	p, err := compile(text, schema, opts)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func compile(text string, schema *columnar.Schema, opts Options) (*Program, *Error) {
	prog, err := compileTree(text, schema, opts)
	if err != nil {
		err.within(text)
	}
	return prog, err
}

func compileTree(text string, schema *columnar.Schema, opts Options) (*Program, *Error) {
	toks, err := tokens(text)
	if err != nil {
		return nil, err
	}
	tree, perr := parser.Parse(text)
	if perr != nil {
		return nil, explainSyntax(toks, schema, syntaxError(perr))
	}
	c := &checker{text: text, schema: schema, opts: opts}
	root, err := c.check(tree.Node)
	if err == nil {
		root, err = c.want(root)
	}
	if err != nil {
		return nil, err
	}
	info := root.info()
	prog := &Program{text: text, canonical: tree.Node.String(), schema: schema, root: root, slots: c.slots,
		typ: info.t.columnar(), mode: Columns, mayFail: info.fails}
	if info.opaque {
		prog.mode = Rows
	}
	seen := make([]bool, len(schema.Columns))
	columnsRead(root, seen)
	for i, read := range seen {
		if read {
			prog.reads = append(prog.reads, i)
			prog.columns = append(prog.columns, schema.Columns[i].Name)
		}
	}
	if prog.typ.Kind == columnar.Timestamp {
		prog.typ.Unit = finestUnit(schema, prog.reads)
	}
	return prog, nil
}

// finestUnit is the finest unit among the timestamps that are read, so that a
// column computed from others loses nothing on the wire; milliseconds if none are.
func finestUnit(schema *columnar.Schema, reads []int) columnar.Unit {
	fineness := map[columnar.Unit]int{columnar.Second: 1, columnar.Millisecond: 2, columnar.Microsecond: 3, columnar.Nanosecond: 4}
	var unit columnar.Unit
	best := 0
	for _, c := range reads {
		if t := schema.Columns[c].Type; t.Kind == columnar.Timestamp && fineness[t.Unit] > best {
			unit, best = t.Unit, fineness[t.Unit]
		}
	}
	return unit
}

// want checks the kind of the whole expression.
func (c *checker) want(root node) (node, *Error) {
	i := root.info()
	switch i.t.kind {
	case kNull:
		return nil, c.fault(i, "type-mismatch", "give it a type, for instance int(nil)", "nil alone has no type")
	case kAny:
		return nil, c.fault(i, "type-mismatch", "convert it with int(...), float(...), string(...), bool(...) or json(...)", "the value is untyped")
	}
	if c.opts.Want == columnar.Invalid {
		return root, nil
	}
	have := i.t.columnar().Kind
	switch {
	case have == c.opts.Want:
		return root, nil
	case c.opts.Want == columnar.Float64 && i.t.kind == kInt:
		return newToFloat(root), nil
	}
	hint := ""
	if c.opts.Want == columnar.Bool {
		hint = "compare it with something"
	}
	return nil, &Error{From: 0, To: utf8.RuneCountInString(c.text), Rule: "type-mismatch", Hint: hint,
		Msg: fmt.Sprintf("a %s is needed here, the expression is %s", c.opts.Want, i.t)}
}
