package cli

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable is a name as a terminal may get it. Names of groups, clients and
// transactions are any bytes that their clients like, and a terminal takes some for
// commands. What cannot be seen is written as in Go: \n, \x1b. Everything else is as it
// was; JSON has the name itself.
func printable(s string) string {
	if visible(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if seen(r, n) {
			b.WriteString(s[:n])
		} else {
			quoted := strconv.QuoteToASCII(s[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[n:]
	}
	return b.String()
}

// drawn is how many columns of a terminal s takes: characters of East Asian scripts
// and pictures take two, and accents that combine none.
func drawn(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < 0x300:
			n++
		case unicode.In(r, unicode.Mn, unicode.Me):
		case unicode.In(r, wide):
			n += 2
		default:
			n++
		}
	}
	return n
}

// wide are the characters that terminals draw over two columns.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1}, // Hangul Jamo
		{Lo: 0x2e80, Hi: 0x303e, Stride: 1}, // radicals, punctuation
		{Lo: 0x3041, Hi: 0x33ff, Stride: 1}, // kana, and what is put together of it
		{Lo: 0x3400, Hi: 0x4dbf, Stride: 1}, // ideographs
		{Lo: 0x4e00, Hi: 0x9fff, Stride: 1},
		{Lo: 0xa000, Hi: 0xa4cf, Stride: 1}, // Yi
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1}, // Hangul
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1},
		{Lo: 0xfe30, Hi: 0xfe4f, Stride: 1},
		{Lo: 0xff00, Hi: 0xff60, Stride: 1}, // full width
		{Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1}, // pictures
		{Lo: 0x1f900, Hi: 0x1f9ff, Stride: 1},
		{Lo: 0x20000, Hi: 0x3fffd, Stride: 1}, // ideographs
	},
}

// printableLines is printable for a text of several lines.
func printableLines(s string) string {
	all := strings.Split(s, "\n")
	for i := range all {
		all[i] = printable(all[i])
	}
	return strings.Join(all, "\n")
}

func visible(s string) bool {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !seen(r, n) {
			return false
		}
		i += n
	}
	return true
}

// seen tells whether a rune of n bytes is drawn, or is a space.
func seen(r rune, n int) bool {
	return (r != utf8.RuneError || n > 1) && (unicode.IsPrint(r) || unicode.Is(unicode.Zs, r))
}
