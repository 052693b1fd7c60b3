package expr

import (
	"fmt"
	"strings"
	"time"
)

var parseFunctions = []builtin{
	{
		Function: Function{Name: "parse_time", Category: "time",
			Doc:    "A time from text by a constant [Go layout](https://pkg.go.dev/time#pkg-constants), such as `2006-01-02 15:04:05` or `Jan _2 15:04:05`. Without a zone in the layout it is UTC; zone abbreviations (MST) are refused, since they are ambiguous. A layout without a year needs the year to take.",
			Errors: "text that does not fit the layout, a day that the year does not have",
			Examples: []Example{
				{`parse_time("2026-01-02 03:04:05", "2006-01-02 15:04:05")`, `timestamp("2026-01-02T03:04:05Z")`},
				{`parse_time("Dec 10 06:55:46", "Jan _2 15:04:05", 2025)`, `timestamp("2025-12-10T06:55:46Z")`},
				{`parse_time("02/Jan/2026:03:04:05 +0100", "02/Jan/2006:15:04:05 -0700")`, `timestamp("2026-01-02T02:04:05Z")`}}},
		overloads: []overload{
			{params: []param{p("s", kString), fixed("layout", kString)}, result: typ{kind: kTime}, fails: true, cost: costHeavy, bind: bindParseTime},
			{params: []param{p("s", kString), fixed("layout", kString), fixed("year", kInt)}, result: typ{kind: kTime}, fails: true, cost: costHeavy, bind: bindParseTime},
		},
	},
	{
		Function: Function{Name: "format_time", Category: "time", Doc: "The time as text by a constant [Go layout](https://pkg.go.dev/time#pkg-constants), UTC.",
			Examples: []Example{{`format_time(timestamp("2026-01-02T03:04:05Z"), "2006-01-02")`, `"2026-01-02"`}}},
		overloads: []overload{{params: []param{p("t", kTime), fixed("layout", kString)}, result: typ{kind: kString}, cost: costHeavy, bind: bindFormatTime}},
	},
}

func bindFormatTime(consts []value) (kernel, *argError) {
	layout := consts[1].s
	if !hasElement(layout) {
		return nil, notALayout(layout)
	}
	return text1[int64](func(dst []byte, t int64) ([]byte, error) {
		return time.UnixMicro(t).UTC().AppendFormat(dst, layout), nil
	}), nil
}

func notALayout(layout string) *argError {
	return &argError{1, fmt.Sprintf("%q has no element of a time layout", clip(layout, 40)),
		`layouts spell out the moment Jan 2 15:04:05 2006, for instance "2006-01-02 15:04:05"`}
}

func bindParseTime(consts []value) (kernel, *argError) {
	layout, year := consts[1].s, 0
	switch {
	case !hasElement(layout):
		return nil, notALayout(layout)
	case strings.Contains(layout, "MST"):
		return nil, &argError{1, "zone abbreviations are ambiguous and not parsed", `use "-0700" or "Z07:00" where the text has an offset`}
	}
	hasYear := layoutHasYear(layout)
	if len(consts) == 3 {
		year = int(consts[2].i)
		switch {
		case hasYear:
			return nil, &argError{2, "the layout has a year already", ""}
		case year < 1 || year > 9999:
			return nil, &argError{2, "the year must be from 1 to 9999", ""}
		}
	} else if !hasYear {
		return nil, &argError{1, "the layout has no year", `give the year to take: parse_time(s, "` + layout + `", 2026)`}
	}
	return fn1[string, int64](func(s string) (int64, error) { return parseTime(s, layout, year) }), nil
}

// hasElement says whether two different moments look different in the layout.
func hasElement(layout string) bool {
	a := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	b := time.Date(2012, 11, 12, 13, 14, 15, 0, time.UTC)
	return a.Format(layout) != b.Format(layout)
}

// layoutHasYear says whether a change of the year alone can be seen. Both years
// begin on the same day of the week and neither is a leap year.
func layoutHasYear(layout string) bool {
	a, b := time.Date(2001, 3, 4, 5, 6, 7, 0, time.UTC), time.Date(2007, 3, 4, 5, 6, 7, 0, time.UTC)
	return a.Format(layout) != b.Format(layout)
}

// parseTime parses s; year 0 means that the layout has one.
func parseTime(s, layout string, year int) (int64, error) {
	t, err := time.Parse(layout, s)
	if err != nil {
		return 0, fmt.Errorf("%q does not fit the layout %q", clip(s, 60), layout)
	}
	if year != 0 {
		_, m, d := t.Date()
		t = t.AddDate(year-t.Year(), 0, 0)
		if _, m2, d2 := t.Date(); m2 != m || d2 != d {
			return 0, fmt.Errorf("%q: the year %d has no such day", clip(s, 60), year)
		}
	}
	return t.UnixMicro(), nil
}

// parseTimestamp reads RFC 3339. The shape is checked as well, since Go's parser
// also takes hours of one digit and a comma before the fraction.
func parseTimestamp(s string) (int64, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || s[13] != ':' || s[19] == ',' {
		return 0, fmt.Errorf("%q is not a time such as 2026-01-02T03:04:05Z", clip(s, 60))
	}
	return t.UnixMicro(), nil
}

// appendTimestamp writes RFC 3339 with as many decimals as needed, UTC.
func appendTimestamp(dst []byte, t int64) ([]byte, error) {
	return time.UnixMicro(t).UTC().AppendFormat(dst, time.RFC3339Nano), nil
}
