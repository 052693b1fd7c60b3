package expr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// call is a function call of the syntax tree.
type call struct {
	name string
	args []ast.Node
	at   ast.Node
}

func (c *checker) checkCallNode(n *ast.CallNode) (node, *Error) {
	switch f := n.Callee.(type) {
	case *ast.IdentifierNode:
		return c.checkCall(&call{name: f.Value, args: n.Arguments, at: n})
	case *ast.MemberNode:
		name, _ := f.Property.(*ast.StringNode)
		hint := "functions are written f(x)"
		if name != nil {
			if _, known := builtins[strings.ToLower(name.Value)]; known {
				hint = fmt.Sprintf("write %s(x)", strings.ToLower(name.Value))
			}
		}
		return nil, faultAt(n, "unknown-function", hint, "there are no methods")
	}
	return nil, faultAt(n, "unknown-function", "", "this is not a function")
}

func (c *checker) checkCall(cl *call) (node, *Error) {
	b, ok := builtins[cl.name]
	if !ok {
		return nil, c.unknownFunction(cl)
	}
	if b.special != nil {
		return b.special(c, cl)
	}
	args := make([]node, len(cl.args))
	for i, a := range cl.args {
		x, err := c.check(a)
		if err != nil {
			return nil, err
		}
		args[i] = x
	}
	return c.overloaded(cl.name, spanOf(cl.at), args...)
}

func (c *checker) unknownFunction(cl *call) *Error {
	hint := aggregateHint(cl.name)
	if hint == "" {
		hint = otherNames[cl.name]
	}
	if hint == "" {
		names := make([]string, 0, len(builtins))
		for name := range builtins {
			names = append(names, name)
		}
		hint = didYouMean(cl.name, names)
	}
	if hint == "" && c.schema.Index(cl.name) >= 0 {
		hint = cl.name + " is a column"
	}
	return faultAt(cl.at, "unknown-function", hint, "unknown function %q", cl.name)
}

// otherNames are functions of expr and of SQL that are called differently here.
var otherNames = map[string]string{
	"uppercase": "write upper(s)", "toUpper": "write upper(s)", "lowercase": "write lower(s)", "toLower": "write lower(s)", "strip": "write trim(s)",
	"substring": "write substr(s, from, n)", "length": "write len(s)", "size": "write len(s)",
	"ifnull": "write a ?? b", "nvl": "write a ?? b", "isnull": "write x == nil", "nullif": "write if a == b {nil} else {a}",
	"if": "write if c {a} else {b}", "iif": "write if c {a} else {b}", "case": "write if c {a} else {b}",
	"mod": "write a % b", "pow": "write a ^ b", "power": "write a ^ b", "div": "write idiv(a, b)",
	"date": "write timestamp(s) or parse_time(s, layout)", "strptime": "write parse_time(s, layout)", "to_timestamp": "write parse_time(s, layout) or from_unix(n, unit)",
	"strftime": "write format_time(t, layout)", "date_trunc": `write truncate(t, "1h")`, "extract": "write year(t), hour(t) and the like",
	"toJSON": "write json(x), or string(x) for the text of a JSON value", "keys": "the order of an object's members is not defined", "values": "the order of an object's members is not defined",
	"toPairs": "the order of an object's members is not defined", "cast": "write int(x), float(x), string(x) or bool(x)",
	"regexp_extract": "write regex_extract(s, pattern, group)", "regexp_matches": "write s matches pattern", "random": "expressions are deterministic", "rand": "expressions are deterministic",
	"uuid": "expressions are deterministic", "contains": "write s contains sub", "startsWith": "write s startsWith prefix", "endsWith": "write s endsWith suffix",
}

// overloaded types a call by the first overload that fits, or the first that fits
// once integers are converted to floats.
func (c *checker) overloaded(name string, at span, args ...node) (node, *Error) {
	b := builtins[name]
	if len(args) == 1 {
		switch args[0].info().t.kind {
		case kAny:
			if n, ok := newUntypedCast(name, at, args[0]); ok {
				return n, nil
			}
		case kNull:
			if b.Category == "conversion" {
				return newConstant(b.overloads[0].result, at.from, at.to, nullValue), nil
			}
		}
	}
	for _, promote := range []bool{false, true} {
		for k := range b.overloads {
			if o := &b.overloads[k]; o.fits(args, promote) {
				return c.bind(o, at, args)
			}
		}
	}
	return nil, c.noOverload(b, at, args)
}

// fits says whether the arguments have the parameters' kinds. A constant parameter
// takes only a constant where another overload would take the argument.
func (o *overload) fits(args []node, promote bool) bool {
	if len(args) != len(o.params) {
		return false
	}
	for i, p := range o.params {
		k := args[i].info().t.kind
		if k != p.kind && !(promote && k == kInt && p.kind == kFloat) {
			return false
		}
		if _, isConst := constOf(args[i]); p.constant && !isConst {
			return false
		}
	}
	return true
}

// bind makes the node of a call to an overload that fits.
func (c *checker) bind(o *overload, at span, args []node) (node, *Error) {
	fn := o.fn
	operands := args
	if o.bind != nil {
		consts := make([]value, len(args))
		operands = nil
		for i, p := range o.params {
			if p.constant {
				consts[i], _ = constOf(args[i])
			} else {
				operands = append(operands, args[i])
			}
		}
		var fault *argError
		if fn, fault = o.bind(consts); fault != nil {
			return nil, c.fault(args[fault.arg].info(), "bad-argument", fault.hint, "%s", fault.msg)
		}
	} else {
		operands = make([]node, len(args))
		for i, p := range o.params {
			operands[i] = c.as(p.kind, args[i])
		}
	}
	cost := o.cost
	if cost == 0 {
		cost = costCall
	}
	return newApply(o.result, fn, o.fails, cost, at.from, at.to, operands...), nil
}

// noOverload says why no overload fits, by the one that comes nearest.
func (c *checker) noOverload(b *builtin, at span, args []node) *Error {
	usage := "usage: " + strings.Join(b.Signatures, ", or ")
	best, bestAt := -1, -1
	for k := range b.overloads {
		o := &b.overloads[k]
		if len(o.params) != len(args) {
			continue
		}
		i := 0
		for i < len(args) && args[i].info().t.kind == o.params[i].kind && (!o.params[i].constant || isConst(args[i])) {
			i++
		}
		if i > bestAt {
			best, bestAt = k, i
		}
	}
	if best < 0 {
		return &Error{From: at.from, To: at.to, Rule: "argument-count", Hint: usage,
			Msg: fmt.Sprintf("%s does not take %d argument%s", b.Name, len(args), plural(len(args)))}
	}
	arg, want := args[bestAt].info(), b.overloads[best].params[bestAt]
	switch {
	case arg.t.kind == want.kind:
		return c.fault(arg, "not-constant", usage, "%s of %s must be a constant", want.name, b.Name)
	case arg.t.kind == kNull:
		return c.fault(arg, "always-null", "", "%s of nil is always null", b.Name)
	case bestAt == 0 && len(b.overloads) > 1:
		return c.fault(arg, "type-mismatch", "it takes "+firstKinds(b), "%s does not take %s", b.Name, arg.t.kind)
	}
	return c.fault(arg, "type-mismatch", castHint(arg.t.kind, want.kind), "%s of %s must be %s, this is %s", want.name, b.Name, want.kind, arg.t.kind)
}

// firstKinds lists what the first argument of a function may be.
func firstKinds(b *builtin) string {
	var kinds []string
	for k := range b.overloads {
		if name := b.overloads[k].params[0].kind.String(); !slices.Contains(kinds, name) {
			kinds = append(kinds, name)
		}
	}
	last := len(kinds) - 1
	if last == 0 {
		return kinds[0]
	}
	return strings.Join(kinds[:last], ", ") + " or " + kinds[last]
}

func isConst(n node) bool {
	_, ok := constOf(n)
	return ok
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
