package codec

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// TestSkipString compares with the plain way: a character at a time.
func TestSkipString(t *testing.T) {
	plain := func(v string, p int) int {
		for ; p < len(v); p++ {
			switch v[p] {
			case '"':
				return p + 1
			case '\\':
				p++
			}
		}
		return 0
	}
	rng := random(t)
	for range 20_000 {
		var b strings.Builder
		b.WriteByte('"')
		for range rng.IntN(90) {
			b.WriteByte(`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\\\"`[rng.IntN(37)])
		}
		if rng.IntN(4) > 0 {
			b.WriteByte('"')
		}
		b.WriteString(strings.Repeat(",", rng.IntN(20)))
		v := b.String()
		if got, want := skipString([]byte(v), 1), plain(v, 1); got != want {
			t.Fatalf("%q ends at %d, want %d", v, got, want)
		}
	}
}

// TestDigits: numbers of every length, at every distance from the end of the
// value, against strconv.
func TestDigits(t *testing.T) {
	rng := random(t)
	for range 20_000 {
		text := randomNumber(rng)
		digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
		v := []byte("x" + text + strings.Repeat(",", rng.IntN(20)))
		if got := skipDigits(v, 1); got != 1+digits {
			t.Fatalf("%q: digits end at %d, want %d", v, got, 1+digits)
		}
		n, end := shortDigits(v, 1)
		if digits == 0 || digits > 18 || digits > 1 && text[0] == '0' {
			if end != 0 {
				t.Fatalf("%q is %d up to %d, want nothing", v, n, end)
			}
			continue
		}
		want, err := strconv.ParseInt(text[:digits], 10, 64)
		if err != nil || n != want || end != 1+digits {
			t.Fatalf("%q is %d up to %d, want %d up to %d (%v)", v, n, end, want, 1+digits, err)
		}
	}
}

// randomNumber is up to 24 digits, with something else behind or between them now
// and then.
func randomNumber(rng *rand.Rand) string {
	b := make([]byte, rng.IntN(25))
	for i := range b {
		b[i] = byte('0' + rng.IntN(10))
	}
	if len(b) > 0 && rng.IntN(3) == 0 {
		b[rng.IntN(len(b))] = "/:.-eE \x00\x7f\x80\xff"[rng.IntN(11)]
	}
	return string(b)
}
