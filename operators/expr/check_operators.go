package expr

import (
	"github.com/expr-lang/expr/ast"
)

// span is a place in the text.
type span struct{ from, to int }

func spanOf(n ast.Node) span {
	l := n.Location()
	return span{l.From, max(l.To, l.From+1)}
}

func (c *checker) checkUnary(n *ast.UnaryNode) (node, *Error) {
	arg, err := c.check(n.Node)
	if err != nil {
		return nil, err
	}
	at, k := spanOf(n), arg.info().t
	switch n.Operator {
	case "not", "!":
		if err := c.needBool(arg, "the operand of not"); err != nil {
			err.Hint = "not binds tighter than comparisons: write not (a == b)"
			return nil, err
		}
		return newNot(arg, at.from, at.to), nil
	case "-":
		switch k.kind {
		case kInt, kDuration:
			return newApply(typ{kind: k.kind}, fn1[int64, int64](negate), true, costLoop, at.from, at.to, arg), nil
		case kFloat:
			return newFloatArith(opMul, arg, newConstant(typ{kind: kFloat}, at.from, at.to, value{f: -1}), at.from, at.to), nil
		}
	case "+":
		if k.kind.numeric() || k.kind == kDuration {
			return arg, nil
		}
	}
	return nil, faultAt(n, "type-mismatch", castHint(k.kind, kInt), "%s needs a number, this is %s", n.Operator, k.kind)
}

func (c *checker) checkBinary(n *ast.BinaryNode) (node, *Error) {
	if n.Operator == "in" {
		return c.checkIn(n)
	}
	l, err := c.checkChain(n.Left)
	if err != nil {
		return nil, err
	}
	r, err := c.check(n.Right)
	if err != nil {
		return nil, err
	}
	switch n.Operator {
	case "and", "&&", "or", "||":
		return c.checkLogic(n, l, r)
	case "==", "!=", "<", "<=", ">", ">=":
		return c.checkCompare(n, l, r)
	case "??":
		both, err := c.unify("both sides of ??", l, r)
		if err != nil {
			return nil, err
		}
		if !l.info().t.null {
			return both[0], nil
		}
		at := spanOf(n)
		return newCoalesce(both[0], both[1], at.from, at.to), nil
	case "matches":
		return c.overloaded("regex_match", spanOf(n), l, r)
	case "contains", "startsWith", "endsWith":
		return c.checkTextOperator(n, l, r)
	}
	return c.checkArith(n, l, r)
}

func (c *checker) checkLogic(n *ast.BinaryNode, l, r node) (node, *Error) {
	for _, side := range []node{l, r} {
		if err := c.needBool(side, "a side of "+n.Operator); err != nil {
			return nil, err
		}
	}
	or := n.Operator == "or" || n.Operator == "||"
	if v, ok := constOf(l); ok {
		if (v.i == 1) == or {
			return l, nil // decided: the right side is never evaluated
		}
		return r, nil
	}
	if !l.info().fails && !r.info().fails && r.info().cost < l.info().cost {
		l, r = r, l // nobody can tell which side came first, and the cheap one narrows the rows
	}
	at := spanOf(n)
	return newLogic(or, l, r, at.from, at.to), nil
}

var textOperators = map[string]fn2[string, string, uint8]{
	"contains": contains, "startsWith": startsWith, "endsWith": endsWith,
}

func (c *checker) checkTextOperator(n *ast.BinaryNode, l, r node) (node, *Error) {
	for _, side := range []node{l, r} {
		if k := side.info().t.kind; k != kString {
			return nil, c.fault(side.info(), "type-mismatch", castHint(k, kString), "%s compares strings, this is %s", n.Operator, k)
		}
	}
	at := spanOf(n)
	return newApply(typ{kind: kBool}, textOperators[n.Operator], false, costCall, at.from, at.to, l, r), nil
}

// isNil says whether n is the literal nil.
func isNil(n node) bool { return n.info().t.kind == kNull }

func (c *checker) checkCompare(n *ast.BinaryNode, l, r node) (node, *Error) {
	op, at := cmpOps[n.Operator], spanOf(n)
	if isNil(l) || isNil(r) {
		if op > cmpNe {
			return nil, faultAt(n, "always-null", "test for null with == nil or != nil", "a comparison with nil is never true")
		}
		if isNil(l) {
			l = r
		}
		return c.checkIsNull(l, op == cmpNe, at), nil
	}
	return c.compare(op, l, r, at)
}

func (c *checker) checkIsNull(arg node, not bool, at span) node {
	if i := arg.info(); !i.t.null && !i.fails {
		return newConstant(typ{kind: kBool}, at.from, at.to, boolValue(not))
	}
	return newIsNull(arg, not, at.from, at.to)
}

func untypedSide(l kind) string {
	if l == kJSON || l == kAny {
		return "left"
	}
	return "right"
}

// compare types a comparison of two values that are not the literal nil.
func (c *checker) compare(op cmpOp, l, r node, at span) (node, *Error) {
	lk, rk := l.info().t.kind, r.info().t.kind
	switch {
	case lk == kAny || rk == kAny || lk == kJSON || rk == kJSON:
		return nil, &Error{From: at.from, To: at.to, Rule: "type-mismatch",
			Msg:  "cannot compare " + lk.String() + " with " + rk.String(),
			Hint: "convert the " + untypedSide(lk) + " side with int(...), float(...), string(...) or bool(...)"}
	case lk.numeric() && rk.numeric() && lk != rk:
		return c.compareMixed(op, l, r, at), nil
	case lk != rk:
		return nil, &Error{From: at.from, To: at.to, Rule: "type-mismatch",
			Msg: "cannot compare " + lk.String() + " with " + rk.String(), Hint: castHint(rk, lk)}
	}
	switch lk {
	case kFloat:
		return newCompare[float64](op, l, r, at.from, at.to), nil
	case kInt, kTime, kDuration:
		return newCompare[int64](op, l, r, at.from, at.to), nil
	case kBool:
		if op > cmpNe {
			return nil, &Error{From: at.from, To: at.to, Rule: "type-mismatch", Msg: "booleans have no order", Hint: "compare them with == or !="}
		}
		return newApply(typ{kind: kBool}, compareCells[uint8](op), false, costCall, at.from, at.to, l, r), nil
	}
	return c.compareText(op, l, r, at), nil
}

func (c *checker) compareText(op cmpOp, l, r node, at span) node {
	if _, ok := constOf(l); ok {
		l, r, op = r, l, op.flip()
	}
	if want, ok := constOf(r); ok && op <= cmpNe {
		return newEqualText(l, want.s, op == cmpNe, at.from, at.to)
	}
	return newApply(typ{kind: kBool}, compareCells[string](op), false, costCall, at.from, at.to, l, r)
}

func compareCells[T uint8 | string](op cmpOp) kernel {
	return fn2[T, T, uint8](func(a, b T) (uint8, error) { return uint8(b2i(holds(op, a, b))), nil })
}

// compareMixed compares an integer with a float, by integers or by floats alone
// where one of them is a constant that allows it.
func (c *checker) compareMixed(op cmpOp, l, r node, at span) node {
	if l.info().t.kind == kFloat {
		l, r, op = r, l, op.flip()
	}
	if f, ok := constOf(r); ok {
		if op, i, ok := mixedConst(op, f.f); ok {
			whole := newConstant(typ{kind: kInt}, at.from, at.to, value{i: i})
			return newCompare[int64](op, l, whole, at.from, at.to)
		}
	}
	if i, ok := constOf(l); ok && exactFloat(i.i) {
		return newCompare[float64](op, newToFloat(l), r, at.from, at.to)
	}
	kern := fn2[int64, float64, uint8](func(i int64, f float64) (uint8, error) { return uint8(b2i(compareMixed(op, i, f))), nil })
	return newApply(typ{kind: kBool}, kern, false, costCall, at.from, at.to, l, r)
}

var arithOps = map[string]arithOp{"+": opAdd, "-": opSub, "*": opMul, "/": opDiv}

// checkArith types + - * / % ^ and **.
func (c *checker) checkArith(n *ast.BinaryNode, l, r node) (node, *Error) {
	lk, rk, at := l.info().t.kind, r.info().t.kind, spanOf(n)
	if lk == kNull || rk == kNull {
		return nil, faultAt(n, "always-null", "", "%s with nil is always null", n.Operator)
	}
	op, basic := arithOps[n.Operator]
	if basic {
		if t, ok := timeArith(op, lk, rk); ok {
			return newIntArith(t, op, l, r, at.from, at.to), nil
		}
		if op == opDiv && lk == kDuration && rk == kDuration {
			return newFloatArith(op, newToFloat(l), newToFloat(r), at.from, at.to), nil
		}
	}
	switch {
	case op == opAdd && basic && lk == kString && rk == kString:
		return newConcat(at.from, at.to, l, r), nil
	case !lk.numeric() || !rk.numeric():
		return nil, c.arithMismatch(n, lk, rk)
	case n.Operator == "%":
		if lk != kInt || rk != kInt {
			return nil, faultAt(n, "type-mismatch", "convert with int(...)", "%% needs two integers, not %s and %s", lk, rk)
		}
		d, known := constOf(r)
		return newApply(typ{kind: kInt}, fn2[int64, int64, int64](modulo), !known || d.i == 0, costLoop, at.from, at.to, l, r), nil
	case n.Operator == "^" || n.Operator == "**":
		return newApply(typ{kind: kFloat}, fn2[float64, float64, float64](power), false, costCall, at.from, at.to, c.as(kFloat, l), c.as(kFloat, r)), nil
	case op == opDiv || lk == kFloat || rk == kFloat:
		return newFloatArith(op, c.as(kFloat, l), c.as(kFloat, r), at.from, at.to), nil
	}
	return newIntArith(kInt, op, l, r, at.from, at.to), nil
}

// timeArith is the kind of an operation with timestamps or durations on integers.
func timeArith(op arithOp, l, r kind) (kind, bool) {
	switch {
	case op == opAdd && l == kTime && r == kDuration, op == opAdd && l == kDuration && r == kTime, op == opSub && l == kTime && r == kDuration:
		return kTime, true
	case op == opSub && l == kTime && r == kTime, op <= opSub && l == kDuration && r == kDuration,
		op == opMul && l == kDuration && r == kInt, op == opMul && l == kInt && r == kDuration:
		return kDuration, true
	}
	return 0, false
}

func (c *checker) arithMismatch(n *ast.BinaryNode, lk, rk kind) *Error {
	hint := ""
	switch {
	case lk == kTime || rk == kTime || lk == kDuration || rk == kDuration:
		hint = `a length of time is written duration("5m"), or duration(us) from a number of microseconds`
	case n.Operator == "+" && (lk == kString || rk == kString):
		hint = "convert with string(...) to join text, or with int(...) or float(...) to add"
	case lk == kJSON || rk == kJSON || lk == kAny || rk == kAny, lk == kString, rk == kString:
		hint = "convert with int(...) or float(...)"
	}
	return faultAt(n, "type-mismatch", hint, "%s is not defined for %s and %s", n.Operator, lk, rk)
}
