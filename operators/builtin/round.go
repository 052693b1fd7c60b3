package builtin

import (
	"math"
	"math/bits"
)

// nearest is the float64 nearest to magnitude * 2^exponent / divisor, ties to even,
// with the given sign. magnitude is little endian and at most spillWords long. Beyond
// the largest float64 it is infinite, as IEEE 754 rounds; of nothing it is 0, never -0.
func nearest(negative bool, magnitude []uint64, exponent int, divisor uint64) float64 {
	for len(magnitude) > 0 && magnitude[len(magnitude)-1] == 0 {
		magnitude = magnitude[:len(magnitude)-1]
	}
	if len(magnitude) == 0 {
		return 0
	}
	sticky := false
	if divisor > 1 {
		// Two words more at the low end leave at least 65 bits of quotient.
		var buf [spillWords + 2]uint64
		wide := buf[:2+len(magnitude)]
		copy(wide[2:], magnitude)
		magnitude = wide
		exponent -= 128
		rem := uint64(0)
		for i := len(magnitude) - 1; i >= 0; i-- {
			magnitude[i], rem = bits.Div64(rem, magnitude[i], divisor)
		}
		sticky = rem != 0
	}
	top := 64*len(magnitude) - 1
	for !bit(magnitude, top) {
		top--
	}
	// cut is the bit that becomes the lowest of the mantissa.
	cut := max(top-52, -1074-exponent)
	if cut <= 0 {
		return signed(negative, math.Ldexp(float64(magnitude[0]), exponent))
	}
	mantissa := field(magnitude, cut)
	if bit(magnitude, cut-1) && (sticky || mantissa&1 == 1 || anyBelow(magnitude, cut-1)) {
		mantissa++
	}
	return signed(negative, math.Ldexp(float64(mantissa), exponent+cut))
}

func signed(negative bool, v float64) float64 {
	if negative && v != 0 {
		return -v
	}
	return v
}

func bit(words []uint64, i int) bool {
	return i/64 < len(words) && words[i/64]>>(i%64)&1 == 1
}

// field is the 64 bits from bit i on.
func field(words []uint64, i int) uint64 {
	w, s := i/64, i%64
	if w >= len(words) {
		return 0
	}
	v := words[w] >> s
	if s > 0 && w+1 < len(words) {
		v |= words[w+1] << (64 - s)
	}
	return v
}

// anyBelow says whether a bit below i is set.
func anyBelow(words []uint64, i int) bool {
	w, s := i/64, i%64
	for _, v := range words[:min(w, len(words))] {
		if v != 0 {
			return true
		}
	}
	return w < len(words) && words[w]&(1<<s-1) != 0
}

// absolute makes a two's complement number its magnitude, in place.
func absolute(words []uint64) (negative bool) {
	if int64(words[len(words)-1]) >= 0 {
		return false
	}
	carry := uint64(1)
	for i, w := range words {
		words[i], carry = bits.Add64(^w, 0, carry)
	}
	return true
}
