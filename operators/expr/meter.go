package expr

import (
	"fmt"
	"math"
	"reflect"

	"github.com/expr-lang/expr/ast"
	exprbuiltin "github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
)

// MaxSteps is how many elements of arrays one opaque part of an expression may
// look at for one row, all its closures together.
const MaxSteps = 100_000

// meter bounds the work of the virtual machine for one row. The machine itself
// counts only the elements of the arrays that it makes, so an array of ten
// thousand elements from one record, searched for each of its elements, would
// hold a core for a second, and text that is doubled by each of thirty closures
// would fill the memory. So the parts that repeat work or build text are replaced:
//
//   - the body of a closure takes a step before it is evaluated;
//   - a function over a whole array takes a step for each element (uniq, which
//     compares all pairs, their number), and so does `in`;
//   - arithmetic, and the conversions int, float and string, are ours: they fail on
//     overflow as they do outside of closures, and joining text takes steps.
type meter struct{ left int }

func (m *meter) take(n int) error {
	if n > m.left {
		m.left = 0
		return fmt.Errorf("more than %d steps over the elements of arrays", MaxSteps)
	}
	m.left -= n
	return nil
}

// meterName is the machine's variable that holds the *meter of the row.
const meterName = "meter"

// machineOwn are our functions in the machine. Their first argument is the meter.
var machineOwn = map[string]func(m *meter, args []any) (any, error){
	"step":   func(m *meter, _ []any) (any, error) { return true, m.take(1) },
	"charge": func(m *meter, args []any) (any, error) { return true, m.take(elements(args[0])) },
	"square": func(m *meter, args []any) (any, error) {
		n := elements(args[0])
		return true, m.take(min(n, MaxSteps+1) * n)
	},
	"arith": func(m *meter, args []any) (any, error) { return machineArith(m, args[0].(string), args[1], args[2]) },
	"int":   func(_ *meter, args []any) (any, error) { return machineCast("int", args[0]) },
	"float": func(_ *meter, args []any) (any, error) { return machineCast("float", args[0]) },
	"string": func(m *meter, args []any) (any, error) {
		s, err := machineCast("string", args[0])
		if text, ok := s.(string); ok && err == nil {
			err = m.take(len(text) / 64)
		}
		return s, err
	},
}

// ownName is the name of one of our functions in the machine; users cannot write it.
func ownName(name string) string { return "millrace_" + name }

// addOwn makes our functions known to the machine's checker and compiler.
func addOwn(config *conf.Config) {
	for name, f := range machineOwn {
		config.Functions[ownName(name)] = &exprbuiltin.Function{
			Name:  ownName(name),
			Func:  func(args ...any) (any, error) { return f(args[0].(*meter), args[1:]) },
			Types: []reflect.Type{reflect.TypeFor[func(...any) any]()},
		}
	}
}

// own is a call of one of our functions.
func own(at ast.Node, name string, args ...ast.Node) ast.Node {
	callee := &ast.IdentifierNode{Value: ownName(name)}
	n := &ast.CallNode{Callee: callee, Arguments: append([]ast.Node{&ast.IdentifierNode{Value: meterName}}, args...)}
	callee.SetLocation(at.Location())
	n.SetLocation(at.Location())
	return n
}

// before is `first; then`, with then's type.
func before(first, then ast.Node) ast.Node {
	n := &ast.SequenceNode{Nodes: []ast.Node{first, then}}
	n.SetLocation(then.Location())
	return n
}

// charged computes array once, pays for its elements, and goes on with what use
// makes of it.
func (b *opaqueBuilder) charged(price string, array ast.Node, use func(array ast.Node) ast.Node) ast.Node {
	b.charges++
	name := fmt.Sprintf("array%d", b.charges)
	ref := func() ast.Node {
		id := &ast.IdentifierNode{Value: name}
		id.SetLocation(array.Location())
		return id
	}
	n := &ast.VariableDeclaratorNode{Name: name, Value: array, Expr: before(own(array, price, ref()), use(ref()))}
	n.SetLocation(array.Location())
	return n
}

// metered replaces a node, whose children have been rewritten, by one that pays.
func (b *opaqueBuilder) metered(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.PredicateNode:
		n.Node = before(own(n.Node, "step"), n.Node)
	case *ast.BinaryNode:
		if _, literal := n.Right.(*ast.ArrayNode); n.Operator == "in" && !literal {
			return b.charged("charge", n.Right, func(array ast.Node) ast.Node { n.Right = array; return n })
		}
		switch n.Operator {
		case "+", "-", "*", "/", "%":
			op := &ast.StringNode{Value: n.Operator}
			op.SetLocation(n.Location())
			return own(n, "arith", op, n.Left, n.Right)
		}
	case *ast.BuiltinNode:
		return b.meteredCall(n)
	}
	return n
}

func (b *opaqueBuilder) meteredCall(n *ast.BuiltinNode) ast.Node {
	use := func(array ast.Node) ast.Node {
		n.Arguments = append([]ast.Node{array}, n.Arguments[1:]...)
		return n
	}
	switch n.Name {
	case "int", "float", "string":
		if len(n.Arguments) == 1 {
			return own(n, n.Name, n.Arguments[0])
		}
	case "split":
		return b.charged("charge", n, func(array ast.Node) ast.Node { return array })
	case "uniq":
		if len(n.Arguments) == 1 {
			return b.charged("square", n.Arguments[0], use)
		}
	case "sum", "join", "sort", "reverse", "mean", "median", "min", "max":
		if len(n.Arguments) > 0 {
			return b.charged("charge", n.Arguments[0], use)
		}
	}
	return n
}

// elements is what going over x costs: its length if it is an array, else 1.
func elements(x any) int {
	switch v := reflect.ValueOf(x); v.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return 1 + v.Len()
	}
	return 1
}

// machineCast is int, float or string of a value of the machine.
func machineCast(name string, x any) (any, error) {
	if x == nil {
		return nil, nil
	}
	v, err := untypedCasts[name].to(x)
	if err != nil {
		return nil, err
	}
	switch name {
	case "int":
		return int(v.i), nil
	case "float":
		return v.f, nil
	}
	return v.s, nil
}

// machineArith is + - * / % of two values of the machine, by our rules.
func machineArith(m *meter, op string, a, b any) (any, error) {
	x, xInt := machineInt(a)
	y, yInt := machineInt(b)
	if s, ok := a.(string); ok && op == "+" {
		if t, ok := b.(string); ok {
			return joinText(m, s, t)
		}
	}
	if xInt && yInt && op != "/" {
		return machineIntArith(op, x, y)
	}
	f, xFloat := a.(float64)
	g, yFloat := b.(float64)
	if !(xInt || xFloat) || !(yInt || yFloat) || op == "%" {
		return nil, fmt.Errorf("%s is not defined for %s and %s", op, machineTypeName(a), machineTypeName(b))
	}
	if xInt {
		f = float64(x)
	}
	if yInt {
		g = float64(y)
	}
	if op == "/" && g == 0 {
		return nil, errDivZero
	}
	return floatOp(arithOps[op], f, g), nil
}

func machineIntArith(op string, x, y int64) (any, error) {
	if op == "%" {
		r, err := modulo(x, y)
		return int(r), err
	}
	r, over := intOp(arithOps[op], x, y)
	if over != 0 || r > math.MaxInt || r < math.MinInt {
		return nil, errOverflow
	}
	return int(r), nil
}

func joinText(m *meter, s, t string) (any, error) {
	if len(s)+len(t) > MaxValueBytes {
		return nil, errTooLong
	}
	if err := m.take((len(s) + len(t)) / 64); err != nil {
		return nil, err
	}
	return s + t, nil
}

// machineTypeName is what a user calls the type of a value of the machine.
func machineTypeName(x any) string {
	if _, ok := machineInt(x); ok {
		return "int64"
	}
	switch x.(type) {
	case nil:
		return "nil"
	case bool:
		return "bool"
	case float64:
		return "float64"
	case string:
		return "string"
	case map[string]any:
		return "an object"
	}
	if k := reflect.ValueOf(x).Kind(); k == reflect.Slice || k == reflect.Array {
		return "an array"
	}
	return fmt.Sprintf("%T", x)
}
