package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
)

const inClosure = " `#` is the element and `.name` its member."

// arrayFunctions are documented here and carried out by expr's virtual machine
// (see opaque).
var arrayFunctions = []builtin{
	{
		Function: Function{Name: "split", Category: "arrays", Signatures: []string{"split(s string, sep string) untyped"},
			Doc:      "The parts between the separators. `split(s, sep)[i]` is a string, null where there is no such part; negative `i` counts from the end.",
			Nulls:    "null in, null out",
			Examples: []Example{{`split("a,b,c", ",")[1]`, `"b"`}, {`split("a,b,c", ",")[-1]`, `"c"`}, {`split("a,b", ",")[7]`, "nil"}, {`len(split("a,b", ","))`, "2"}}},
		special: checkArrayCall,
	},
	closure("any", "any(a untyped, condition) bool", "Whether the condition holds for an element.", `any(split("a,b", ","), # == "b")`, "true"),
	closure("all", "all(a untyped, condition) bool", "Whether the condition holds for every element.", `all(fromJSON("[1, 2]"), # > 0)`, "true"),
	closure("none", "none(a untyped, condition) bool", "Whether the condition holds for no element.", `none(fromJSON("[1, 2]"), # > 2)`, "true"),
	closure("one", "one(a untyped, condition) bool", "Whether the condition holds for exactly one element.", `one(fromJSON("[1, 2]"), # > 1)`, "true"),
	closure("count", "count(a untyped, condition) int64", "For how many elements the condition holds.", `count(fromJSON("[1, 2, 3]"), # > 1)`, "2"),
	closure("filter", "filter(a untyped, condition) untyped", "The elements for which the condition holds.", `json(filter(fromJSON("[1, 2, 3]"), # > 1))`, `fromJSON("[2,3]")`),
	closure("map", "map(a untyped, expression) untyped", "The expression of every element.", `json(map(fromJSON("[{\"q\": 1}, {\"q\": 2}]"), .q * 10))`, `fromJSON("[10,20]")`),
	closure("find", "find(a untyped, condition) untyped", "The first element for which the condition holds; null if there is none.", `int(find(fromJSON("[1, 5]"), # > 1))`, "5"),
	closure("sum", "sum(a untyped[, expression]) untyped", "The sum of the elements, or of the expression of every element.", `int(sum(fromJSON("[1, 2, 3]")))`, "6"),
	arrayFunction("first", "first(a untyped) untyped", "The first element; null if there is none.", `string(first(split("a,b", ",")))`, `"a"`),
	arrayFunction("last", "last(a untyped) untyped", "The last element; null if there is none.", `string(last(split("a,b", ",")))`, `"b"`),
	arrayFunction("join", "join(a untyped, sep string) string", "The elements, which must be strings, joined.", `join(split("a,b", ","), "+")`, `"a+b"`),
	arrayFunction("sort", "sort(a untyped) untyped", "The elements in ascending order.", `join(sort(split("b,a", ",")), ",")`, `"a,b"`),
	arrayFunction("reverse", "reverse(a untyped) untyped", "The elements in reverse order.", `join(reverse(split("a,b", ",")), ",")`, `"b,a"`),
	arrayFunction("uniq", "uniq(a untyped) untyped", "Every element once, where it first stands.", `join(uniq(split("a,b,a", ",")), ",")`, `"a,b"`),
	arrayFunction("mean", "mean(a untyped) untyped", "The mean of the elements.", `float(mean(fromJSON("[1, 2]")))`, "1.5"),
	arrayFunction("median", "median(a untyped) untyped", "The median of the elements.", `float(median(fromJSON("[1, 2, 9]")))`, "2.0"),
}

func closure(name, signature, doc, example, result string) builtin {
	b := arrayFunction(name, signature, doc+inClosure, example, result)
	b.Errors = "a condition that cannot be computed, for instance on a missing member"
	return b
}

func arrayFunction(name, signature, doc, example, result string) builtin {
	return builtin{
		Function: Function{Name: name, Category: "arrays", Signatures: []string{signature}, Doc: doc,
			Errors:   "a value that is not an array",
			Examples: []Example{{example, result}}},
		special: checkArrayCall,
	}
}

// isArrayFunction says whether calls of name are opaque.
func isArrayFunction(name string) bool {
	b, ok := builtins[name]
	return ok && b.Category == "arrays"
}

// checkArrayCall is reached by the name of an array function with wrong use only:
// right use is found by untyped before.
func checkArrayCall(c *checker, cl *call) (node, *Error) {
	return c.checkOpaque(cl.at)
}

// splitPart is part i of s, as split(s, sep)[i].
func splitPart(s, sep string, i int64) (string, error) {
	if i < 0 {
		n := int64(strings.Count(s, sep)) + 1
		if sep == "" {
			n = int64(utf8.RuneCountInString(s))
		}
		if i += n; i < 0 {
			return "", errNull
		}
	}
	if sep == "" {
		start := runeOffset(s, i)
		if start == len(s) {
			return "", errNull
		}
		return s[start : start+runeOffset(s[start:], 1)], nil
	}
	for ; i > 0; i-- {
		_, rest, found := strings.Cut(s, sep)
		if !found {
			return "", errNull
		}
		s = rest
	}
	part, _, _ := strings.Cut(s, sep)
	return part, nil
}

// untyped says whether a node of the syntax tree yields something that only the
// virtual machine can compute: arrays, objects, and what is made of them.
func (c *checker) untyped(n ast.Node) (bool, *Error) {
	if err := c.count(n); err != nil {
		return false, err
	}
	switch n := n.(type) {
	case *ast.ArrayNode, *ast.MapNode:
		return true, nil
	case *ast.BuiltinNode:
		return c.untypedCall(n.Name, n.Arguments)
	case *ast.CallNode:
		id, ok := n.Callee.(*ast.IdentifierNode)
		if !ok {
			return false, nil
		}
		return c.untypedCall(id.Value, n.Arguments)
	case *ast.BinaryNode:
		switch n.Operator {
		case "..":
			return true, nil
		case "in":
			if _, ok := n.Right.(*ast.ArrayNode); ok {
				return false, nil
			}
			if r, ok := n.Right.(*ast.BinaryNode); ok && r.Operator == ".." {
				return false, nil
			}
			return c.untyped(n.Right)
		}
	case *ast.ChainNode:
		return c.untyped(n.Node)
	case *ast.SliceNode:
		return c.untyped(n.Node)
	case *ast.MemberNode:
		if _, ok := splitCall(n); ok {
			return false, nil
		}
		return c.untyped(n.Node)
	case *ast.IdentifierNode:
		for k := len(c.lets) - 1; k >= 0; k-- {
			if c.lets[k].name == n.Value {
				return c.lets[k].untyped, nil
			}
		}
	}
	return false, nil
}

func (c *checker) untypedCall(name string, args []ast.Node) (bool, *Error) {
	if isArrayFunction(name) {
		return true, nil
	}
	if (name == "len" || name == "min" || name == "max") && len(args) == 1 {
		return c.untyped(args[0])
	}
	return false, nil
}
