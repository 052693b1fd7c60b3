package expr

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	exprchecker "github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
)

// machineFunctions are the functions that may be used on the elements of an array,
// beside the array functions themselves. They are expr's and are left out here if
// their result depends on the clock, the order of a map or the local time zone, or
// may be much longer than their arguments.
var machineFunctions = map[string]bool{
	"len": true, "abs": true, "ceil": true, "floor": true, "round": true, "min": true, "max": true,
	"int": true, "float": true, "string": true, "trim": true, "trimPrefix": true, "trimSuffix": true,
	"upper": true, "lower": true, "indexOf": true, "lastIndexOf": true,
	"hasPrefix": true, "hasSuffix": true,
}

// opaqueBuilder cuts the operands out of a subtree.
type opaqueBuilder struct {
	c        *checker
	operands []node
	names    []string
	env      types.Map
	free     map[ast.Node]bool // nodes that do not depend on a closure or an inner let
	inner    []string          // names bound by let within the subtree
	charges  int               // variables made by charged
}

// checkOpaque makes an opaque node of a subtree of the syntax tree.
func (c *checker) checkOpaque(n ast.Node) (node, *Error) {
	b := &opaqueBuilder{c: c, env: types.Map{meterName: types.TypeOf(&meter{})}, free: map[ast.Node]bool{}}
	if err := b.mark(n); err != nil {
		return nil, err
	}
	body, err := b.inside(n)
	if err != nil {
		return nil, err
	}
	config := conf.New(b.env)
	addOwn(config)
	tree := &parser.Tree{Node: body, Source: file.NewSource(c.text)}
	t, cerr := exprchecker.Check(tree, config)
	if cerr != nil {
		return nil, machineError(n, cerr)
	}
	prog, cerr := compiler.Compile(tree, config)
	if cerr != nil {
		return nil, machineError(n, cerr)
	}
	at := spanOf(n)
	out := &opaque{base: newBase(typ{machineKind(t), true}, at.from, at.to, 10*costHeavy, b.operands...),
		prog: prog, names: b.names, operands: b.operands}
	out.fails, out.opaque = true, true
	return out, nil
}

// machineKind is the kind of a result that expr's checker knows.
func machineKind(t reflect.Type) kind {
	if t == nil {
		return kAny
	}
	switch t.Kind() {
	case reflect.Bool:
		return kBool
	case reflect.Int, reflect.Int32, reflect.Int64:
		if t != reflect.TypeFor[time.Duration]() {
			return kInt
		}
	case reflect.Float64:
		return kFloat
	case reflect.String:
		return kString
	}
	return kAny
}

func machineError(n ast.Node, err error) *Error {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return faultAt(n, "type-mismatch", "", "%s", err)
	}
	out := &Error{From: fe.From, To: max(fe.To, fe.From+1), Rule: "type-mismatch", Msg: fe.Message}
	var name, got string
	if k, _ := fmt.Sscanf(fe.Message, "builtin %s takes only array (got %s", &name, &got); k == 2 {
		out.Msg = fmt.Sprintf("%s works on an array, this is %s", name, strings.TrimSuffix(got, ")"))
		if out.Hint = aggregateHint(name); out.Hint == "" {
			out.Hint = "arrays come from split(s, sep), from JSON and from [a, b]"
		}
	}
	return out
}

// mark finds the nodes that depend on a closure's element or on an inner let.
func (b *opaqueBuilder) mark(n ast.Node) *Error {
	if n == nil {
		return nil
	}
	if err := b.c.count(n); err != nil {
		return err
	}
	free := true
	switch n := n.(type) {
	case *ast.PointerNode:
		free = false
	case *ast.IdentifierNode:
		for _, name := range b.inner {
			free = free && name != n.Value
		}
	case *ast.VariableDeclaratorNode:
		b.inner = append(b.inner, n.Name)
		free = false
	}
	for _, k := range syntaxKids(n) {
		if err := b.mark(k); err != nil {
			return err
		}
		free = free && b.free[k]
	}
	b.free[n] = free
	return nil
}

// rewrite is a copy of n in which the operands are variables of the machine.
func (b *opaqueBuilder) rewrite(n ast.Node) (ast.Node, *Error) {
	if n == nil {
		return nil, nil
	}
	b.c.depth++
	defer func() { b.c.depth-- }()
	if b.c.depth > MaxDepth {
		at := spanOf(n)
		return nil, tooDeep(at.from, at.to)
	}
	untyped, err := b.c.untyped(n)
	if err != nil {
		return nil, err
	}
	if b.free[n] && !untyped && isOperand(n) {
		return b.operand(n)
	}
	if id, ok := n.(*ast.IdentifierNode); ok && b.free[n] {
		return b.operand(id) // an untyped variable of an outer let
	}
	return b.inside(n)
}

// inside is a copy of a node that the machine computes itself.
func (b *opaqueBuilder) inside(n ast.Node) (ast.Node, *Error) {
	if err := b.allowed(n); err != nil {
		return nil, err
	}
	out, err := b.copyNode(n)
	if err != nil {
		return nil, err
	}
	return b.metered(out), nil
}

// operand takes n out. What it is can be known only by typing it; an array inside
// of it makes an opaque node of its own.
func (b *opaqueBuilder) operand(n ast.Node) (ast.Node, *Error) {
	x, err := b.c.check(n)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("operand%d", len(b.operands))
	b.operands, b.names = append(b.operands, x), append(b.names, name)
	b.env[name] = machineType(x.info().t.kind)
	id := &ast.IdentifierNode{Value: name}
	id.SetLocation(n.Location())
	return id, nil
}

func machineType(k kind) types.Type {
	switch k {
	case kBool:
		return types.Bool
	case kInt, kDuration:
		return types.Int
	case kFloat:
		return types.Float64
	case kString:
		return types.String
	case kBytes:
		return types.TypeOf([]byte(nil))
	case kTime:
		return types.TypeOf(time.Time{})
	}
	return types.Any
}

// isOperand says whether a node can stand alone and is worth it: literals and parts
// of the syntax stay where they are.
func isOperand(n ast.Node) bool {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.NilNode, *ast.BytesNode, *ast.PairNode, *ast.PredicateNode:
		return false
	}
	return true
}

// allowed refuses what the virtual machine must not do.
func (b *opaqueBuilder) allowed(n ast.Node) *Error {
	name := ""
	switch n := n.(type) {
	case *ast.BuiltinNode:
		name = n.Name
	case *ast.CallNode:
		id, ok := n.Callee.(*ast.IdentifierNode)
		if !ok {
			return faultAt(n, "unknown-function", "functions are written f(x)", "there are no methods")
		}
		name = id.Value
		if !machineFunctions[name] && !isArrayFunction(name) {
			return b.notInClosure(n, name)
		}
	case *ast.BinaryNode:
		if _, ok := n.Right.(*ast.StringNode); n.Operator == "matches" && !ok {
			return faultAt(n, "not-constant", "", "a pattern must be a constant")
		}
	}
	if name != "" && !machineFunctions[name] && !isArrayFunction(name) {
		return b.notInClosure(n, name)
	}
	return nil
}

func (b *opaqueBuilder) notInClosure(n ast.Node, name string) *Error {
	if _, known := builtins[name]; !known {
		return b.c.unknownFunction(&call{name: name, at: n})
	}
	return faultAt(n, "not-in-closure", "compute it outside, or in a map operator before", "%s cannot be used on the elements of an array", name)
}
