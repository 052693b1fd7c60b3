package expr

import (
	"errors"
	"math"
)

var numberFunctions = []builtin{
	{
		Function: Function{Name: "abs", Category: "numbers", Doc: "The absolute value.",
			Errors: "the smallest int64, which has no positive counterpart", Examples: []Example{{"abs(-3)", "3"}, {"abs(-1.5)", "1.5"}}},
		overloads: []overload{
			{params: []param{p("x", kInt)}, result: typ{kind: kInt}, fails: true, fn: fn1[int64, int64](absInt)},
			{params: []param{p("x", kFloat)}, result: typ{kind: kFloat}, fn: fn1[float64, float64](float1(math.Abs))},
			{params: []param{p("d", kDuration)}, result: typ{kind: kDuration}, fails: true, fn: fn1[int64, int64](absInt)},
		},
	},
	rounding("ceil", "The least whole number that is not below x.", "ceil(1.2)", "2.0", math.Ceil),
	rounding("floor", "The greatest whole number that is not above x.", "floor(-1.2)", "-2.0", math.Floor),
	rounding("round", "The nearest whole number; halves are rounded away from zero.", "round(2.5)", "3.0", math.Round),
	{
		Function: Function{Name: "sqrt", Category: "numbers", Doc: "The square root; NaN for negative numbers.", Examples: []Example{{"sqrt(9)", "3.0"}}},
		overloads: []overload{
			{params: []param{p("x", kFloat)}, result: typ{kind: kFloat}, fn: fn1[float64, float64](float1(math.Sqrt))},
		},
	},
	{
		Function: Function{Name: "is_nan", Category: "numbers", Doc: "Whether x is not a number. (`x == x` is false then, too.)", Examples: []Example{{"is_nan(sqrt(-1))", "true"}}},
		overloads: []overload{
			{params: []param{p("x", kFloat)}, result: typ{kind: kBool}, fn: fn1[float64, uint8](func(x float64) (uint8, error) { return uint8(b2i(x != x)), nil })},
		},
	},
	{
		Function: Function{Name: "idiv", Category: "numbers", Doc: "Integer division, rounded towards zero.",
			Errors: "a divisor of zero; the smallest int64 divided by -1", Examples: []Example{{"idiv(7, 2)", "3"}, {"idiv(-7, 2)", "-3"}}},
		overloads: []overload{
			{params: []param{p("a", kInt), p("b", kInt)}, result: typ{kind: kInt}, fails: true, fn: fn2[int64, int64, int64](idiv)},
		},
	},
	extreme("min", "The least of the arguments: numbers, strings, timestamps or durations. NaN if one of them is.", "min(3, 1.5, 2)", "1.5"),
	extreme("max", "The greatest of the arguments: numbers, strings, timestamps or durations. NaN if one of them is.", "max(3, 1.5, 2)", "3.0"),
}

// rounding is a function that leaves integers as they are.
func rounding(name, doc, example, result string, f func(float64) float64) builtin {
	return builtin{
		Function: Function{Name: name, Category: "numbers", Doc: doc, Examples: []Example{{example, result}, {name + "(7)", "7"}}},
		overloads: []overload{
			{params: []param{p("x", kInt)}, result: typ{kind: kInt}, fn: fn1[int64, int64](func(x int64) (int64, error) { return x, nil })},
			{params: []param{p("x", kFloat)}, result: typ{kind: kFloat}, fn: fn1[float64, float64](float1(f))},
		},
	}
}

func extreme(name, doc, example, result string) builtin {
	return builtin{
		Function: Function{Name: name, Category: "numbers", Signatures: []string{name + "(a, b, ...)"}, Doc: doc,
			Examples: []Example{{example, result}, {name + `("a", "a")`, `"a"`}}},
		special: func(c *checker, call *call) (node, *Error) { return c.checkExtreme(call, name == "max") },
	}
}

// float1 makes a scalar function of one from math.
func float1(f func(float64) float64) func(float64) (float64, error) {
	return func(x float64) (float64, error) { return f(x), nil }
}

var (
	errOverflow = errors.New(msgIntOverflow)
	errDivZero  = errors.New(msgDivZero)
)

func absInt(x int64) (int64, error) {
	if x == math.MinInt64 {
		return 0, errOverflow
	}
	return max(x, -x), nil
}

func negate(x int64) (int64, error) {
	if x == math.MinInt64 {
		return 0, errOverflow
	}
	return -x, nil
}

func idiv(a, b int64) (int64, error) {
	switch {
	case b == 0:
		return 0, errDivZero
	case a == math.MinInt64 && b == -1:
		return 0, errOverflow
	}
	return a / b, nil
}

// modulo has the sign of the dividend.
func modulo(a, b int64) (int64, error) {
	switch b {
	case 0:
		return 0, errDivZero
	case -1:
		return 0, nil
	}
	return a % b, nil
}

func power(a, b float64) (float64, error) { return math.Pow(a, b), nil }

// least and greatest are min and max of two cells; of floats, NaN wins.

func least[T int64 | float64 | string](a, b T) (T, error)    { return min(a, b), nil }
func greatest[T int64 | float64 | string](a, b T) (T, error) { return max(a, b), nil }

// extremeKernel is min or max of two values of a kind.
func extremeKernel(k kind, greater bool) kernel {
	switch {
	case k == kFloat && greater:
		return fn2[float64, float64, float64](greatest[float64])
	case k == kFloat:
		return fn2[float64, float64, float64](least[float64])
	case k == kString && greater:
		return fn2[string, string, string](greatest[string])
	case k == kString:
		return fn2[string, string, string](least[string])
	case greater:
		return fn2[int64, int64, int64](greatest[int64])
	}
	return fn2[int64, int64, int64](least[int64])
}
