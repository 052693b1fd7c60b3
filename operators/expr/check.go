package expr

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/millrace/millrace/operators/columnar"
)

// checker turns expr's syntax tree into a typed tree of nodes. expr's own checker
// would give Go's types and expr's rules for them (int64+int64 is int, nil is an
// error); it is used only for the opaque parts.
type checker struct {
	text   string
	schema *columnar.Schema
	opts   Options

	lets  []letVar // innermost last
	slots int      // variables so far
	nodes int      // nodes visited, against MaxNodes
	depth int      // nesting, against MaxDepth
}

// letVar is a name bound by let: to a slot, or to a constant.
type letVar struct {
	name    string
	untyped bool
	bind    func(from, to int) node
}

// fault is an error at a node that exists already.
func (c *checker) fault(i *base, rule, hint, format string, args ...any) *Error {
	return &Error{From: i.from, To: max(i.to, i.from+1), Rule: rule, Hint: hint, Msg: fmt.Sprintf(format, args...)}
}

// faultAt is an error at a node of the syntax tree.
func faultAt(n ast.Node, rule, hint, format string, args ...any) *Error {
	l := n.Location()
	return &Error{From: l.From, To: max(l.To, l.From+1), Rule: rule, Hint: hint, Msg: fmt.Sprintf(format, args...)}
}

// check types a node that is nested in another one.
func (c *checker) check(n ast.Node) (node, *Error) {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > MaxDepth {
		l := n.Location()
		return nil, tooDeep(l.From, max(l.To, l.From+1))
	}
	return c.checkChain(n)
}

// checkChain types the left operand of a chain such as a + b + c, or the last
// branch of an if-else-if, which do not count as nesting.
func (c *checker) checkChain(n ast.Node) (node, *Error) {
	if err := c.count(n); err != nil {
		return nil, err
	}
	untyped, err := c.untyped(n)
	if err != nil {
		return nil, err
	}
	var out node
	if _, isName := n.(*ast.IdentifierNode); untyped && !isName {
		out, err = c.checkOpaque(n)
	} else {
		out, err = c.dispatch(n)
	}
	if err != nil {
		return nil, err
	}
	return c.fold(out)
}

// count bounds the work. The tree may share nodes (a ?: b, a < b < c), so that the
// parser's own count is not enough.
func (c *checker) count(n ast.Node) *Error {
	if c.nodes++; c.nodes > MaxNodes {
		return faultAt(n, "too-large", "", "%s", msgTooManyParts)
	}
	return nil
}

func (c *checker) dispatch(n ast.Node) (node, *Error) {
	l := n.Location()
	switch n := n.(type) {
	case *ast.NilNode:
		return newConstant(typ{kNull, true}, l.From, l.To, nullValue), nil
	case *ast.IntegerNode:
		return newConstant(typ{kind: kInt}, l.From, l.To, value{i: int64(n.Value)}), nil
	case *ast.FloatNode:
		return newConstant(typ{kind: kFloat}, l.From, l.To, value{f: n.Value}), nil
	case *ast.BoolNode:
		return newConstant(typ{kind: kBool}, l.From, l.To, boolValue(n.Value)), nil
	case *ast.StringNode:
		return newConstant(typ{kind: kString}, l.From, l.To, value{s: n.Value}), nil
	case *ast.BytesNode:
		return newConstant(typ{kind: kBytes}, l.From, l.To, value{s: string(n.Value)}), nil
	case *ast.IdentifierNode:
		return c.checkName(n)
	case *ast.UnaryNode:
		return c.checkUnary(n)
	case *ast.BinaryNode:
		return c.checkBinary(n)
	case *ast.MemberNode:
		return c.checkMember(n)
	case *ast.ChainNode:
		return c.check(n.Node)
	case *ast.CallNode:
		return c.checkCallNode(n)
	case *ast.BuiltinNode:
		return c.checkCall(&call{name: n.Name, args: n.Arguments, at: n})
	case *ast.ConditionalNode:
		return c.checkChoice(n)
	case *ast.VariableDeclaratorNode:
		return c.checkLet(n)
	case *ast.SliceNode:
		return nil, faultAt(n, "type-mismatch", "for a part of a string write substr(s, from, n), which counts characters", "only arrays can be sliced")
	case *ast.PointerNode:
		return nil, faultAt(n, "syntax", "", "# and a leading dot mean the element of an array, inside of filter(...), any(...) and the like")
	case *ast.SequenceNode:
		return nil, faultAt(n, "syntax", "name a value with let x = ...; and use it after the semicolon", "only the last of several expressions would count")
	}
	return nil, faultAt(n, "syntax", "", "this construct is not supported")
}

// fold replaces a node over constants by its value. That it fails is known now,
// then, and is a fault of the text.
func (c *checker) fold(n node) (node, *Error) {
	i := n.info()
	if c.opts.noFold {
		return n, nil
	}
	if len(i.kids) == 0 || i.opaque {
		if a, ok := n.(*apply); !ok || len(a.args) > 0 {
			return n, nil
		}
	}
	for _, k := range i.kids {
		if _, ok := k.(*constant); !ok {
			return n, nil
		}
	}
	e := &Eval{p: &Program{text: c.text}, n: 1, maxText: maxBatchText}
	v, fault := n.row(e, 0)
	if fault != nil {
		return nil, &Error{From: fault.From, To: max(fault.To, fault.From+1), Rule: "always-fails", Msg: "this fails for every row: " + fault.Msg}
	}
	v.s = strings.Clone(v.s)
	return newConstant(i.t, i.from, i.to, v), nil
}

func (c *checker) checkName(n *ast.IdentifierNode) (node, *Error) {
	l := n.Location()
	for k := len(c.lets) - 1; k >= 0; k-- {
		if c.lets[k].name == n.Value {
			return c.lets[k].bind(l.From, l.To), nil
		}
	}
	return c.columnNamed(n.Value, n)
}

func (c *checker) columnNamed(name string, at ast.Node) (node, *Error) {
	l := at.Location()
	if k := c.schema.Index(name); k >= 0 {
		t := c.schema.Columns[k].Type
		return &column{base: newBase(typ{fromColumnar[t.Kind], t.Nullable}, l.From, l.To, 0), index: k}, nil
	}
	switch name {
	case "null", "NULL", "None", "none", "undefined":
		return nil, faultAt(at, "unknown-column", "write nil", "unknown column %q", name)
	case "True", "TRUE", "False", "FALSE":
		return nil, faultAt(at, "unknown-column", "write "+strings.ToLower(name), "unknown column %q", name)
	}
	names := c.schema.Names()
	for _, v := range c.lets {
		names = append(names, v.name)
	}
	hint := didYouMean(name, names)
	if hint == "" {
		switch _, isFunc := builtins[name]; {
		case isFunc:
			hint = fmt.Sprintf("%s is a function: write %s(...)", name, name)
		case len(names) == 0:
			hint = "there are no columns here"
		case len(names) <= 12:
			hint = "the columns are " + strings.Join(names, ", ")
		}
	}
	return nil, faultAt(at, "unknown-column", hint, "unknown column %q", name)
}

func (c *checker) checkLet(n *ast.VariableDeclaratorNode) (node, *Error) {
	if c.schema.Index(n.Name) >= 0 {
		return nil, faultAt(n, "shadowed-column", "choose another name", "let %s would hide the column %s", n.Name, n.Name)
	}
	val, err := c.check(n.Value)
	if err != nil {
		return nil, err
	}
	if cst, ok := val.(*constant); ok {
		return c.inScope(letVar{name: n.Name, bind: func(from, to int) node { return newConstant(cst.t, from, to, cst.v) }}, n.Expr)
	}
	slot := c.slots
	c.slots++
	t := val.info().t
	bind := func(from, to int) node {
		v := newVariable(t, slot, from, to)
		v.opaque = t.kind == kAny
		return v
	}
	body, err := c.inScope(letVar{name: n.Name, untyped: t.kind == kAny, bind: bind}, n.Expr)
	if err != nil {
		return nil, err
	}
	l := n.Location()
	return newLet(slot, val, body, l.From, l.To), nil
}

func (c *checker) inScope(v letVar, body ast.Node) (node, *Error) {
	c.lets = append(c.lets, v)
	defer func() { c.lets = c.lets[:len(c.lets)-1] }()
	return c.checkChain(body)
}

func (c *checker) checkChoice(n *ast.ConditionalNode) (node, *Error) {
	cond, err := c.check(n.Cond)
	if err != nil {
		return nil, err
	}
	if err := c.needBool(cond, "the condition"); err != nil {
		return nil, err
	}
	yes, err := c.check(n.Exp1)
	if err != nil {
		return nil, err
	}
	no, err := c.checkChain(n.Exp2)
	if err != nil {
		return nil, err
	}
	both, err := c.unify("the branches", yes, no)
	if err != nil {
		return nil, err
	}
	if v, ok := constOf(cond); ok {
		return both[1-int(v.i)], nil
	}
	i := cond.info()
	return newChoice(both[0].info().t.orNull(nullable(both...)), cond, both[0], both[1], i.from, i.to), nil
}
