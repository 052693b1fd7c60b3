package codec

import (
	"math"

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
)

// matcher compares a short text by words, which is cheaper than a call.
type matcher struct {
	text       []byte
	head, tail uint64 // the first bytes and, above 8, the last 8
	mask       uint64 // of head
}

func newMatcher(text []byte) matcher {
	m := matcher{text: text, mask: ^uint64(0)}
	var first [8]byte
	copy(first[:], text)
	m.head = word(first[:], 0)
	if len(text) < 8 {
		m.mask = 1<<(8*len(text)) - 1
	} else {
		m.tail = word(text, len(text)-8)
	}
	return m
}

// at is the index after the text if it stands at p, 0 otherwise; p+8 must be
// within v or the answer may be 0.
func (m *matcher) at(v []byte, p int) int {
	end := p + len(m.text)
	if p+8 > len(v) || end > len(v) || (word(v, p)^m.head)&m.mask != 0 {
		return 0
	}
	switch n := len(m.text); {
	case n <= 8:
	case n <= 16:
		if word(v, end-8) != m.tail {
			return 0
		}
	default:
		if string(v[p+8:end]) != string(m.text[8:]) {
			return 0
		}
	}
	return end
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
		if c == '"' {
			return opSkipString
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
		if p = part.at(v, p); p == 0 || p >= len(v) {
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
func shortDigits(v []byte, p int) (n int64, end int) {
	start := p
	if p+8 <= len(v) {
		if x := word(v, p); allDigits(x) {
			n = eightDigits(x)
			p += 8
		}
	}
	for p < len(v) && v[p]-'0' <= 9 {
		n = n*10 + int64(v[p]-'0')
		p++
	}
	if digits := p - start; digits == 0 || digits > 18 || v[start] == '0' && digits > 1 {
		return 0, 0
	}
	return n, p
}

// allDigits says whether eight bytes are all '0' to '9': their upper halves are 3,
// also after adding 6.
func allDigits(x uint64) bool {
	return x&(ones*0xf0)|(x+ones*6)&(ones*0xf0)>>4 == ones*0x33
}

// eightDigits adds neighbours up: digits to pairs, pairs to fours, fours to eight.
func eightDigits(x uint64) int64 {
	x -= ones * '0'
	x = x*10 + x>>8
	const low = 0x000000ff000000ff
	return int64(((x&low)*(100+1000000<<32) + (x>>16&low)*(1+10000<<32)) >> 32)
}
