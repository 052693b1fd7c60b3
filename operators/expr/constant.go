package expr

// constant is a literal, or what folding made of a subtree of literals.
type constant struct {
	base
	v   value
	vec vec
}

func newConstant(t typ, from, to int, v value) *constant {
	t.null = v.null
	c := &constant{base: newBase(t, from, to, 0), v: v, vec: vec{mask: 0}}
	if t.kind == kAny {
		c.opaque = true
		return c
	}
	switch t.kind.lane() {
	case laneInt:
		c.vec.ints = []int64{v.i}
	case laneFloat:
		c.vec.floats = []float64{v.f}
	case laneText:
		c.vec.text = []string{v.s}
	case laneTri:
		c.vec.tri = []uint8{uint8(v.i)}
		if v.null {
			c.vec.tri[0] = triNull
		}
		return c
	}
	if v.null {
		c.vec.nulls = []uint8{1}
	}
	return c
}

func (c *constant) columns(*Eval, []int32) vec       { return c.vec }
func (c *constant) row(*Eval, int32) (value, *Fault) { return c.v, nil }

// constOf is n's value if n is a constant that is not null.
func constOf(n node) (value, bool) {
	c, ok := n.(*constant)
	if !ok || c.v.null {
		return value{}, false
	}
	return c.v, true
}
