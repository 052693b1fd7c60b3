package expr

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var regexFunctions = []builtin{
	{
		Function: Function{Name: "regex_match", Category: "strings",
			Doc:      "Whether the pattern ([RE2 syntax](https://github.com/google/re2/wiki/Syntax), constant, at most 1 KiB) matches anywhere in the string; the same as `s matches pattern`.",
			Examples: []Example{{`regex_match("id=42", "id=[0-9]+")`, "true"}}},
		overloads: []overload{{params: []param{p("s", kString), fixed("pattern", kString)}, result: typ{kind: kBool}, cost: costHeavy, bind: bindMatch}},
	},
	{
		Function: Function{Name: "regex_extract", Category: "strings",
			Doc:      "What the pattern's first group matched, or the group with the given number (0 is the whole match) or name. Null if the pattern does not match, or the group took no part in the match.",
			Nulls:    "null in, null out; null where nothing matched",
			Examples: []Example{{`regex_extract("from 10.0.0.1 port 22", "from (\\S+)")`, `"10.0.0.1"`}, {`regex_extract("a=1", "(?P<key>\\w+)=(?P<val>\\w+)", "val")`, `"1"`}, {`regex_extract("none", "x(.)")`, "nil"}}},
		overloads: []overload{
			{params: []param{p("s", kString), fixed("pattern", kString)}, result: typ{kString, true}, cost: costHeavy, bind: bindExtract},
			{params: []param{p("s", kString), fixed("pattern", kString), fixed("group", kInt)}, result: typ{kString, true}, cost: costHeavy, bind: bindExtract},
			{params: []param{p("s", kString), fixed("pattern", kString), fixed("name", kString)}, result: typ{kString, true}, cost: costHeavy, bind: bindExtract},
		},
	},
}

// compilePattern compiles the constant pattern that is argument arg.
func compilePattern(pattern string, arg int) (*regexp.Regexp, *argError) {
	if len(pattern) > MaxPatternBytes {
		return nil, &argError{arg, "the pattern is longer than 1 KiB", ""}
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, &argError{arg, strings.TrimPrefix(err.Error(), "error parsing regexp: "),
			"patterns use RE2 syntax; in a double-quoted string write \\\\d for \\d"}
	}
	return re, nil
}

func bindMatch(consts []value) (kernel, *argError) {
	re, err := compilePattern(consts[1].s, 1)
	if err != nil {
		return nil, err
	}
	return fn1[string, uint8](func(s string) (uint8, error) { return uint8(b2i(re.MatchString(s))), nil }), nil
}

func bindExtract(consts []value) (kernel, *argError) {
	re, fault := compilePattern(consts[1].s, 1)
	if fault != nil {
		return nil, fault
	}
	group := min(1, re.NumSubexp())
	if len(consts) == 3 {
		if group, fault = findGroup(re, consts[2]); fault != nil {
			return nil, fault
		}
	}
	return fn1[string, string](func(s string) (string, error) {
		m := re.FindStringSubmatchIndex(s)
		if m == nil || m[2*group] < 0 {
			return "", errNull
		}
		return s[m[2*group]:m[2*group+1]], nil
	}), nil
}

// findGroup is the number of a group given by number or name. A name is never
// empty, which is how the two are told apart.
func findGroup(re *regexp.Regexp, v value) (int, *argError) {
	if v.s != "" {
		if i := re.SubexpIndex(v.s); i >= 0 {
			return i, nil
		}
		names := slices.DeleteFunc(re.SubexpNames(), func(s string) bool { return s == "" })
		return 0, &argError{2, fmt.Sprintf("the pattern has no group named %q", v.s), didYouMean(v.s, names)}
	}
	if v.i < 0 || v.i > int64(re.NumSubexp()) {
		return 0, &argError{2, "the pattern has no group " + strconv.FormatInt(v.i, 10), fmt.Sprintf("it has %d", re.NumSubexp())}
	}
	return int(v.i), nil
}
