package expr

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Function describes one function or operator, for documentation and for
// `millrace list functions`.
type Function struct {
	Name       string
	Category   string   // strings, numbers, time, conversion, nulls, json, arrays, operators
	Signatures []string // "substr(s string, from int64, n int64) string"
	Doc        string   // one or two sentences of Markdown
	Nulls      string   // what null does, where it is not "null in, null out"
	Errors     string   // when a row fails; empty means never
	Examples   []Example
}

// Example is an expression without columns and its result, as an expression would
// write it.
type Example struct {
	Expr   string
	Result string
}

// builtin is a function with what the compiler needs to know about it. Either it
// has overloads, of which the first that fits is taken, or a special form.
type builtin struct {
	Function
	overloads []overload
	special   func(c *checker, call *call) (node, *Error)
}

// overload is one signature of a strict scalar function.
type overload struct {
	params []param
	result typ // null: the result can be null though no argument is
	fails  bool
	cost   int // 0 means costCall
	fn     kernel
	// bind makes the kernel from the constant arguments where there are any; the
	// kernel then takes only the others. An argError names the argument at fault.
	bind func(consts []value) (kernel, *argError)
}

// param is one parameter of an overload.
type param struct {
	name     string
	kind     kind
	constant bool
}

// argError is a constant argument that cannot be used.
type argError struct {
	arg       int
	msg, hint string
}

func p(name string, k kind) param     { return param{name: name, kind: k} }
func fixed(name string, k kind) param { return param{name: name, kind: k, constant: true} }

// signature is the overload as the documentation writes it.
func (o *overload) signature(name string) string {
	parts := make([]string, len(o.params))
	for i, p := range o.params {
		parts[i] = p.name + " " + p.kind.String()
		if p.constant {
			parts[i] += " constant"
		}
	}
	return fmt.Sprintf("%s(%s) %s", name, strings.Join(parts, ", "), o.result)
}

// builtins holds every function by name. The lists are in the files of their
// categories.
var builtins = map[string]*builtin{}

// categories is the order in which documentation shows them.
var categories = []string{"strings", "numbers", "time", "conversion", "nulls", "json", "arrays"}

func init() {
	for _, list := range [][]builtin{stringFunctions, regexFunctions, numberFunctions, timeFunctions, parseFunctions, conversionFunctions, nullFunctions, jsonFunctions, arrayFunctions} {
		for i := range list {
			b := &list[i]
			for k := range b.overloads {
				b.Signatures = append(b.Signatures, b.overloads[k].signature(b.Name))
			}
			builtins[b.Name] = b
		}
	}
}

// Functions lists every function, by category and name. The list is the caller's.
func Functions() []Function {
	var out []Function
	for _, c := range categories {
		start := len(out)
		for _, b := range builtins {
			if b.Category == c {
				f := b.Function
				f.Signatures, f.Examples = slices.Clone(f.Signatures), slices.Clone(f.Examples)
				out = append(out, f)
			}
		}
		sort.Slice(out[start:], func(i, j int) bool { return out[start+i].Name < out[start+j].Name })
	}
	return out
}
