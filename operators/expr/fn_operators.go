package expr

// Operators lists every operator, those that bind tightest first.
func Operators() []Function {
	op := func(name, signature, doc, nulls, faults string, examples ...Example) Function {
		return Function{Name: name, Category: "operators", Signatures: []string{signature}, Doc: doc, Nulls: nulls, Errors: faults, Examples: examples}
	}
	return []Function{
		op("??", "a ?? b", "`a`, or where it is null `b`, which is evaluated only there. Mixed with another operator it needs parentheses.", "null only if both are", "", Example{"int(nil) ?? 5", "5"}),
		op("^ **", "x ^ y", "Power; the result is float64.", "", "", Example{"2 ^ 10", "1024.0"}),
		op("-x", "-x", "Negation of a number or a duration.", "", "the smallest int64", Example{"-(3)", "-3"}),
		op("*", "x * y", "Product: int64 of two integers, float64 if one is a float; a duration and an integer give a duration.", "", "integer overflow", Example{"2 * 3", "6"}, Example{"2 * 1.5", "3.0"}),
		op("/", "x / y", "Quotient, always float64, also of integers; of two durations their ratio. For integers see `idiv`.", "", "a divisor of zero", Example{"7 / 2", "3.5"}),
		op("%", "a % b", "Remainder of integer division; it has the sign of `a`.", "", "a divisor of zero", Example{"7 % 3", "1"}, Example{"-7 % 3", "-1"}),
		op("not !", "not a", "Negation. It binds tighter than comparisons: write `not (a == b)`.", "not null is null", "", Example{"not true", "false"}),
		op("+ -", "x + y", "Sum and difference of numbers; int64 of two integers, float64 if one is a float. A timestamp plus or minus a duration is a timestamp, a timestamp minus a timestamp a duration. `+` joins strings.", "", "overflow; a text longer than 1 MiB", Example{"1 + 2", "3"}, Example{`"a" + "b"`, `"ab"`}),
		op("== !=", "x == y", "Equality. Integers and floats compare exactly; NaN equals nothing. `== nil` means IS NULL and `!= nil` IS NOT NULL.", "null, but never of a comparison with `nil`", "", Example{"9007199254740993 == 9007199254740992.0", "false"}, Example{"int(nil) == nil", "true"}, Example{"int(nil) == 1", "nil"}),
		op("< <= > >=", "x < y", "Order of numbers, strings (by their bytes), timestamps and durations. `a < b < c` means `a < b and b < c`.", "", "", Example{"1 < 1.5", "true"}),
		op("in", "x in [a, b]", "Whether x equals an element of the list, or is in the range `lo..hi`, whose ends belong to it. `not in` is its negation.", "", "", Example{"2 in [1, 2]", "true"}, Example{"5 in 1..3", "false"}, Example{`"b" not in ["a"]`, "true"}),
		op("contains", "s contains sub", "Whether the text occurs in the string; `startsWith` and `endsWith` likewise for its ends. Each has a `not` form.", "", "", Example{`"millrace" contains "race"`, "true"}),
		op("matches", "s matches pattern", "Whether a regular expression matches anywhere in the string; see `regex_match`.", "", "", Example{`"a1" matches "^[a-z][0-9]$"`, "true"}),
		op("and &&", "a and b", "Three-valued; the right side is evaluated only where the left is not false.", "`false and null` is false, otherwise null", "", Example{"true and false", "false"}),
		op("or ||", "a or b", "Three-valued; the right side is evaluated only where the left is not true.", "`true or null` is true, otherwise null", "", Example{"true or false", "true"}),
		op("? : if", "c ? a : b", "The same as `if c {a} else {b}`. Each branch is evaluated only for the rows that take it.", "where the condition is null, the else branch", "", Example{`if 1 > 2 {"a"} else {"b"}`, `"b"`}),
		op("|", "x | f(y)", "The same as `f(x, y)`.", "", "", Example{`" a " | trim() | upper()`, `"A"`}),
		op("let", "let x = e; body", "Names a value for use after the semicolon. It is computed once, before the body.", "", "", Example{"let x = 2; x * x", "4"}),
	}
}
