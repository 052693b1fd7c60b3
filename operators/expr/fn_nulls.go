package expr

var nullFunctions = []builtin{
	{
		Function: Function{Name: "coalesce", Category: "nulls", Signatures: []string{"coalesce(a, b, ...)"},
			Doc:      "The first argument that is not null, the same as `a ?? b ?? ...`. Later arguments are evaluated only where they are needed.",
			Nulls:    "null only if all arguments are",
			Examples: []Example{{"coalesce(int(nil), 5)", "5"}, {`coalesce(regex_extract("x", "y"), "none")`, `"none"`}}},
		special: checkCoalesce,
	},
}

// checkArgs types the arguments of a special form that takes at least two.
func (c *checker) checkArgs(cl *call, least int) ([]node, *Error) {
	if len(cl.args) < least {
		return nil, faultAt(cl.at, "argument-count", "usage: "+builtins[cl.name].Signatures[0], "%s needs at least %d arguments", cl.name, least)
	}
	args := make([]node, len(cl.args))
	for i, a := range cl.args {
		x, err := c.check(a)
		if err != nil {
			return nil, err
		}
		args[i] = x
	}
	return args, nil
}

func checkCoalesce(c *checker, cl *call) (node, *Error) {
	args, err := c.checkArgs(cl, 2)
	if err != nil {
		return nil, err
	}
	if args, err = c.unify("the arguments of coalesce", args...); err != nil {
		return nil, err
	}
	at := spanOf(cl.at)
	out := args[0]
	for _, a := range args[1:] {
		if !out.info().t.null {
			break // what follows is never needed
		}
		if out, err = c.fold(newCoalesce(out, a, at.from, at.to)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func checkConcat(c *checker, cl *call) (node, *Error) {
	args, err := c.checkArgs(cl, 1)
	if err != nil {
		return nil, err
	}
	for _, a := range args {
		if k := a.info().t.kind; k != kString {
			return nil, c.fault(a.info(), "type-mismatch", castHint(k, kString), "concat joins strings, this is %s", k)
		}
	}
	at := spanOf(cl.at)
	return newConcat(at.from, at.to, args...), nil
}

// checkExtreme types min and max as a chain of the function of two.
func (c *checker) checkExtreme(cl *call, greater bool) (node, *Error) {
	args, err := c.checkArgs(cl, 1)
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		return nil, faultAt(cl.at, "argument-count", aggregateHint(cl.name), "%s compares at least 2 values", cl.name)
	}
	if args, err = c.unify("the arguments of "+cl.name, args...); err != nil {
		return nil, err
	}
	k := args[0].info().t.kind
	switch k {
	case kInt, kFloat, kString, kTime, kDuration:
	default:
		return nil, c.fault(args[0].info(), "type-mismatch", castHint(k, kInt), "%s has no order for %s", cl.name, k)
	}
	at := spanOf(cl.at)
	out := args[0]
	for _, a := range args[1:] {
		if out, err = c.fold(newApply(typ{kind: k}, extremeKernel(k, greater), false, costCall, at.from, at.to, out, a)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func checkNow(c *checker, cl *call) (node, *Error) {
	if len(cl.args) > 0 {
		return nil, faultAt(cl.at, "argument-count", "", "now takes no arguments")
	}
	if c.opts.Deterministic {
		return nil, faultAt(cl.at, "not-deterministic", "use the event time column", "now() would give other results when the input is replayed")
	}
	at := spanOf(cl.at)
	return &clock{newBase(typ{kind: kTime}, at.from, at.to, costLoop)}, nil
}
