package expr

import (
	"github.com/expr-lang/expr/ast"
)

// checkMember types x.name and x[i]: of JSON values, of the parts of split, and of
// $env, which reaches columns whose names are no identifiers.
func (c *checker) checkMember(n *ast.MemberNode) (node, *Error) {
	if id, ok := n.Node.(*ast.IdentifierNode); ok && id.Value == "$env" {
		if name, ok := n.Property.(*ast.StringNode); ok {
			return c.columnNamed(name.Value, n)
		}
	}
	if s, ok := splitCall(n); ok {
		return c.checkSplitPart(n, s)
	}
	x, err := c.checkChain(n.Node)
	if err != nil {
		return nil, err
	}
	switch k := x.info().t.kind; k {
	case kJSON:
		return c.checkJSONMember(n, x)
	case kAny:
		return c.checkOpaque(n)
	case kString:
		return nil, faultAt(n, "type-mismatch", "for a part of a string write substr(s, from, n), which counts characters", "a string has no elements")
	default:
		return nil, faultAt(n, "type-mismatch", "", "%s has no members", k)
	}
}

func (c *checker) checkJSONMember(n *ast.MemberNode, x node) (node, *Error) {
	key, err := c.check(n.Property)
	if err != nil {
		return nil, err
	}
	at, t := spanOf(n), typ{kJSON, true}
	switch k := key.info().t.kind; k {
	case kString:
		return newApply(t, fn2[string, string, string](member), true, costHeavy, at.from, at.to, x, key), nil
	case kInt:
		return newApply(t, fn2[string, int64, string](element), true, costHeavy, at.from, at.to, x, key), nil
	default:
		return nil, c.fault(key.info(), "type-mismatch", castHint(k, kString), "a member is named by a string or an integer, not %s", k)
	}
}

// splitCall recognizes split(s, sep)[i], which needs no array.
func splitCall(n *ast.MemberNode) ([]ast.Node, bool) {
	var args []ast.Node
	switch b := n.Node.(type) {
	case *ast.BuiltinNode:
		if b.Name != "split" {
			return nil, false
		}
		args = b.Arguments
	default:
		return nil, false
	}
	_, isName := n.Property.(*ast.StringNode)
	return args, len(args) == 2 && !isName
}

func (c *checker) checkSplitPart(n *ast.MemberNode, args []ast.Node) (node, *Error) {
	nodes := make([]node, 3)
	for i, a := range []ast.Node{args[0], args[1], n.Property} {
		x, err := c.check(a)
		if err != nil {
			return nil, err
		}
		if want := []kind{kString, kString, kInt}[i]; x.info().t.kind != want {
			k := x.info().t.kind
			return nil, c.fault(x.info(), "type-mismatch", castHint(k, want), "split(s, sep)[i] needs a %s here, this is %s", want, k)
		}
		nodes[i] = x
	}
	at := spanOf(n)
	return newApply(typ{kString, true}, fn3[string, string, int64, string](splitPart), false, costCall, at.from, at.to, nodes...), nil
}
