package expr

import (
	"github.com/expr-lang/expr/ast"
)

// checkIn types `x in [a, b, c]` and `x in lo..hi`. Membership in other arrays is
// opaque (see untyped).
func (c *checker) checkIn(n *ast.BinaryNode) (node, *Error) {
	x, err := c.checkChain(n.Left)
	if err != nil {
		return nil, err
	}
	at := spanOf(n)
	if r, ok := n.Right.(*ast.BinaryNode); ok && r.Operator == ".." {
		return c.between(x, r, at)
	}
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return c.inOther(n)
	}
	items := make([]node, len(list.Nodes))
	for i, item := range list.Nodes {
		if items[i], err = c.check(item); err != nil {
			return nil, err
		}
		if isNil(items[i]) {
			return nil, c.fault(items[i].info(), "always-null", "write x == nil or x in [...]", "nil is in no list")
		}
	}
	if set, ok, err := c.constSet(x, items, at); ok || err != nil {
		return set, err
	}
	return c.anyOf(x, items, at)
}

// inOther reports what cannot be searched; JSON is searched by the virtual machine.
func (c *checker) inOther(n *ast.BinaryNode) (node, *Error) {
	r, err := c.check(n.Right)
	if err != nil {
		return nil, err
	}
	switch k := r.info().t.kind; k {
	case kJSON, kAny:
		return c.checkOpaque(n)
	case kString:
		return nil, c.fault(r.info(), "type-mismatch", "to look for text in text write s contains sub", "in needs a list, this is string")
	default:
		return nil, c.fault(r.info(), "type-mismatch", "write x in [a, b, c]", "in needs a list, this is %s", k)
	}
}

// between types `x in lo..hi` as x >= lo and x <= hi.
func (c *checker) between(x node, r *ast.BinaryNode, at span) (node, *Error) {
	if k := x.info().t.kind; !k.numeric() {
		return nil, c.fault(x.info(), "type-mismatch", castHint(k, kInt), "only numbers can be in a range, this is %s", k)
	}
	sides := [2]node{}
	for i, end := range []ast.Node{r.Left, r.Right} {
		bound, err := c.check(end)
		if err != nil {
			return nil, err
		}
		if k := bound.info().t.kind; k != kInt {
			return nil, c.fault(bound.info(), "type-mismatch", castHint(k, kInt), "a range goes from integer to integer, this is %s", k)
		}
		if sides[i], err = c.compare([]cmpOp{cmpGe, cmpLe}[i], x, bound, at); err != nil {
			return nil, err
		}
		if sides[i], err = c.fold(sides[i]); err != nil {
			return nil, err
		}
	}
	return newLogic(false, sides[0], sides[1], at.from, at.to), nil
}

// anyOf is x == a or x == b or ...
func (c *checker) anyOf(x node, items []node, at span) (node, *Error) {
	var out node
	for _, item := range items {
		n, err := c.compare(cmpEq, x, item, at)
		if err != nil {
			return nil, err
		}
		if n, err = c.fold(n); err != nil {
			return nil, err
		}
		if out == nil {
			out = n
		} else {
			out = newLogic(true, out, n, at.from, at.to)
		}
	}
	return out, nil
}

// constSet is membership in a list of constants of x's kind, as a set. ok is false
// where there is no such set: the list has other things in it, or is short enough
// for comparisons.
func (c *checker) constSet(x node, items []node, at span) (out node, ok bool, err *Error) {
	i := x.info()
	if len(items) == 0 {
		return newConstant(typ{kind: kBool}, at.from, at.to, boolValue(false)), true, nil
	}
	ints, texts, list := map[int64]struct{}{}, map[string]struct{}{}, []string(nil)
	for _, item := range items {
		v, isConst := constOf(item)
		if !isConst || item.info().t.kind != i.t.kind {
			return nil, false, nil
		}
		switch i.t.kind {
		case kInt, kTime, kDuration:
			ints[v.i] = struct{}{}
		case kString, kBytes:
			texts[v.s] = struct{}{}
			list = append(list, v.s)
		default:
			return nil, false, nil
		}
	}
	var fn kernel
	switch {
	case len(ints) == 1 || len(texts) == 1:
		return nil, false, nil
	case len(list) > 0 && len(list) <= maxTextKeys:
		return newInText(x, list, at.from, at.to), true, nil
	case len(texts) > 0:
		fn = fn1[string, uint8](func(s string) (uint8, error) { _, in := texts[s]; return uint8(b2i(in)), nil })
	default:
		fn = fn1[int64, uint8](func(v int64) (uint8, error) { _, in := ints[v]; return uint8(b2i(in)), nil })
	}
	return newApply(typ{kind: kBool}, fn, false, costCall, at.from, at.to, x), true, nil
}
