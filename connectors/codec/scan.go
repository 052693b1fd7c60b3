package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Eight bytes are looked at as one word: a byte's top bit says that the byte is
// what is looked for. Only the lowest hit is exact (borrows run upwards), and only
// that one is used.
const (
	ones  = 0x0101010101010101
	tops  = 0x8080808080808080
	quote = ones * '"'
	slash = ones * '\\'
)

func zeroes(x uint64) uint64      { return (x - ones) & ^x & tops }
func below32(x uint64) uint64     { return (x - ones*0x20) & ^x & tops }
func word(v []byte, p int) uint64 { return binary.LittleEndian.Uint64(v[p:]) }

var (
	errUnclosed = errors.New("a string is not closed")
	errControl  = errors.New("a control character in a string must be escaped")
	errUTF8     = errors.New("a string is not UTF-8")
	errEscape   = errors.New("an escape that JSON does not have")
	errDepth    = errors.New("nested too deeply")
	errEnd      = errors.New("the document ends too early")
)

// plainString finds the end of a string whose first byte is at p. ok is false if
// it has escapes or control characters or is not closed or not UTF-8: then the
// slow way says which.
func plainString(v []byte, p int) (end int, ok bool) {
	start, high := p, uint64(0)
	for ; p+8 <= len(v); p += 8 {
		x := word(v, p)
		if hit := zeroes(x^quote) | zeroes(x^slash) | below32(x); hit != 0 {
			n := bits.TrailingZeros64(hit) / 8
			high |= x & tops & (1<<(8*n) - 1)
			p += n
			return p, v[p] == '"' && (high == 0 || utf8.Valid(v[start:p]))
		}
		high |= x & tops
	}
	for ; p < len(v); p++ {
		switch c := v[p]; {
		case c == '"':
			return p, high == 0 || utf8.Valid(v[start:p])
		case c == '\\' || c < 0x20:
			return p, false
		default:
			high |= uint64(c) & tops
		}
	}
	return p, false
}

// skipString is the index after the string whose first byte is at p; 0 if it is
// not closed. Its contents are not checked. Only quotes are looked for: one ends
// the string unless the backslashes in front of it are of an odd number.
func skipString(v []byte, p int) int {
	for start := p; ; p++ {
		if p = nextQuote(v, p); p == len(v) {
			return 0
		}
		if v[p-1] != '\\' || !escaped(v, start, p) {
			return p + 1
		}
	}
}

// nextQuote is the index of the first quote from p on, len(v) if there is none.
// Most strings are short; a long one is worth a call.
func nextQuote(v []byte, p int) int {
	for short := min(p+32, len(v)-8); p <= short; p += 8 {
		if hit := zeroes(word(v, p) ^ quote); hit != 0 {
			return p + bits.TrailingZeros64(hit)/8
		}
	}
	if n := bytes.IndexByte(v[p:], '"'); n >= 0 {
		return p + n
	}
	return len(v)
}

// escaped says whether an odd number of backslashes stands before p, from start
// on.
func escaped(v []byte, start, p int) bool {
	n := 0
	for p-1-n >= start && v[p-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// unescape appends the string whose first byte is at p and returns the index
// after its end. Lone surrogates become U+FFFD, as in every other decoder.
func unescape(dst, v []byte, p int) ([]byte, int, error) {
	for p < len(v) {
		switch c := v[p]; {
		case c == '"':
			return dst, p + 1, nil
		case c == '\\':
			var err error
			if dst, p, err = escape(dst, v, p+1); err != nil {
				return dst, p, err
			}
		case c < 0x20:
			return dst, p, errControl
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			p++
		default:
			r, n := utf8.DecodeRune(v[p:])
			if r == utf8.RuneError && n == 1 {
				return dst, p, errUTF8
			}
			dst = append(dst, v[p:p+n]...)
			p += n
		}
	}
	return dst, p, errUnclosed
}

// escape reads what follows a backslash.
func escape(dst, v []byte, p int) ([]byte, int, error) {
	if p >= len(v) {
		return dst, p, errUnclosed
	}
	switch c := v[p]; c {
	case '"', '\\', '/':
		return append(dst, c), p + 1, nil
	case 'b':
		return append(dst, '\b'), p + 1, nil
	case 'f':
		return append(dst, '\f'), p + 1, nil
	case 'n':
		return append(dst, '\n'), p + 1, nil
	case 'r':
		return append(dst, '\r'), p + 1, nil
	case 't':
		return append(dst, '\t'), p + 1, nil
	case 'u':
		r, ok := hex4(v, p+1)
		if !ok {
			return dst, p, errEscape
		}
		p += 5
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if p+1 < len(v) && v[p] == '\\' && v[p+1] == 'u' {
				if low, ok := hex4(v, p+2); ok {
					pair = utf16.DecodeRune(r, low)
				}
			}
			if pair != utf8.RuneError {
				p += 6
			}
			r = pair
		}
		return utf8.AppendRune(dst, r), p, nil
	}
	return dst, p, errEscape
}

func hex4(v []byte, p int) (rune, bool) {
	if p+4 > len(v) {
		return 0, false
	}
	r := rune(0)
	for _, c := range v[p : p+4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func skipSpace(v []byte, p int) int {
	for p < len(v) && (v[p] == ' ' || v[p] == '\n' || v[p] == '\t' || v[p] == '\r') {
		p++
	}
	return p
}

// maxDepth is how deep a value that is skipped may be nested.
const maxDepth = 1024

// skipValue is the index after the value at p. Strings are closed and brackets
// match; what stands between is not checked.
func skipValue(v []byte, p int) (int, error) {
	if p >= len(v) {
		return p, errEnd
	}
	switch v[p] {
	case '"':
		if end := skipString(v, p+1); end > 0 {
			return end, nil
		}
		return p, errUnclosed
	case '{', '[':
		return skipNested(v, p)
	}
	start := p
	for p < len(v) {
		switch v[p] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			if p == start {
				return p, errNoValue
			}
			return p, nil
		case '"', '{', '[', ':':
			return p, errNoValue
		}
		p++
	}
	return p, nil
}

var errNoValue = errors.New("there is no value here")

func skipNested(v []byte, p int) (int, error) {
	var objects [maxDepth / 64]uint64 // a bit per level: an object, not an array
	depth := 0
	for p < len(v) {
		switch c := v[p]; c {
		case '"':
			if p = skipString(v, p+1); p == 0 {
				return len(v), errUnclosed
			}
			continue
		case '{', '[':
			if depth == maxDepth {
				return p, errDepth
			}
			objects[depth/64] &^= 1 << (depth % 64)
			if c == '{' {
				objects[depth/64] |= 1 << (depth % 64)
			}
			depth++
		case '}', ']':
			depth--
			if (objects[depth/64]>>(depth%64)&1 == 1) != (c == '}') {
				return p, errBrackets
			}
			if depth == 0 {
				return p + 1, nil
			}
		}
		p++
	}
	return p, errEnd
}

var errBrackets = errors.New("brackets do not match")
