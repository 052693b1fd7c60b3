package dsl

import (
	"fmt"
	"strings"
	"time"
)

// String is the policy in words: "route", "drop up to 1% of rows".
func (p Policy) String() string {
	if p.MaxRate == 0 {
		return p.Action.String()
	}
	return fmt.Sprintf("%s up to %g%% of rows", p.Action, p.MaxRate*100)
}

// describe is the event time in words; "" for nil.
func (et *EventTime) describe() string {
	if et == nil {
		return ""
	}
	what := et.Field
	if what == "" {
		what = et.Expr.Text
	}
	parts := []string{what, "out of order by " + durationText(et.OutOfOrder)}
	if et.Idle == 0 {
		parts = append(parts, "never idle")
	} else {
		parts = append(parts, "idle after "+durationText(et.Idle))
	}
	if et.MaxAhead > 0 {
		parts = append(parts, "at most "+durationText(et.MaxAhead)+" ahead")
	}
	return strings.Join(parts, ", ")
}

// orWord is a duration, or the word that stands for its zero.
func orWord(d time.Duration, word string) string {
	if d == 0 {
		return word
	}
	return durationText(d)
}

func micros(us int64) string { return durationText(time.Duration(us) * time.Microsecond) }

// durationText is a duration without the zero units that Go prints: 1h, not 1h0m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// bytesText is a number of bytes in the largest unit that divides it.
func bytesText(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size && n%u.size == 0 {
			return fmt.Sprintf("%d %s", n/u.size, u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
