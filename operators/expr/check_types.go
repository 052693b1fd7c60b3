package expr

func (c *checker) needBool(n node, what string) *Error {
	i := n.info()
	if i.t.kind == kBool {
		return nil
	}
	hint := ""
	switch i.t.kind {
	case kJSON, kAny:
		hint = "convert it with bool(...)"
	case kInt, kFloat:
		hint = "write x != 0"
	}
	return c.fault(i, "type-mismatch", hint, "%s must be bool, this is %s", what, i.t.kind)
}

// unify gives all nodes one kind: integers become floats beside floats, and nil
// takes the kind of the others.
func (c *checker) unify(what string, nodes ...node) ([]node, *Error) {
	k := kNull
	for _, n := range nodes {
		switch nk := n.info().t.kind; {
		case nk == kNull || nk == k:
		case k == kNull:
			k = nk
		case k.numeric() && nk.numeric():
			k = kFloat
		default:
			return nil, c.fault(n.info(), "type-mismatch", castHint(nk, k), "%s must have one type, not %s and %s", what, k, nk)
		}
	}
	out := make([]node, len(nodes))
	for i, n := range nodes {
		out[i] = c.as(k, n)
	}
	return out, nil
}

// as is n with kind k, which it has, or is nil, or an integer where k is float.
func (c *checker) as(k kind, n node) node {
	i := n.info()
	switch {
	case i.t.kind == k:
		return n
	case i.t.kind == kNull:
		return newConstant(typ{k, true}, i.from, i.to, nullValue)
	}
	return newToFloat(n)
}

// castHint says how a value of kind from becomes one of kind to.
func castHint(from, to kind) string {
	if from == kTime && to == kString || from == kString && to == kTime {
		return `convert with timestamp("2026-01-02T03:04:05Z") or string(...)`
	}
	switch to {
	case kInt, kFloat, kString, kBool, kTime, kBytes:
		name := map[kind]string{kInt: "int", kFloat: "float", kString: "string", kBool: "bool", kTime: "timestamp", kBytes: "bytes"}[to]
		return "convert with " + name + "(...)"
	case kDuration:
		return `write duration("5m")`
	}
	if from == kJSON || from == kAny {
		return "convert with int(...), float(...), string(...) or bool(...)"
	}
	return ""
}
