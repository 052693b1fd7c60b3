package builtin

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// maxOverlap bounds into how many hopping windows one row goes: a day in steps of
// ten seconds.
const maxOverlap = 8640

// windows says how event time is cut: windows of size begin at every multiple of
// slide, counted from 1970-01-01T00:00:00Z, so the same rows fall into the same
// windows whenever a pipeline starts. Tumbling windows have slide = size. All values
// are microseconds.
type windows struct {
	size, slide int64
	lateness    int64
}

var windowFields = []spec.Field{
	{Name: "tumbling", Type: spec.Duration, Min: "1us", Doc: "windows of this length, one after the other", Example: "1m"},
	{Name: "hopping", Type: spec.Mapping, Doc: "windows that overlap: a row counts in each one that contains it", Fields: []spec.Field{
		{Name: "size", Type: spec.Duration, Required: true, Min: "1us", Doc: "length of a window, a multiple of slide", Example: "10m"},
		{Name: "slide", Type: spec.Duration, Required: true, Min: "1us", Doc: "distance between the starts of windows", Example: "1m"},
	}},
	{Name: "lateness", Type: spec.Duration, Default: "0s", Min: "0s", Doc: "how long after its end, in event time, a window waits for rows", Example: "10s"},
}

// planWindows reads the `window` mapping.
func planWindows(v spec.Value) (windows, error) {
	tumbling, hopping := v.Sub.Get("tumbling"), v.Sub.Get("hopping")
	var w windows
	var err error
	switch {
	case tumbling.Set && hopping.Set:
		return w, spec.Errorf(hopping.Pos, "window", "a window is either tumbling or hopping")
	case tumbling.Set:
		w.size, err = ticks(tumbling)
		w.slide = w.size
	case hopping.Set:
		if w.size, err = ticks(hopping.Sub.Get("size")); err == nil {
			w.slide, err = ticks(hopping.Sub.Get("slide"))
		}
	default:
		e := spec.Errorf(v.Pos, "window", "the window has no length")
		e.Hint = "say {tumbling: 1m} or {hopping: {size: 10m, slide: 1m}}"
		return w, e
	}
	if err != nil {
		return w, err
	}
	if slide := hopping.Sub; w.slide > w.size || w.size%w.slide != 0 {
		return w, spec.Errorf(slide.Get("slide").Pos, "window", "size (%s) must be a multiple of slide (%s)", duration(w.size), duration(w.slide))
	} else if n := w.size / w.slide; n > maxOverlap {
		return w, spec.Errorf(slide.Get("slide").Pos, "window", "every row would count in %d windows; at most %d may overlap", n, maxOverlap)
	}
	w.lateness, err = ticksOrZero(v.Sub.Get("lateness"))
	return w, err
}

// ticks is a positive duration in microseconds.
func ticks(v spec.Value) (int64, error) {
	t, err := ticksOrZero(v)
	if err == nil && t == 0 {
		err = spec.Errorf(v.Pos, "range", "must be longer than nothing")
	}
	return t, err
}

func ticksOrZero(v spec.Value) (int64, error) {
	if v.Duration < 0 || v.Duration%time.Microsecond != 0 {
		return 0, spec.Errorf(v.Pos, "range", "%s is not a whole number of microseconds from 0 up", v.Duration)
	}
	return v.Duration.Microseconds(), nil
}

func duration(ticks int64) time.Duration { return time.Duration(ticks) * time.Microsecond }

// overlap is the number of windows that contain a row.
func (w windows) overlap() int64 { return w.size / w.slide }

// firstEnd is the exclusive end of the first window that contains t: ends, like
// starts, are at multiples of slide. It is monotonic and never overflows: close to
// the end of time it is the end of time.
func (w windows) firstEnd(t int64) int64 {
	bucket := floorDiv(t, w.slide)
	if bucket >= columnar.MaxTime/w.slide {
		return columnar.MaxTime
	}
	return (bucket + 1) * w.slide
}

// inRange says whether every window that contains t lies in what 64 bits can say.
func (w windows) inRange(t int64) bool {
	return t > columnar.MinTime+2*w.size && t < columnar.MaxTime-2*w.size-w.lateness
}

// due says whether a window with that end is final at the watermark.
func (w windows) due(end, watermark int64) bool {
	return watermark == columnar.MaxTime || watermark >= end+w.lateness
}

// floorDiv is the quotient rounded down, for negative times too.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// String is the windows in the form that the state's layout keeps. Lateness is not
// part of it: it may change under existing state.
func (w windows) String() string {
	if w.slide == w.size {
		return fmt.Sprintf("tumbling %s", duration(w.size))
	}
	return fmt.Sprintf("hopping %s by %s", duration(w.size), duration(w.slide))
}

// group is the rows of a batch that share their windows.
type group struct {
	firstEnd int64
	rows     []int32
}

// grouper sorts the rows of a batch by window and keeps its memory.
type grouper struct {
	one    [1]group
	groups []group // memory of rows is reused
	used   int
	byEnd  map[int64]int
}

// group gives the groups of the rows sel, of which there is at least one, by
// ascending time. They are lent until the next call. The usual batch lies within
// one window: then its one group is sel itself.
func (g *grouper) group(w windows, times []int64, sel []int32) ([]group, error) {
	low, high := times[sel[0]], times[sel[0]]
	for _, i := range sel[1:] {
		low, high = min(low, times[i]), max(high, times[i])
	}
	if !w.inRange(low) || !w.inRange(high) {
		return nil, fmt.Errorf("an event time between %d and %d us is too far from 1970 to be in a window", low, high)
	}
	if end := w.firstEnd(low); high < end {
		g.one[0] = group{firstEnd: end, rows: sel}
		return g.one[:], nil
	}
	g.used = 0
	if g.byEnd == nil {
		g.byEnd = map[int64]int{}
	}
	clear(g.byEnd)
	at, from, end := 0, int64(0), int64(0) // nothing is in [0, 0)
	for _, i := range sel {
		if t := times[i]; t < from || t >= end {
			end = w.firstEnd(t)
			from = end - w.slide
			at = g.find(end)
		}
		g.groups[at].rows = append(g.groups[at].rows, i)
	}
	groups := g.groups[:g.used]
	slices.SortFunc(groups, func(a, b group) int { return cmp.Compare(a.firstEnd, b.firstEnd) })
	return groups, nil
}

// find is the index of the group of an end, made if need be.
func (g *grouper) find(end int64) int {
	if at, ok := g.byEnd[end]; ok {
		return at
	}
	at := g.used
	g.byEnd[end] = at
	g.used++
	if at == len(g.groups) {
		g.groups = append(g.groups, group{})
	}
	g.groups[at] = group{firstEnd: end, rows: g.groups[at].rows[:0]}
	return at
}
