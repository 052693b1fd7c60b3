package expr

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

var conversionFunctions = []builtin{
	{
		Function: Function{Name: "int", Category: "conversion",
			Doc:      "An int64: a float is cut off towards zero, text must be a decimal integer, a boolean is 0 or 1, a timestamp or duration is its microseconds, a JSON value must be an integer or text that is one.",
			Nulls:    "null in, null out; JSON null is null",
			Errors:   "text that is not an integer; a number beyond int64; NaN",
			Examples: []Example{{`int("42")`, "42"}, {"int(-1.9)", "-1"}, {"int(true)", "1"}, {`int(fromJSON("{\"a\": 9007199254740993}").a)`, "9007199254740993"}}},
		overloads: []overload{
			{params: []param{p("x", kInt)}, result: typ{kind: kInt}, cost: costLoop, fn: fn1[int64, int64](sameInt)},
			{params: []param{p("x", kFloat)}, result: typ{kind: kInt}, fails: true, fn: fn1[float64, int64](floatToInt)},
			{params: []param{p("s", kString)}, result: typ{kind: kInt}, fails: true, fn: fn1[string, int64](textToInt)},
			{params: []param{p("b", kBool)}, result: typ{kind: kInt}, fn: fn1[uint8, int64](boolToInt)},
			{params: []param{p("t", kTime)}, result: typ{kind: kInt}, cost: costLoop, fn: fn1[int64, int64](sameInt)},
			{params: []param{p("d", kDuration)}, result: typ{kind: kInt}, cost: costLoop, fn: fn1[int64, int64](sameInt)},
			{params: []param{p("j", kJSON)}, result: typ{kInt, true}, fails: true, fn: fn1[string, int64](jsonToInt)},
		},
	},
	{
		Function: Function{Name: "float", Category: "conversion",
			Doc:      "A float64: of an integer the nearest one, text must be a number, a JSON value must be a number or text that is one.",
			Nulls:    "null in, null out; JSON null is null",
			Errors:   "text that is not a number, or beyond float64",
			Examples: []Example{{`float("1.5")`, "1.5"}, {"float(3)", "3.0"}}},
		overloads: []overload{
			{params: []param{p("x", kFloat)}, result: typ{kind: kFloat}, fn: fn1[float64, float64](float1(func(x float64) float64 { return x }))},
			{params: []param{p("s", kString)}, result: typ{kind: kFloat}, fails: true, fn: fn1[string, float64](textToFloat)},
			{params: []param{p("j", kJSON)}, result: typ{kFloat, true}, fails: true, fn: fn1[string, float64](jsonToFloat)},
		},
	},
	{
		Function: Function{Name: "string", Category: "conversion",
			Doc:      "Text: numbers in their shortest form, timestamps as RFC 3339 in UTC, bytes as the UTF-8 that they must be. Of a JSON value: text is unquoted, anything else is its JSON.",
			Nulls:    "null in, null out; JSON null is null",
			Errors:   "bytes that are not UTF-8",
			Examples: []Example{{"string(42)", `"42"`}, {"string(1e6)", `"1000000"`}, {`string(fromJSON("{\"a\": \"x\"}").a)`, `"x"`}}},
		overloads: []overload{
			{params: []param{p("s", kString)}, result: typ{kind: kString}, cost: costLoop, fn: fn1[string, string](sameText)},
			{params: []param{p("x", kInt)}, result: typ{kind: kString}, fn: text1[int64](appendInt)},
			{params: []param{p("x", kFloat)}, result: typ{kind: kString}, fn: text1[float64](appendFloat)},
			{params: []param{p("b", kBool)}, result: typ{kind: kString}, fn: fn1[uint8, string](boolToText)},
			{params: []param{p("t", kTime)}, result: typ{kind: kString}, fn: text1[int64](appendTimestamp)},
			{params: []param{p("b", kBytes)}, result: typ{kind: kString}, fails: true, fn: fn1[string, string](bytesToText)},
			{params: []param{p("j", kJSON)}, result: typ{kString, true}, fails: true, fn: text1[string](jsonToText)},
		},
	},
	{
		Function: Function{Name: "bool", Category: "conversion",
			Doc:      "A boolean from the text `true` or `false`, or from a JSON value that is one or such a text. For numbers write `x != 0`.",
			Nulls:    "null in, null out; JSON null is null",
			Errors:   "anything else",
			Examples: []Example{{`bool("true")`, "true"}}},
		overloads: []overload{
			{params: []param{p("b", kBool)}, result: typ{kind: kBool}, fn: fn1[uint8, uint8](func(b uint8) (uint8, error) { return b, nil })},
			{params: []param{p("s", kString)}, result: typ{kind: kBool}, fails: true, fn: fn1[string, uint8](textToBool)},
			{params: []param{p("j", kJSON)}, result: typ{kBool, true}, fails: true, fn: fn1[string, uint8](jsonToBool)},
		},
	},
	{
		Function: Function{Name: "bytes", Category: "conversion",
			Doc:      "The UTF-8 bytes of a string.",
			Examples: []Example{{`len(bytes("é"))`, "2"}}},
		overloads: []overload{
			{params: []param{p("s", kString)}, result: typ{kind: kBytes}, cost: costLoop, fn: fn1[string, string](sameText)},
			{params: []param{p("b", kBytes)}, result: typ{kind: kBytes}, cost: costLoop, fn: fn1[string, string](sameText)},
		},
	},
	{
		Function: Function{Name: "timestamp", Category: "conversion",
			Doc:      "A timestamp from text in RFC 3339. For other layouts use `parse_time`, for numbers `from_unix`.",
			Errors:   "text that is not RFC 3339",
			Examples: []Example{{`timestamp("2026-01-02T03:04:05+01:00")`, `timestamp("2026-01-02T02:04:05Z")`}}},
		overloads: []overload{
			{params: []param{p("t", kTime)}, result: typ{kind: kTime}, cost: costLoop, fn: fn1[int64, int64](sameInt)},
			{params: []param{p("s", kString)}, result: typ{kind: kTime}, fails: true, fn: fn1[string, int64](parseTimestamp)},
		},
	},
}

var (
	errNotFinite = errors.New("int: not a finite number")
	errIntRange  = errors.New("int: beyond the range of int64")
	errNotUTF8   = errors.New("string: the bytes are not UTF-8")
)

func sameInt(x int64) (int64, error)    { return x, nil }
func sameText(s string) (string, error) { return s, nil }
func boolToInt(b uint8) (int64, error)  { return int64(b), nil }

func floatToInt(x float64) (int64, error) {
	switch {
	case x != x || math.IsInf(x, 0):
		return 0, errNotFinite
	case x >= 1<<63 || x < -1<<63:
		return 0, errIntRange
	}
	return int64(x), nil
}

func textToInt(s string) (int64, error) {
	x, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err == nil:
		return x, nil
	case errors.Is(err, strconv.ErrRange):
		return 0, errIntRange
	}
	return 0, fmt.Errorf("int: %q is not an integer", clip(s, 40))
}

func textToFloat(s string) (float64, error) {
	x, err := strconv.ParseFloat(s, 64)
	switch {
	case err == nil:
		return x, nil
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("float: %q is beyond the range of float64", clip(s, 40))
	}
	return 0, fmt.Errorf("float: %q is not a number", clip(s, 40))
}

func textToBool(s string) (uint8, error) {
	switch s {
	case "true":
		return triTrue, nil
	case "false":
		return triFalse, nil
	}
	return 0, fmt.Errorf("bool: %q is neither true nor false", clip(s, 40))
}

func boolToText(b uint8) (string, error) {
	if b == triTrue {
		return "true", nil
	}
	return "false", nil
}

func bytesToText(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errNotUTF8
	}
	return s, nil
}

func appendInt(dst []byte, x int64) ([]byte, error) { return strconv.AppendInt(dst, x, 10), nil }

// appendFloat writes the shortest text that reads back as x, without an exponent
// from 1e-6 up to 1e21, as JSON and JavaScript do.
func appendFloat(dst []byte, x float64) ([]byte, error) {
	switch {
	case x != x:
		return append(dst, "NaN"...), nil
	case math.IsInf(x, 1):
		return append(dst, "Infinity"...), nil
	case math.IsInf(x, -1):
		return append(dst, "-Infinity"...), nil
	}
	format := byte('f')
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, x, format, -1, 64), nil
}
