package expr

import (
	"errors"
	"fmt"
	"time"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// opaque is a subtree that only expr's virtual machine can compute: closures over
// arrays, arrays, objects.
//
// The machine has its own rules: nil is an error, for instance. To keep them away
// from rows where ours would say null, the largest parts of the subtree that have
// a type and do not depend on the element of a closure are taken out as operands.
// They are evaluated by us, before the machine runs, and if one of them is null
// the result is null and the machine does not run. What the machine reports is a
// row fault. The meter bounds its work.
type opaque struct {
	base
	prog     *vm.Program
	names    []string // of the operands in the machine's environment
	operands []node
}

func (n *opaque) columns(*Eval, []int32) vec {
	panic("expr: an opaque node has no columns") // Program.Mode keeps such programs from here
}

func (n *opaque) row(e *Eval, i int32) (value, *Fault) {
	env := make(map[string]any, len(n.operands)+1)
	env[meterName] = &meter{left: MaxSteps}
	null := false
	for k, o := range n.operands {
		v, fault := o.row(e, i)
		if fault != nil {
			return nullValue, fault
		}
		null = null || v.null
		if env[n.names[k]], fault = n.toMachine(e, o, v); fault != nil {
			return nullValue, fault
		}
	}
	if null {
		return nullValue, nil
	}
	out, err := e.vm.Run(n.prog, env)
	if err != nil {
		var fe *file.Error
		msg := err.Error()
		if errors.As(err, &fe) {
			msg = fe.Message
		}
		return nullValue, e.fault(&n.base, clip(msg, 200))
	}
	v, ok := fromMachine(n.t.kind, out)
	if !ok {
		return nullValue, e.fault(&n.base, fmt.Sprintf("the result is not %s", n.t.kind))
	}
	return v, nil
}

// toMachine is the value of an operand as the virtual machine knows it.
func (n *opaque) toMachine(e *Eval, o node, v value) (any, *Fault) {
	if v.null {
		return nil, nil
	}
	switch o.info().t.kind {
	case kBool:
		return v.i == 1, nil
	case kInt:
		return int(v.i), nil
	case kFloat:
		return v.f, nil
	case kString:
		return v.s, nil
	case kBytes:
		return []byte(v.s), nil
	case kTime:
		return time.UnixMicro(v.i).UTC(), nil
	case kDuration:
		return int(v.i), nil
	case kJSON:
		x, err := decodeJSON(v.s)
		if err != nil {
			return nil, e.fault(o.info(), err.Error())
		}
		return x, nil
	}
	return v.x, nil
}

// fromMachine is a result of the virtual machine as a value of kind k.
func fromMachine(k kind, x any) (value, bool) {
	if x == nil {
		return nullValue, true
	}
	switch k {
	case kBool:
		b, ok := x.(bool)
		return boolValue(b), ok
	case kInt:
		i, ok := machineInt(x)
		return value{i: i}, ok
	case kFloat:
		if i, ok := machineInt(x); ok {
			return value{f: float64(i)}, true
		}
		f, ok := x.(float64)
		return value{f: f}, ok
	case kString:
		s, ok := x.(string)
		return value{s: s}, ok
	}
	return value{x: x}, true
}

func machineInt(x any) (int64, bool) {
	switch i := x.(type) {
	case int:
		return int64(i), true
	case int64:
		return i, true
	case int32:
		return int64(i), true
	}
	return 0, false
}
