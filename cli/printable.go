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
