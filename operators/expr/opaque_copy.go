package expr

import "github.com/expr-lang/expr/ast"

// syntaxKids are the children of a node of expr's syntax tree that can occur in an
// opaque subtree.
func syntaxKids(n ast.Node) []ast.Node {
	var kids []ast.Node
	switch n := n.(type) {
	case *ast.UnaryNode:
		kids = []ast.Node{n.Node}
	case *ast.BinaryNode:
		kids = []ast.Node{n.Left, n.Right}
	case *ast.ChainNode:
		kids = []ast.Node{n.Node}
	case *ast.MemberNode:
		kids = []ast.Node{n.Node, n.Property}
	case *ast.SliceNode:
		kids = []ast.Node{n.Node, n.From, n.To}
	case *ast.CallNode:
		kids = append([]ast.Node{n.Callee}, n.Arguments...)
	case *ast.BuiltinNode:
		kids = n.Arguments
	case *ast.PredicateNode:
		kids = []ast.Node{n.Node}
	case *ast.ConditionalNode:
		kids = []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.VariableDeclaratorNode:
		kids = []ast.Node{n.Value, n.Expr}
	case *ast.SequenceNode:
		kids = n.Nodes
	case *ast.ArrayNode:
		kids = n.Nodes
	case *ast.MapNode:
		kids = n.Pairs
	case *ast.PairNode:
		kids = []ast.Node{n.Key, n.Value}
	}
	out := kids[:0:0]
	for _, k := range kids {
		if k != nil {
			out = append(out, k)
		}
	}
	return out
}

// copyNode copies a node with its children rewritten. The tree that the parser
// made is not changed, since it may share nodes.
func (b *opaqueBuilder) copyNode(n ast.Node) (ast.Node, *Error) {
	var err *Error
	re := func(k *ast.Node) {
		if err == nil && *k != nil {
			*k, err = b.rewrite(*k)
		}
	}
	list := func(in []ast.Node) []ast.Node {
		out := append([]ast.Node(nil), in...)
		for i := range out {
			re(&out[i])
		}
		return out
	}
	var out ast.Node
	switch n := n.(type) {
	case *ast.UnaryNode:
		c := *n
		re(&c.Node)
		out = &c
	case *ast.BinaryNode:
		c := *n
		re(&c.Left)
		re(&c.Right)
		out = &c
	case *ast.ChainNode:
		c := *n
		re(&c.Node)
		out = &c
	case *ast.MemberNode:
		c := *n
		re(&c.Node)
		re(&c.Property)
		out = &c
	case *ast.SliceNode:
		c := *n
		re(&c.Node)
		re(&c.From)
		re(&c.To)
		out = &c
	case *ast.CallNode:
		c := *n
		c.Arguments = list(n.Arguments)
		out = &c
	case *ast.BuiltinNode:
		c := *n
		c.Arguments = list(n.Arguments)
		out = &c
	case *ast.PredicateNode:
		c := *n
		re(&c.Node)
		out = &c
	case *ast.ConditionalNode:
		c := *n
		re(&c.Cond)
		re(&c.Exp1)
		re(&c.Exp2)
		out = &c
	case *ast.VariableDeclaratorNode:
		c := *n
		re(&c.Value)
		re(&c.Expr)
		out = &c
	case *ast.ArrayNode:
		c := *n
		c.Nodes = list(n.Nodes)
		out = &c
	case *ast.MapNode:
		c := *n
		c.Pairs = list(n.Pairs)
		out = &c
	case *ast.PairNode:
		c := *n
		re(&c.Key)
		re(&c.Value)
		out = &c
	case *ast.IntegerNode:
		c := *n
		out = &c
	case *ast.FloatNode:
		c := *n
		out = &c
	case *ast.BoolNode, *ast.StringNode, *ast.NilNode, *ast.BytesNode, *ast.PointerNode, *ast.IdentifierNode:
		out = n
	default:
		return nil, faultAt(n, "syntax", "", "this construct is not supported")
	}
	return out, err
}
