package expr

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// untypedCast converts what the virtual machine computed: int(x), float(x),
// string(x), bool(x) and json(x) of an untyped x.
type untypedCast struct {
	base
	arg node
	to  func(x any) (value, error)
}

var untypedCasts = map[string]struct {
	kind kind
	to   func(x any) (value, error)
}{
	"int":    {kInt, anyToInt},
	"float":  {kFloat, anyToFloat},
	"string": {kString, anyToText},
	"bool":   {kBool, anyToBool},
	"json":   {kJSON, anyToJSON},
}

func newUntypedCast(name string, at span, arg node) (node, bool) {
	c, ok := untypedCasts[name]
	if !ok {
		return nil, false
	}
	n := &untypedCast{base: newBase(typ{c.kind, true}, at.from, at.to, costCall, arg), arg: arg, to: c.to}
	n.fails, n.opaque = true, true
	return n, true
}

func (n *untypedCast) columns(*Eval, []int32) vec {
	panic("expr: an untyped value has no columns") // Program.Mode keeps such programs from here
}

func (n *untypedCast) row(e *Eval, i int32) (value, *Fault) {
	v, fault := n.arg.row(e, i)
	if fault != nil || v.null || v.x == nil {
		return nullValue, fault
	}
	out, err := n.to(v.x)
	if err != nil {
		return nullValue, e.fault(&n.base, err.Error())
	}
	return out, nil
}

func anyToInt(x any) (value, error) {
	if i, ok := machineInt(x); ok {
		return value{i: i}, nil
	}
	var i int64
	err := errNotConvertible("int", x)
	switch x := x.(type) {
	case float64:
		i, err = floatToInt(x)
	case string:
		i, err = textToInt(x)
	case bool:
		i, err = int64(b2i(x)), nil
	}
	return value{i: i}, err
}

func anyToFloat(x any) (value, error) {
	if i, ok := machineInt(x); ok {
		return value{f: float64(i)}, nil
	}
	switch x := x.(type) {
	case float64:
		return value{f: x}, nil
	case string:
		f, err := textToFloat(x)
		return value{f: f}, err
	}
	return nullValue, errNotConvertible("float", x)
}

func anyToBool(x any) (value, error) {
	switch x := x.(type) {
	case bool:
		return boolValue(x), nil
	case string:
		b, err := textToBool(x)
		return value{i: int64(b)}, err
	}
	return nullValue, errNotConvertible("bool", x)
}

func anyToText(x any) (value, error) {
	if i, ok := machineInt(x); ok {
		return value{s: strconv.FormatInt(i, 10)}, nil
	}
	switch x := x.(type) {
	case string:
		return value{s: x}, nil
	case float64:
		b, err := appendFloat(nil, x)
		return value{s: string(b)}, err
	case bool:
		return value{s: strconv.FormatBool(x)}, nil
	}
	return anyToJSON(x)
}

func anyToJSON(x any) (value, error) {
	b, err := appendJSON(nil, x, MaxValueBytes)
	return value{s: string(b)}, err
}

func errNotConvertible(to string, x any) error {
	return fmt.Errorf("%s: cannot convert %s", to, machineTypeName(x))
}

// decodeJSON is a JSON value for the virtual machine. Integers stay integers.
func decodeJSON(j string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(j))
	dec.UseNumber()
	var x any
	if err := dec.Decode(&x); err != nil {
		return nil, errBadJSON
	}
	return plainNumbers(x), nil
}

func plainNumbers(x any) any {
	switch x := x.(type) {
	case json.Number:
		if i, err := strconv.Atoi(string(x)); err == nil {
			return i
		}
		f, _ := x.Float64() // beyond float64 it is an infinity
		return f
	case []any:
		for i := range x {
			x[i] = plainNumbers(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = plainNumbers(x[k])
		}
	}
	return x
}
