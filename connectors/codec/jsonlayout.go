package codec

import (
	"bytes"
	"math"
	"math/bits"

	"github.com/millrace/millrace/operators/columnar"
)

// The bounds of a layout. A row beyond them is read the general way each time.
const (
	maxLayoutFields = 1024
	maxLayoutBytes  = 32 << 10
)

// Where rows keep changing their layout, learning each is wasted: after
// patientMisses in a row only every retryEvery-th row is learned.
const (
	patientMisses = 8
	retryEvery    = 16
)

// layout is what stood between the values of the last row.
//
//	{"ad":  "a"  ,"price":  15  , "at":  1700000000000  }
//	^text   ^value          ^      ^text                ^tail
type layout struct {
	parts   []layoutPart
	tail    []byte
	missing []int // fields that the row did not have
	known   bool

	text   []byte // the bytes of all parts and the tail
	over   bool   // not to be learned: beyond the bounds, or in vain
	misses int    // rows in a row that did not have the layout of the one before
}

type layoutPart struct {
	matcher
	end   int // of the text in layout.text
	field int // skipped, or an index into fields
	op    layoutOp
}

// layoutOp is what the value of a part was in the last row. The quick ways of
// reading it hold for what is usual; everything else goes through value.
type layoutOp uint8

const (
	opValue      layoutOp = iota
	opInt                 // digits, for a column of Int64 or Timestamp
	opString              // for a column of String
	opSkipString          // a string that is not wanted
	opSkipDigits          // digits that are not wanted
)

// matcher compares a short text as two words, its first and its last eight bytes,
// which overlap if it has fewer than sixteen. That is cheaper than a call, and it
// has no branch on the length.
type matcher struct {
	text           []byte
	size           int
	need           int // bytes that the two words need
	head, headMask uint64
	last, lastMask uint64
	lastAt         int
	long           bool // there are bytes between the two words
}

func newMatcher(text []byte) matcher {
	m := matcher{text: text, size: len(text), need: max(len(text), 8), headMask: ^uint64(0)}
	var first [8]byte
	copy(first[:], text)
	m.head = word(first[:], 0)
	if m.size < 8 {
		m.headMask = 1<<(8*m.size) - 1
	}
	m.last, m.lastMask = m.head, m.headMask
	if m.size > 8 {
		m.lastAt = m.size - 8
		m.last, m.lastMask = word(text, m.lastAt), ^uint64(0)
	}
	m.long = m.size > 16
	return m
}

// at says whether the text stands at p.
func (m *matcher) at(v []byte, p int) bool {
	if p+m.need > len(v) {
		return bytes.HasPrefix(v[p:], m.text)
	}
	if (word(v, p)^m.head)&m.headMask|(word(v, p+m.lastAt)^m.last)&m.lastMask != 0 {
		return false
	}
	return !m.long || string(v[p+8:p+m.lastAt]) == string(m.text[8:m.lastAt])
}

func (l *layout) forget() {
	l.parts, l.missing, l.text = l.parts[:0], l.missing[:0], l.text[:0]
	l.known = false
	l.misses++
	l.over = l.misses > patientMisses && l.misses%retryEvery != 0
}

func (l *layout) add(between []byte, field int, op layoutOp) {
	if l.over || len(l.parts) == maxLayoutFields || len(l.text)+len(between) > maxLayoutBytes {
		l.over = true
		return
	}
	l.text = append(l.text, between...)
	l.parts = append(l.parts, layoutPart{end: len(l.text), field: field, op: op})
}

// finish cuts the text into its parts, now that it does not move any more.
func (l *layout) finish(tail []byte) {
	if l.over || len(l.text)+len(tail) > maxLayoutBytes {
		return
	}
	l.text = append(l.text, tail...)
	from := 0
	for i := range l.parts {
		part := &l.parts[i]
		part.matcher = newMatcher(l.text[from:part.end])
		from = part.end
	}
	l.tail = l.text[from:]
	l.known = true
}

// opOf is the quick way for a value that begins with c.
func (d *jsonDecoder) opOf(field int, c byte) layoutOp {
	if field == skipped {
		switch {
		case c == '"':
			return opSkipString
		case c-'0' <= 9:
			return opSkipDigits
		}
		return opValue
	}
	switch kind := d.fields[field].typ.Kind; {
	case c == '"' && kind == columnar.String:
		return opString
	case c-'0' <= 9 && (kind == columnar.Int64 || kind == columnar.Timestamp && d.fields[field].shift >= 0):
		return opInt
	}
	return opValue
}

// quick reads a row by the layout of the one before; false if it cannot, and then
// the columns hold a part of the row.
func (d *jsonDecoder) quick(v []byte) bool {
	p := 0
	for i := range d.layout.parts {
		part := &d.layout.parts[i]
		if !part.at(v, p) {
			return false
		}
		if p += part.size; p >= len(v) {
			return false
		}
		switch part.op {
		case opInt:
			n, end := shortDigits(v, p)
			f := &d.fields[part.field]
			if end == 0 || n > maxScaled {
				break
			}
			f.col.AppendInt64(n * f.scale)
			p = end
			continue
		case opString:
			if v[p] != '"' {
				break
			}
			if end, ok := plainString(v, p+1); ok {
				d.fields[part.field].col.AppendBytes(v[p+1 : end])
				p = end + 1
				continue
			}
		case opSkipString:
			if v[p] != '"' {
				break
			}
			if p = skipString(v, p+1); p == 0 {
				return false
			}
			continue
		case opSkipDigits:
			if end := skipDigits(v, p); end > p {
				p = end
				continue
			}
		}
		var err error
		if p, err = d.value(part.field, v, p); err != nil {
			return false
		}
	}
	if string(v[p:]) != string(d.layout.tail) {
		return false
	}
	for _, f := range d.layout.missing {
		d.fields[f].col.AppendNull()
	}
	return true
}

// maxScaled is the largest number that can be multiplied by a unit's scale, which
// is at most a million.
const maxScaled = math.MaxInt64 / 1_000_000

// shortDigits reads a number of 1 to 18 digits and nothing else, as nearly all
// are; end is 0 for any other. What follows must be the layout's, which is
// neither a digit nor a fraction.
//
// How many digits a number has is what a branch predictor cannot know, so up to
// eight of them are found, aligned and added up without a branch.
func shortDigits(v []byte, p int) (n int64, end int) {
	if p+8 > len(v) || v[p] == '0' {
		return fewDigits(v, p, 0, p)
	}
	x := word(v, p) ^ ones*'0'
	count := leadingDigits(x)
	if count < 8 {
		if count == 0 {
			return 0, 0
		}
		return eightDigits(x << (64 - 8*count)), p + count
	}
	n = eightDigits(x)
	if p+16 > len(v) {
		return fewDigits(v, p+8, n, p)
	}
	x = word(v, p+8) ^ ones*'0'
	if count = leadingDigits(x); count == 8 {
		return fewDigits(v, p+8, n, p)
	}
	return n*tens[count] + eightDigits(x<<(64-8*count)), p + 8 + count
}

var tens = [8]int64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000}

// fewDigits is shortDigits byte by byte, for a number that began at start and
// whose digits before p make n.
func fewDigits(v []byte, p int, n int64, start int) (int64, int) {
	for p < len(v) && v[p]-'0' <= 9 {
		n = n*10 + int64(v[p]-'0') // may wrap; then there are too many digits
		p++
	}
	if digits := p - start; digits == 0 || digits > 18 || v[start] == '0' && digits > 1 {
		return 0, 0
	}
	return n, p
}

// skipDigits is the index after digits, p if there are none.
func skipDigits(v []byte, p int) int {
	for p+8 <= len(v) {
		count := leadingDigits(word(v, p) ^ ones*'0')
		p += count
		if count < 8 {
			return p
		}
	}
	for p < len(v) && v[p]-'0' <= 9 {
		p++
	}
	return p
}

// leadingDigits is how many of eight bytes, from the lowest on, are digits; of
// each byte '0' has been taken away with an exclusive or. What is above 9 gets its
// top bit by adding 0x76; a carry runs upwards, where it does not matter.
func leadingDigits(x uint64) int {
	return bits.TrailingZeros64((x+ones*0x76|x)&tops) / 8
}

// eightDigits adds neighbours up: digits to pairs, pairs to fours, fours to eight.
func eightDigits(x uint64) int64 {
	x = x*10 + x>>8
	const low = 0x000000ff000000ff
	return int64(((x&low)*(100+1000000<<32) + (x>>16&low)*(1+10000<<32)) >> 32)
}
