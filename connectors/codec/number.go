package codec

import (
	"errors"
	"math"
	"strconv"
	"unsafe"
)

var (
	errNotNumber = errors.New("not a number")
	errNotInt    = errors.New("not a whole number")
	errRange     = errors.New("out of range")
)

// decimal is a number as it is written: mantissa x 10^exp. It is exact as long as
// the digits fit; longer ones go to strconv.
type decimal struct {
	mantissa uint64
	exp      int
	negative bool
	long     bool // more than 19 digits: mantissa is not all of them
	plain    bool // digits only, no fraction and no exponent
}

// scanDecimal reads a number by JSON's grammar from v[p:] and returns the index
// after it; 0 if there is none. What follows is not looked at.
func scanDecimal(v []byte, p int) (d decimal, end int) {
	if p < len(v) && v[p] == '-' {
		d.negative = true
		p++
	}
	start := p
	for p < len(v) && v[p]-'0' <= 9 {
		if p-start < 19 {
			d.mantissa = d.mantissa*10 + uint64(v[p]-'0')
		} else {
			d.long = true
		}
		p++
	}
	if p == start || v[start] == '0' && p-start > 1 {
		return d, 0
	}
	if p == len(v) || v[p] != '.' && v[p]|0x20 != 'e' {
		d.plain = true
		return d, p
	}
	return d.rest(v, start, p)
}

// rest reads fraction and exponent.
func (d decimal) rest(v []byte, start, p int) (decimal, int) {
	digits := p - start
	if v[p] == '.' {
		p++
		first := p
		for p < len(v) && v[p]-'0' <= 9 {
			if digits < 19 {
				d.mantissa = d.mantissa*10 + uint64(v[p]-'0')
				d.exp--
				if d.mantissa > 0 {
					digits++
				}
			} else if v[p] != '0' {
				d.long = true
			}
			p++
		}
		if p == first {
			return d, 0
		}
	}
	if p < len(v) && v[p]|0x20 == 'e' {
		p++
		minus := false
		if p < len(v) && (v[p] == '-' || v[p] == '+') {
			minus = v[p] == '-'
			p++
		}
		first, e := p, 0
		for p < len(v) && v[p]-'0' <= 9 {
			e = min(e*10+int(v[p]-'0'), 1<<20)
			p++
		}
		if p == first {
			return d, 0
		}
		if minus {
			e = -e
		}
		d.exp += e
	}
	return d, p
}

// scaled is the number x 10^shift as an int64, with what is below one cut towards
// minus infinity if floor, refused otherwise.
func (d decimal) scaled(shift int, floor bool) (int64, error) {
	m, exp := d.mantissa, d.exp+shift
	if d.long {
		if d.plain {
			return 0, errRange
		}
		return 0, errNotInt
	}
	cut := false
	for ; exp < 0 && m > 0; exp++ {
		cut = cut || m%10 != 0
		m /= 10
	}
	for ; exp > 0 && m > 0; exp-- {
		if m > math.MaxUint64/10 {
			return 0, errRange
		}
		m *= 10
	}
	if cut && !floor {
		return 0, errNotInt
	}
	if d.negative {
		if cut {
			m++
		}
		if m > 1<<63 {
			return 0, errRange
		}
		return -int64(m), nil
	}
	if m > math.MaxInt64 {
		return 0, errRange
	}
	return int64(m), nil
}

// powers are the powers of ten that a float64 holds exactly.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// float is the number as a float64, correctly rounded. text is how it is written.
func (d decimal) float(text []byte) (float64, error) {
	if d.mantissa <= 1<<53 && !d.long && d.exp >= -22 && d.exp <= 22 {
		f := float64(d.mantissa)
		if d.exp < 0 {
			f /= powers[-d.exp]
		} else {
			f *= powers[d.exp]
		}
		if d.negative {
			f = -f
		}
		return f, nil
	}
	f, err := strconv.ParseFloat(alias(text), 64)
	if err != nil {
		return 0, errRange
	}
	return f, nil
}

// parseInt reads all of text as an int64.
func parseInt(text []byte) (int64, error) {
	d, end := scanDecimal(text, 0)
	if end != len(text) || end == 0 {
		return 0, errNotNumber
	}
	return d.scaled(0, false)
}

// parseFloat reads all of text as a float64.
func parseFloat(text []byte) (float64, error) {
	d, end := scanDecimal(text, 0)
	if end != len(text) || end == 0 {
		return 0, errNotNumber
	}
	return d.float(text)
}

// alias is the bytes as a string, for a call that does not keep it.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// errNaN is the row error of a float that a text format has no number for.
var errNaN = errors.New("NaN and infinities have no notation in this format")

// appendFloat appends the shortest text that reads back as f, in JSON's notation.
func appendFloat(dst []byte, f float64) ([]byte, error) {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		if f == 0 && math.Signbit(f) {
			return append(dst, "-0"...), nil
		}
		return strconv.AppendInt(dst, int64(f), 10), nil
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, errNaN
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64), nil
	}
	return strconv.AppendFloat(dst, f, 'e', -1, 64), nil
}
