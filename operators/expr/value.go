package expr

// value is one cell in the row interpreter. Which field counts follows from the
// static kind of the node: i for the integer lane and for bool (0 or 1), f, s, or
// x for untyped values.
type value struct {
	null bool
	i    int64
	f    float64
	s    string
	x    any
}

var nullValue = value{null: true}

func boolValue(b bool) value {
	if b {
		return value{i: 1}
	}
	return value{}
}

// cellOf is the value as a cell of type T.
func cellOf[T cell](v *value) T {
	var out T
	switch p := any(&out).(type) {
	case *int64:
		*p = v.i
	case *float64:
		*p = v.f
	case *uint8:
		*p = uint8(v.i)
	case *string:
		*p = v.s
	}
	return out
}

// valueOf is the cell as a value. A triNull becomes null.
func valueOf[T cell](c T) value {
	switch x := any(c).(type) {
	case int64:
		return value{i: x}
	case float64:
		return value{f: x}
	case uint8:
		return value{i: int64(x & 1), null: x == triNull}
	case string:
		return value{s: x}
	}
	return nullValue
}
