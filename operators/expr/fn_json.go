package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

var jsonFunctions = []builtin{
	{
		Function: Function{Name: "fromJSON", Category: "json",
			Doc:      "The text as a JSON value. Take members with `.name` and `[0]`, and convert them with `int`, `float`, `string` or `bool`.",
			Errors:   "text that is not JSON",
			Examples: []Example{{`int(fromJSON("{\"a\": [1, 2]}").a[1])`, "2"}}},
		overloads: []overload{{params: []param{p("s", kString)}, result: typ{kind: kJSON}, fails: true, fn: fn1[string, string](validJSON)}},
	},
	{
		Function: Function{Name: "json", Category: "json", Signatures: []string{"json(a untyped) json"},
			Doc:      "An array or object that an expression has made, as a JSON column.",
			Errors:   "a value that JSON cannot hold, such as NaN",
			Examples: []Example{{`json(split("a,b", ","))`, `fromJSON("[\"a\",\"b\"]")`}}},
		overloads: []overload{{params: []param{p("j", kJSON)}, result: typ{kind: kJSON}, cost: costLoop, fn: fn1[string, string](sameText)}},
	},
}

var (
	errNotJSON = errors.New("fromJSON: the text is not JSON")
	errBadJSON = errors.New("the JSON value is malformed")
)

func validJSON(s string) (string, error) {
	if !json.Valid([]byte(s)) {
		return "", errNotJSON
	}
	return s, nil
}

// member is the value of the first member with that name; null if there is none,
// or it is null, or j is not an object.
func member(j, name string) (string, error) {
	sc := jsonScanner{text: j}
	if sc.space(); !sc.take('{') {
		return "", errNull
	}
	for sc.more('}') {
		key, ok := sc.str()
		if sc.space(); !ok || !sc.take(':') {
			return "", errBadJSON
		}
		sc.space()
		val, ok := sc.value()
		if !ok {
			return "", errBadJSON
		}
		if sameKey(key, name) {
			return notJSONNull(val)
		}
	}
	return "", sc.missing()
}

// element is element i of an array; negative counts from the end. Null if there
// is none, or it is null, or j is not an array.
func element(j string, i int64) (string, error) {
	if i < 0 {
		n, ok, err := jsonCount(j, '[', ']')
		if err != nil || !ok || i+n < 0 {
			return "", orNull(err)
		}
		i += n
	}
	sc := jsonScanner{text: j}
	if sc.space(); !sc.take('[') {
		return "", errNull
	}
	for ; sc.more(']'); i-- {
		val, ok := sc.value()
		if !ok {
			return "", errBadJSON
		}
		if i == 0 {
			return notJSONNull(val)
		}
	}
	return "", sc.missing()
}

func orNull(err error) error {
	if err != nil {
		return err
	}
	return errNull
}

func notJSONNull(val string) (string, error) {
	if val == "null" {
		return "", errNull
	}
	return val, nil
}

// jsonCount counts the elements of an array or the members of an object; ok is
// false if j is not one.
func jsonCount(j string, open, end byte) (n int64, ok bool, err error) {
	sc := jsonScanner{text: j}
	if sc.space(); !sc.take(open) {
		return 0, false, nil
	}
	for ; sc.more(end); n++ {
		if end == '}' {
			_, ok := sc.str()
			if sc.space(); !ok || !sc.take(':') {
				return 0, true, errBadJSON
			}
			sc.space()
		}
		if _, ok := sc.value(); !ok {
			return 0, true, errBadJSON
		}
	}
	if sc.bad {
		return 0, true, errBadJSON
	}
	return n, true, nil
}

func jsonLen(j string) (int64, error) {
	if n, ok, err := jsonCount(j, '[', ']'); ok {
		return n, err
	}
	if n, ok, err := jsonCount(j, '{', '}'); ok {
		return n, err
	}
	s := trimJSON(j)
	switch {
	case s == "null":
		return 0, errNull
	case len(s) > 0 && s[0] == '"':
		text, err := unquoteJSON(nil, s)
		return int64(utf8.RuneCount(text)), err
	}
	return 0, fmt.Errorf("len: %s has no length", clip(s, 40))
}

func jsonToInt(j string) (int64, error) {
	s, err := jsonScalar(j)
	if err != nil {
		return 0, err
	}
	x, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errIntRange
	}
	if err != nil {
		return 0, fmt.Errorf("int: %s is not an integer", clip(trimJSON(j), 40))
	}
	return x, nil
}

func jsonToFloat(j string) (float64, error) {
	s, err := jsonScalar(j)
	if err != nil {
		return 0, err
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("float: %s is not a number that float64 holds", clip(trimJSON(j), 40))
	}
	return x, nil
}

func jsonToBool(j string) (uint8, error) {
	s, err := jsonScalar(j)
	if err != nil {
		return 0, err
	}
	b, err := textToBool(s)
	if err != nil {
		return 0, fmt.Errorf("bool: %s is neither true nor false", clip(trimJSON(j), 40))
	}
	return b, nil
}

// jsonScalar is the text of a JSON value, a string's without its quotes.
func jsonScalar(j string) (string, error) {
	s := trimJSON(j)
	switch {
	case s == "null":
		return "", errNull
	case len(s) > 1 && s[0] == '"':
		return s[1 : len(s)-1], nil // with an escape it is no number or boolean anyway
	}
	return s, nil
}

func jsonToText(dst []byte, j string) ([]byte, error) {
	s := trimJSON(j)
	switch {
	case s == "null":
		return nil, errNull
	case len(s) > 0 && s[0] == '"':
		return unquoteJSON(dst, s)
	}
	return append(dst, s...), nil
}
