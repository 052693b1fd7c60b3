package builtin

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/statestore"
)

// floatSum is an exact sum of float64 values: the result is the same in any order,
// and is the true sum rounded once.
//
// The simple way, adding floats, depends on the order. A fixed-point number wide
// enough for every float64 does not, but is 34 words per key. Real values of one
// column differ by a few orders of magnitude, so a narrow window of such a number
// does: 192 bits, placed by the first value with 64 bits to spare below it and 74
// above. A value outside the window moves what has been summed into the wide number
// (the spill, a blob that most keys never have) and places the window anew. Both are
// exact, so it does not matter when that happens.
//
// State: four words and a blob.
//
//	control   bits 0-15: place + 1, where 2^(place-1074) is the lowest bit of the window; 0 = no window yet
//	          bit 16: a NaN was seen, 17: +Inf, 18: -Inf
//	low, middle, high   the window, two's complement
//	blob      absent, or the spill: 34 words little endian, two's complement, lowest bit 2^-1074
//
// Rules: any NaN, or infinities of both signs, give NaN; one infinity gives itself.
// A sum of nothing but zeros, and an exact cancellation, is +0. A finite sum beyond
// the largest float64 rounds to an infinity.
type floatSum struct {
	word uint32
	blob int
}

const (
	floatSumWords = 4

	placeMask  = 1<<16 - 1
	seenNaN    = 1 << 16
	seenPlus   = 1 << 17
	seenMinus  = 1 << 18
	seenAny    = seenNaN | seenPlus | seenMinus
	belowFirst = 64  // bits of the window below the first value
	maxShift   = 137 // beyond it a value would reach the window's top

	// spillWords hold 2^-1074 to 2^1024, 63 bits of carry and a sign.
	spillWords = 34
	spillSize  = 8 * spillWords

	lowestExponent = -1074
)

func (c floatSum) add(p *part, arg arrow.Array) error {
	values := arg.(*array.Float64).Float64Values()
	nulls := arg.NullN() > 0
	w := p.table.Words()
	for j, s := range p.slots {
		row := p.rows[j]
		if nulls && arg.IsNull(int(row)) {
			continue
		}
		cell := w[s+c.word : s+c.word+floatSumWords : s+c.word+floatSumWords]
		if !addFast(cell, values[row]) {
			if err := c.addSlow(p.table, s, values[row]); err != nil {
				return err
			}
		}
	}
	return nil
}

// split is a finite value as mantissa * 2^(position-1074).
func split(v float64) (mantissa uint64, position int) {
	u := math.Float64bits(v)
	exponent := int(u >> 52 & 0x7ff)
	mantissa = u & (1<<52 - 1)
	if exponent == 0 {
		return mantissa, 0
	}
	return mantissa | 1<<52, exponent - 1
}

// addFast adds a value that fits into the window; otherwise it does nothing and
// returns false. Before, the window must be less than half full, which it leaves so:
// a sum in the upper half is refused too.
func addFast(cell []uint64, v float64) bool {
	u := math.Float64bits(v)
	exponent := int(u >> 52 & 0x7ff)
	shift := exponent - int(cell[0]&placeMask) // exponent-1 - place
	top := int64(cell[3])
	if exponent == 0 || exponent == 0x7ff || cell[0]&placeMask == 0 || uint(shift) > maxShift || top > 1<<61 || top < -1<<61 {
		return false
	}
	mantissa := u&(1<<52-1) | 1<<52
	low := mantissa << (shift & 63)
	high := mantissa >> 1 >> (63 - shift&63)
	sign := uint64(int64(u) >> 63) // all ones if negative
	var a, b, d uint64
	switch shift >> 6 {
	case 0:
		a, b = low, high
	case 1:
		b, d = low, high
	default:
		d = low
	}
	var carry uint64
	cell[1], carry = bits.Add64(cell[1], a^sign, sign&1)
	cell[2], carry = bits.Add64(cell[2], b^sign, carry)
	cell[3], _ = bits.Add64(cell[3], d^sign, carry)
	return true
}

// addSlow adds any value: it places the first window, keeps NaN and infinities as
// flags, and moves the window if need be.
func (c floatSum) addSlow(t *statestore.Table, s statestore.Slot, v float64) error {
	cell := t.Words()[s+c.word:][:floatSumWords]
	switch {
	case v == 0:
		return nil
	case v != v:
		cell[0] |= seenNaN
		return nil
	case math.IsInf(v, 1):
		cell[0] |= seenPlus
		return nil
	case math.IsInf(v, -1):
		cell[0] |= seenMinus
		return nil
	}
	if cell[1]|cell[2]|cell[3] != 0 {
		if err := c.spill(t, s); err != nil {
			return err
		}
		cell = t.Words()[s+c.word:][:floatSumWords]
	}
	mantissa, position := split(v)
	place := max(position-belowFirst, 0)
	cell[0] = cell[0]&^placeMask | uint64(place+1)
	var wide [3]uint64
	shiftInto(wide[:], mantissa, position-place)
	if v < 0 {
		negate(wide[:])
	}
	cell[1], cell[2], cell[3] = wide[0], wide[1], wide[2]
	return nil
}

// spill adds the window to the wide number and empties it.
func (c floatSum) spill(t *statestore.Table, s statestore.Slot) error {
	if t.Blob(s, c.blob) == nil {
		if err := t.SetBlob(s, c.blob, make([]byte, spillSize)); err != nil {
			return err
		}
	}
	b, err := t.MutBlob(s, c.blob)
	if err != nil {
		return err
	}
	var wide [spillWords]uint64
	loadSpill(&wide, b)
	cell := t.Words()[s+c.word:][:floatSumWords]
	addWindow(&wide, cell)
	for i, w := range wide {
		binary.LittleEndian.PutUint64(b[8*i:], w)
	}
	cell[1], cell[2], cell[3] = 0, 0, 0
	return nil
}

func loadSpill(wide *[spillWords]uint64, b []byte) {
	for i := range wide {
		wide[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
}

// addWindow adds the window of a cell to the wide number.
func addWindow(wide *[spillWords]uint64, cell []uint64) {
	place := int(cell[0]&placeMask) - 1
	if place < 0 {
		return
	}
	window := [3]uint64{cell[1], cell[2], cell[3]}
	negative := absolute(window[:])
	var moved [spillWords]uint64
	for i, w := range window {
		shiftInto(moved[:], w, place+64*i)
	}
	if negative {
		negate(moved[:])
	}
	carry := uint64(0)
	for i := range wide {
		wide[i], carry = bits.Add64(wide[i], moved[i], carry)
	}
}

// shiftInto sets the bits of v from bit position on; they are clear.
func shiftInto(words []uint64, v uint64, position int) {
	if v == 0 {
		return
	}
	i, s := position/64, position%64
	words[i] |= v << s
	if s > 0 && i+1 < len(words) {
		words[i+1] |= v >> (64 - s)
	}
}

func negate(words []uint64) {
	carry := uint64(1)
	for i, w := range words {
		words[i], carry = bits.Add64(^w, 0, carry)
	}
}

// value is the sum divided by divisor, rounded once.
func (c floatSum) value(t *statestore.Table, s statestore.Slot, divisor uint64) float64 {
	cell := t.Words()[s+c.word:][:floatSumWords]
	switch cell[0] & seenAny {
	case 0:
	case seenPlus:
		return math.Inf(1)
	case seenMinus:
		return math.Inf(-1)
	default:
		return math.NaN()
	}
	if b := t.Blob(s, c.blob); b != nil {
		var wide [spillWords]uint64
		loadSpill(&wide, b)
		addWindow(&wide, cell)
		negative := absolute(wide[:])
		return nearest(negative, wide[:], lowestExponent, divisor)
	}
	window := [3]uint64{cell[1], cell[2], cell[3]}
	negative := absolute(window[:])
	return nearest(negative, window[:], lowestExponent+int(cell[0]&placeMask)-1, divisor)
}
