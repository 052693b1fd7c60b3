package expr

import "math"

// compareMixed compares an integer with a float exactly: 2^53+1 is greater than
// 2^53 as a float, and NaN is unordered.
func compareMixed(op cmpOp, i int64, f float64) bool {
	switch {
	case f != f:
		return op == cmpNe
	case f >= 1<<63:
		return holds(op, 0, 1)
	case f < -1<<63:
		return holds(op, 1, 0)
	}
	whole := math.Floor(f)
	if w := int64(whole); i != w {
		return holds(op, i, w)
	}
	return holds(op, whole, f) // i is the floor of f; what is left decides
}

// mixedConst rewrites a comparison of an integer with a float constant as one of
// integers, for the fast loops. It says no where there is none: NaN, a fraction
// under == or !=, and values beyond the integers.
func mixedConst(op cmpOp, f float64) (cmpOp, int64, bool) {
	if f != f || f >= 1<<63 || f < -1<<63 {
		return op, 0, false
	}
	whole := math.Floor(f)
	if whole == f {
		return op, int64(whole), true
	}
	switch op {
	case cmpLt, cmpLe:
		return cmpLe, int64(whole), true
	case cmpGt, cmpGe:
		return cmpGt, int64(whole), true
	}
	return op, 0, false
}

// exactFloat says whether a float64 holds the integer exactly.
func exactFloat(i int64) bool {
	f := float64(i)
	return f < 1<<63 && int64(f) == i
}
