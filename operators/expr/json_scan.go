package expr

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonScanner walks over the raw text of a JSON value without decoding it. The
// text of a json column was checked when it was decoded, so the scanner looks only
// at structure; on malformed text it stops and says so, whatever the bytes are.
type jsonScanner struct {
	text  string
	at    int
	begun bool // inside of an object or array, the first member has been seen
	bad   bool
}

func (s *jsonScanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

func (s *jsonScanner) take(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// more steps to the next member of an object or array that ends with end. After
// it the scanner stands at the member.
func (s *jsonScanner) more(end byte) bool {
	s.space()
	if s.take(end) {
		return false
	}
	if s.begun && !s.take(',') {
		s.bad = true
		return false
	}
	s.begun = true
	s.space()
	if s.at == len(s.text) {
		s.bad = true
	}
	return !s.bad
}

// missing is the error of a lookup that came to the end.
func (s *jsonScanner) missing() error {
	if s.bad {
		return errBadJSON
	}
	return errNull
}

// str is the string at the scanner with its quotes.
func (s *jsonScanner) str() (string, bool) {
	from := s.at
	if !s.take('"') {
		return "", false
	}
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '"':
			s.at++
			return s.text[from:s.at], true
		case '\\':
			s.at++
		}
		s.at++
	}
	return "", false
}

// value is the raw value at the scanner. Nesting is counted, not recursed into.
func (s *jsonScanner) value() (string, bool) {
	from, depth := s.at, 0
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case '"':
			if _, ok := s.str(); !ok {
				return "", false
			}
			if depth == 0 {
				return s.text[from:s.at], true
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return s.text[from:s.at], s.at > from
			}
			if depth--; depth == 0 {
				s.at++
				return s.text[from:s.at], true
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return s.text[from:s.at], s.at > from
			}
		}
		s.at++
	}
	return s.text[from:], depth == 0 && s.at > from
}

func trimJSON(j string) string { return strings.Trim(j, " \t\r\n") }

// sameKey compares a quoted key with a name.
func sameKey(quoted, name string) bool {
	raw := quoted[1 : len(quoted)-1]
	if strings.IndexByte(raw, '\\') < 0 {
		return raw == name
	}
	decoded, err := unquoteJSON(nil, quoted)
	return err == nil && string(decoded) == name
}

// unquoteJSON appends the text of a JSON string that stands in quotes. A lone
// surrogate becomes the replacement character, as in encoding/json.
func unquoteJSON(dst []byte, quoted string) ([]byte, error) {
	if len(quoted) < 2 || quoted[len(quoted)-1] != '"' {
		return nil, errBadJSON
	}
	s := quoted[1 : len(quoted)-1]
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...), nil
		}
		dst, s = append(dst, s[:i]...), s[i:]
		if len(s) < 2 {
			return nil, errBadJSON
		}
		if s[1] != 'u' {
			at := strings.IndexByte(`"\/bfnrt`, s[1])
			if at < 0 {
				return nil, errBadJSON
			}
			dst, s = append(dst, "\"\\/\b\f\n\r\t"[at]), s[2:]
			continue
		}
		r, ok := hex4(s)
		if !ok {
			return nil, errBadJSON
		}
		s = s[6:]
		if low, ok := hex4(s); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			r, s = utf16.DecodeRune(r, low), s[6:]
		}
		dst = utf8.AppendRune(dst, r)
	}
}

// hex4 reads \uXXXX at the start of s.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	r := rune(0)
	for _, c := range []byte(s[2:6]) {
		switch {
		case c >= '0' && c <= '9':
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
