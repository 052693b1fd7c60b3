package expr

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
)

var stringFunctions = []builtin{
	{
		Function: Function{Name: "len", Category: "strings",
			Doc:      "Number of characters (Unicode code points) of a string, of bytes of `bytes`, of elements of a JSON array, of members of a JSON object. Also of an array.",
			Errors:   "a JSON value that is a number or a boolean",
			Examples: []Example{{`len("héllo")`, "5"}, {`len(fromJSON("[1, 2]"))`, "2"}}},
		overloads: []overload{
			{params: []param{p("s", kString)}, result: typ{kind: kInt}, fn: fn1[string, int64](runeLen)},
			{params: []param{p("b", kBytes)}, result: typ{kind: kInt}, fn: fn1[string, int64](byteLen)},
			{params: []param{p("j", kJSON)}, result: typ{kInt, true}, fails: true, fn: fn1[string, int64](jsonLen)},
		},
	},
	{
		Function: Function{Name: "lower", Category: "strings", Doc: "Lower case, character by character.",
			Examples: []Example{{`lower("ÄB")`, `"äb"`}}},
		overloads: []overload{{params: []param{p("s", kString)}, result: typ{kind: kString}, fn: text1[string](lower)}},
	},
	{
		Function: Function{Name: "upper", Category: "strings", Doc: "Upper case, character by character.",
			Examples: []Example{{`upper("äb")`, `"ÄB"`}}},
		overloads: []overload{{params: []param{p("s", kString)}, result: typ{kind: kString}, fn: text1[string](upper)}},
	},
	{
		Function: Function{Name: "trim", Category: "strings", Doc: "Without the white space, or the characters of `chars`, at both ends.",
			Examples: []Example{{`trim("  a ")`, `"a"`}, {`trim("[a]", "[]")`, `"a"`}}},
		overloads: []overload{
			{params: []param{p("s", kString)}, result: typ{kind: kString}, fn: fn1[string, string](trimSpace)},
			{params: []param{p("s", kString), p("chars", kString)}, result: typ{kind: kString}, fn: fn2[string, string, string](trimChars)},
		},
	},
	{
		Function: Function{Name: "trimPrefix", Category: "strings", Doc: "Without `prefix`, if the string starts with it.",
			Examples: []Example{{`trimPrefix("www.a.org", "www.")`, `"a.org"`}}},
		overloads: []overload{{params: []param{p("s", kString), p("prefix", kString)}, result: typ{kind: kString}, fn: fn2[string, string, string](trimPrefix)}},
	},
	{
		Function: Function{Name: "trimSuffix", Category: "strings", Doc: "Without `suffix`, if the string ends with it.",
			Examples: []Example{{`trimSuffix("a.log", ".log")`, `"a"`}}},
		overloads: []overload{{params: []param{p("s", kString), p("suffix", kString)}, result: typ{kind: kString}, fn: fn2[string, string, string](trimSuffix)}},
	},
	{
		Function: Function{Name: "hasPrefix", Category: "strings", Doc: "The same as `s startsWith prefix`.",
			Examples: []Example{{`hasPrefix("abc", "ab")`, "true"}}},
		overloads: []overload{{params: []param{p("s", kString), p("prefix", kString)}, result: typ{kind: kBool}, fn: fn2[string, string, uint8](startsWith)}},
	},
	{
		Function: Function{Name: "hasSuffix", Category: "strings", Doc: "The same as `s endsWith suffix`.",
			Examples: []Example{{`hasSuffix("abc", "bc")`, "true"}}},
		overloads: []overload{{params: []param{p("s", kString), p("suffix", kString)}, result: typ{kind: kBool}, fn: fn2[string, string, uint8](endsWith)}},
	},
	{
		Function: Function{Name: "replace", Category: "strings", Doc: "Every `old` replaced by `new`. An empty `old` matches between all characters.",
			Errors:   "a result longer than 1 MiB",
			Examples: []Example{{`replace("a-b-c", "-", "+")`, `"a+b+c"`}}},
		overloads: []overload{{params: []param{p("s", kString), p("old", kString), p("new", kString)}, result: typ{kind: kString}, fails: true, fn: text3[string, string, string](replace)}},
	},
	{
		Function: Function{Name: "repeat", Category: "strings", Doc: "The string `n` times.",
			Errors:   "a negative `n`, a result longer than 1 MiB",
			Examples: []Example{{`repeat("ab", 3)`, `"ababab"`}}},
		overloads: []overload{{params: []param{p("s", kString), p("n", kInt)}, result: typ{kind: kString}, fails: true, fn: text2[string, int64](repeat)}},
	},
	{
		Function: Function{Name: "indexOf", Category: "strings", Doc: "Position of the first `sub`, in characters from 0; -1 if there is none.",
			Examples: []Example{{`indexOf("héllo", "l")`, "2"}, {`indexOf("abc", "x")`, "-1"}}},
		overloads: []overload{{params: []param{p("s", kString), p("sub", kString)}, result: typ{kind: kInt}, fn: fn2[string, string, int64](indexOf)}},
	},
	{
		Function: Function{Name: "lastIndexOf", Category: "strings", Doc: "Position of the last `sub`, in characters from 0; -1 if there is none.",
			Examples: []Example{{`lastIndexOf("a/b/c", "/")`, "3"}}},
		overloads: []overload{{params: []param{p("s", kString), p("sub", kString)}, result: typ{kind: kInt}, fn: fn2[string, string, int64](lastIndexOf)}},
	},
	{
		Function: Function{Name: "substr", Category: "strings", Doc: "At most `n` characters from position `from`, which counts from 0, or from the end if it is negative. What lies outside of the string is left out; without `n`, everything to the end.",
			Examples: []Example{{`substr("héllo", 1, 3)`, `"éll"`}, {`substr("abc", -2)`, `"bc"`}, {`substr("abc", 5)`, `""`}}},
		overloads: []overload{
			{params: []param{p("s", kString), p("from", kInt)}, result: typ{kind: kString}, fn: fn2[string, int64, string](substrFrom)},
			{params: []param{p("s", kString), p("from", kInt), p("n", kInt)}, result: typ{kind: kString}, fn: fn3[string, int64, int64, string](substr)},
		},
	},
	{
		Function: Function{Name: "concat", Category: "strings", Signatures: []string{"concat(s string, ...) string"},
			Doc: "All arguments joined, the same as `+`.", Errors: "a result longer than 1 MiB",
			Examples: []Example{{`concat("a", "b", "c")`, `"abc"`}}},
		special: checkConcat,
	},
	{
		Function: Function{Name: "hash", Category: "strings", Doc: "A 63-bit hash, never negative and the same in every version: XXH3-64 with its highest bit cleared. `hash(user) % 100 < 5` is a stable sample of five percent.",
			Examples: []Example{{`hash("millrace") == hash("millrace")`, "true"}, {`hash("") >= 0`, "true"}}},
		overloads: []overload{
			{params: []param{p("s", kString)}, result: typ{kind: kInt}, fn: fn1[string, int64](hash)},
			{params: []param{p("b", kBytes)}, result: typ{kind: kInt}, fn: fn1[string, int64](hash)},
		},
	},
}

func runeLen(s string) (int64, error) { return int64(utf8.RuneCountInString(s)), nil }
func byteLen(s string) (int64, error) { return int64(len(s)), nil }

func lower(dst []byte, s string) ([]byte, error) {
	return appendMapped(dst, s, 'A', unicode.ToLower), nil
}

func upper(dst []byte, s string) ([]byte, error) {
	return appendMapped(dst, s, 'a', unicode.ToUpper), nil
}

// appendMapped appends s with f applied to every character. Of ASCII, only the 26
// letters from first on change, and they change by one bit.
func appendMapped(dst []byte, s string, first byte, f func(rune) rune) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			for _, r := range s[i:] {
				dst = utf8.AppendRune(dst, f(r))
			}
			return dst
		}
		if c-first < 26 {
			c ^= 'a' ^ 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func trimSpace(s string) (string, error)          { return strings.TrimSpace(s), nil }
func trimChars(s, chars string) (string, error)   { return strings.Trim(s, chars), nil }
func trimPrefix(s, prefix string) (string, error) { return strings.TrimPrefix(s, prefix), nil }
func trimSuffix(s, suffix string) (string, error) { return strings.TrimSuffix(s, suffix), nil }

func startsWith(s, prefix string) (uint8, error) {
	return uint8(b2i(strings.HasPrefix(s, prefix))), nil
}
func endsWith(s, suffix string) (uint8, error) { return uint8(b2i(strings.HasSuffix(s, suffix))), nil }
func contains(s, sub string) (uint8, error)    { return uint8(b2i(strings.Contains(s, sub))), nil }

var (
	errTooLong  = errors.New(msgTooLong)
	errNegative = errors.New("repeat: a negative number of times")
)

func replace(dst []byte, s, old, sub string) ([]byte, error) {
	n := strings.Count(s, old)
	if len(s)+n*(len(sub)-len(old)) > MaxValueBytes {
		return nil, errTooLong
	}
	for ; n > 0; n-- {
		at := 0
		if old == "" {
			// Before each character and at the end, as strings.Replace does.
			dst = append(dst, sub...)
			_, at = utf8.DecodeRuneInString(s)
			dst, s = append(dst, s[:at]...), s[at:]
			continue
		}
		at = strings.Index(s, old)
		dst, s = append(append(dst, s[:at]...), sub...), s[at+len(old):]
	}
	return append(dst, s...), nil
}

func repeat(dst []byte, s string, n int64) ([]byte, error) {
	if n < 0 {
		return nil, errNegative
	}
	if len(s) == 0 {
		return dst, nil
	}
	if n > MaxValueBytes/int64(len(s)) {
		return nil, errTooLong
	}
	for ; n > 0; n-- {
		dst = append(dst, s...)
	}
	return dst, nil
}

func indexOf(s, sub string) (int64, error)     { return runeIndex(s, strings.Index(s, sub)), nil }
func lastIndexOf(s, sub string) (int64, error) { return runeIndex(s, strings.LastIndex(s, sub)), nil }

// runeIndex is a byte position in runes; negative stays.
func runeIndex(s string, at int) int64 {
	if at < 0 {
		return -1
	}
	return int64(utf8.RuneCountInString(s[:at]))
}

func substrFrom(s string, from int64) (string, error) {
	return substr(s, from, int64(len(s)))
}

func substr(s string, from, n int64) (string, error) {
	if n <= 0 {
		return "", nil
	}
	if from < 0 {
		from = max(0, from+int64(utf8.RuneCountInString(s)))
	}
	start := runeOffset(s, from)
	s = s[start:]
	return s[:runeOffset(s, n)], nil
}

// runeOffset is the byte position of rune n, or the end.
func runeOffset(s string, n int64) int {
	if n >= int64(len(s)) {
		return len(s)
	}
	for at := range s {
		if n == 0 {
			return at
		}
		n--
	}
	return len(s)
}

func hash(s string) (int64, error) { return int64(xxh3.HashString(s) &^ (1 << 63)), nil }
