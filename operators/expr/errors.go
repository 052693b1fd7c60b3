package expr

import (
	"fmt"
	"sort"
	"unicode/utf8"
)

// Error is a fault in an expression's text.
type Error struct {
	From, To int    // runes of the text that are at fault: [From, To)
	Msg      string // what is wrong
	Hint     string // what to do about it; may be empty
	Rule     string // a short stable name such as unknown-column or type-mismatch
}

func (e *Error) Error() string {
	s := fmt.Sprintf("at character %d: %s", e.From+1, e.Msg)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	if e.Rule != "" {
		s += " [" + e.Rule + "]"
	}
	return s
}

// Shift is the error as seen from a text in which the expression starts at rune
// offset by, for instance the argument of a call (see Arg.From).
func (e *Error) Shift(by int) *Error {
	c := *e
	c.From += by
	c.To += by
	return &c
}

// within moves the place into the text: expr gives some nodes none, and the end of
// the text lies beyond it.
func (e *Error) within(text string) {
	n := max(1, utf8.RuneCountInString(text))
	e.From = min(e.From, n-1)
	e.To = min(max(e.To, e.From+1), n)
}

// Fault is why an expression has no value for a row: an overflow, a division by
// zero, a text that is not a number.
type Fault struct {
	Text     string // the whole expression
	From, To int    // runes of Text that failed
	Msg      string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s (in %q at character %d)", f.Msg, clip(f.Text, 200), f.From+1)
}

// RowError is the fault of one row.
type RowError struct {
	Row int32 // physical index into the batch
	Err error // a *Fault
}

// RowErrors are the rows of a batch that failed, ascending, each at most once. A
// nil *RowErrors means none. It is lent until the Eval's next call.
type RowErrors struct {
	List []RowError
}

// Len is the number of rows that failed; it may be called on nil.
func (r *RowErrors) Len() int {
	if r == nil {
		return 0
	}
	return len(r.List)
}

// Get is the fault of a row, or nil; it may be called on nil.
func (r *RowErrors) Get(row int32) error {
	if r == nil {
		return nil
	}
	i := sort.Search(len(r.List), func(i int) bool { return r.List[i].Row >= row })
	if i < len(r.List) && r.List[i].Row == row {
		return r.List[i].Err
	}
	return nil
}

// clip shortens a text for a message, at a rune boundary.
func clip(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && s[max]&0xC0 == 0x80 {
		max--
	}
	return s[:max] + "…"
}
