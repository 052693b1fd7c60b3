package expr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

var timeFunctions = []builtin{
	datePart("year", "The year, UTC.", "2026", yearOf),
	datePart("month", "The month, 1 to 12, UTC.", "1", monthOf),
	datePart("day", "The day of the month, 1 to 31, UTC.", "2", dayOf),
	datePart("hour", "The hour, 0 to 23, UTC.", "3", hourOf),
	datePart("minute", "The minute, 0 to 59.", "4", minuteOf),
	datePart("second", "The second, 0 to 59.", "5", secondOf),
	datePart("weekday", "The day of the week, 0 (Sunday) to 6 (Saturday), UTC.", "5", weekdayOf),
	{
		Function: Function{Name: "truncate", Category: "time",
			Doc:      "The start of the interval of that length which holds the time, counted from 1970-01-01 UTC: the start of its tumbling window. The length is a duration or its text.",
			Errors:   "a length that is not positive; constant lengths are checked when the pipeline is",
			Examples: []Example{{`truncate(timestamp("2026-01-02T03:04:05Z"), "5m")`, `timestamp("2026-01-02T03:00:00Z")`}}},
		overloads: []overload{
			{params: []param{p("t", kTime), fixed("d", kString)}, result: typ{kind: kTime}, bind: bindTruncate},
			{params: []param{p("t", kTime), fixed("d", kDuration)}, result: typ{kind: kTime}, bind: bindTruncate},
			{params: []param{p("t", kTime), p("d", kDuration)}, result: typ{kind: kTime}, fails: true, fn: fn2[int64, int64, int64](truncate)},
		},
	},
	{
		Function: Function{Name: "duration", Category: "time",
			Doc:      "A length of time from a constant text (`1h30m`, `250ms`, `7d`), or from a number of microseconds. It can be added to and subtracted from timestamps, compared, and multiplied by integers; as a column it is an int64 of microseconds.",
			Examples: []Example{{`duration("1h30m")`, "5400000000"}, {`timestamp("2026-01-02T03:04:05Z") + duration("7d")`, `timestamp("2026-01-09T03:04:05Z")`}}},
		overloads: []overload{
			{params: []param{fixed("text", kString)}, result: typ{kind: kDuration}, bind: bindDuration},
			{params: []param{p("us", kInt)}, result: typ{kind: kDuration}, cost: costLoop, fn: fn1[int64, int64](func(x int64) (int64, error) { return x, nil })},
		},
	},
	{
		Function: Function{Name: "unix", Category: "time", Doc: "The time as a whole number of `s`, `ms` or `us` since 1970-01-01 UTC, rounded down.",
			Examples: []Example{{`unix(timestamp("1970-01-01T00:01:00Z"), "s")`, "60"}}},
		overloads: []overload{{params: []param{p("t", kTime), fixed("unit", kString)}, result: typ{kind: kInt}, bind: bindUnix}},
	},
	{
		Function: Function{Name: "from_unix", Category: "time", Doc: "The time that is a number of `s`, `ms`, `us` or `ns` after 1970-01-01 UTC. Nanoseconds are rounded down to microseconds.",
			Errors:   "a number beyond what a timestamp holds",
			Examples: []Example{{`from_unix(60, "s")`, `timestamp("1970-01-01T00:01:00Z")`}}},
		overloads: []overload{{params: []param{p("n", kInt), fixed("unit", kString)}, result: typ{kind: kTime}, fails: true, bind: bindFromUnix}},
	},
	{
		Function: Function{Name: "now", Category: "time", Signatures: []string{"now() timestamp"},
			Doc: "The clock, the same for all rows of a batch. Refused wherever a result must be the same when the input is replayed, which is almost everywhere: take the event time."},
		special: checkNow,
	},
}

func datePart(name, doc, result string, f func(int64) (int64, error)) builtin {
	return builtin{
		Function: Function{Name: name, Category: "time", Doc: doc,
			Examples: []Example{{name + `(timestamp("2026-01-02T03:04:05Z"))`, result}}},
		overloads: []overload{{params: []param{p("t", kTime)}, result: typ{kind: kInt}, fn: fn1[int64, int64](f)}},
	}
}

var errNotPositive = errors.New("truncate: the duration must be positive")

func truncate(t, d int64) (int64, error) {
	if d <= 0 {
		return 0, errNotPositive
	}
	return truncateTo(t, d), nil
}

func bindTruncate(consts []value) (kernel, *argError) {
	d, err := consts[1].i, error(nil)
	if consts[1].s != "" {
		d, err = parseDuration(consts[1].s)
	}
	if err == nil && d <= 0 {
		err = errNotPositive
	}
	if err != nil {
		return nil, &argError{1, err.Error(), ""}
	}
	return fn1[int64, int64](func(t int64) (int64, error) { return truncateTo(t, d), nil }), nil
}

func bindDuration(consts []value) (kernel, *argError) {
	d, err := parseDuration(consts[0].s)
	if err != nil {
		return nil, &argError{0, err.Error(), ""}
	}
	return always(d), nil
}

// always is a kernel without arguments.
type always int64

func (a always) row(*Eval, []value) (value, error) { return value{i: int64(a)}, nil }

func (a always) columns(*Eval, *apply, []vec, []int32) vec {
	return vec{mask: 0, ints: []int64{int64(a)}}
}

// parseDuration reads Go's syntax with d for days in front, as microseconds.
func parseDuration(text string) (int64, error) {
	bad := fmt.Errorf("%q is not a duration such as 5s, 1h30m, 250ms or 7d", clip(text, 40))
	rest, sign := strings.TrimSpace(text), int64(1)
	if r, ok := strings.CutPrefix(rest, "-"); ok {
		rest, sign = r, -1
	}
	total := int64(0)
	if days, r, ok := strings.Cut(rest, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 31)
		if err != nil {
			return 0, bad
		}
		if rest, total = r, int64(n)*usPerDay; rest == "" {
			return sign * total, nil
		}
	}
	d, err := time.ParseDuration(rest)
	switch {
	case err != nil || d < 0 || strings.HasPrefix(rest, "+"):
		return 0, bad
	case d%time.Microsecond != 0:
		return 0, fmt.Errorf("%q is finer than a microsecond", clip(text, 40))
	}
	return sign * (total + d.Microseconds()), nil
}

var usPerUnit = map[string]int64{"s": usPerSecond, "ms": 1000, "us": 1}

func bindUnix(consts []value) (kernel, *argError) {
	per, ok := usPerUnit[consts[1].s]
	if !ok {
		return nil, &argError{1, fmt.Sprintf("unknown unit %q", consts[1].s), `units are "s", "ms" and "us"`}
	}
	return fn1[int64, int64](func(t int64) (int64, error) { return floorDiv(t, per), nil }), nil
}

func bindFromUnix(consts []value) (kernel, *argError) {
	if consts[1].s == "ns" {
		return fn1[int64, int64](func(n int64) (int64, error) { return floorDiv(n, 1000), nil }), nil
	}
	per, ok := usPerUnit[consts[1].s]
	if !ok {
		return nil, &argError{1, fmt.Sprintf("unknown unit %q", consts[1].s), `units are "s", "ms", "us" and "ns"`}
	}
	return fn1[int64, int64](func(n int64) (int64, error) {
		t, over := mulInt(n, per)
		if over != 0 {
			return 0, errOverflow
		}
		return t, nil
	}), nil
}

// clock is now().
type clock struct{ base }

func (n *clock) row(e *Eval, _ int32) (value, *Fault) { return value{i: e.clock()}, nil }

func (n *clock) columns(e *Eval, _ []int32) vec { return vec{mask: 0, ints: []int64{e.clock()}} }
