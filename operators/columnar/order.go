package columnar

import "math"

const signBit = 1 << 63

// OrderedInt64 maps integers to unsigned ones of the same order.
func OrderedInt64(v int64) uint64 { return uint64(v) ^ signBit }

// FromOrderedInt64 is the inverse of OrderedInt64.
func FromOrderedInt64(u uint64) int64 { return int64(u ^ signBit) }

// OrderedFloat64 maps numbers to unsigned integers of the same order. -0 is taken
// for 0 and every NaN for one NaN, which orders above +Inf.
func OrderedFloat64(v float64) uint64 {
	switch {
	case v == 0:
		return signBit // -0 too
	case v != v:
		return math.Float64bits(math.NaN()) | signBit
	}
	u := math.Float64bits(v)
	if u&signBit != 0 {
		return ^u
	}
	return u | signBit
}

// FromOrderedFloat64 is the inverse of OrderedFloat64, but for -0 and NaNs.
func FromOrderedFloat64(u uint64) float64 {
	if u&signBit != 0 {
		return math.Float64frombits(u &^ signBit)
	}
	return math.Float64frombits(^u)
}
