package connectortest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors"
)

// Source is a source under test. What it reads must not change meanwhile.
type Source struct {
	// New makes the source anew, over the same data each time.
	New func(t *testing.T) connectors.Source
	// Rows is how many rows and decode errors there are over all splits, at least
	// one.
	Rows int
}

// patience bounds every wait for a source.
const patience = 20 * time.Second

// stop is one result of a reader: what it held, and the position after it.
type stop struct {
	rows []string
	next []byte
}

// TestSource checks that
//
//   - splits keep their ids, and a split read twice gives the same rows;
//   - a batch is consistent: columns, offsets and timestamps of one length,
//     offsets rising, a position with every result;
//   - reading on from any position gives exactly the rows that were still to come,
//     by the same source or another;
//   - an ended context ends a read, and reading goes on at the same row;
//   - Close may be called twice.
func TestSource(t *testing.T, s Source) {
	t.Run("rereads", s.rereads)
	t.Run("resumes", s.resumes)
	t.Run("survives an ended context", s.cancels)
}

func (s Source) open(t *testing.T, src connectors.Source, split connectors.Split, pos []byte) connectors.Reader {
	t.Helper()
	r, err := src.Open(t.Context(), split, pos)
	if err != nil {
		t.Fatalf("open split %s at %x: %v", split.ID, pos, err)
	}
	return r
}

func (s Source) splits(t *testing.T, src connectors.Source) []connectors.Split {
	t.Helper()
	splits, err := src.Splits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, split := range splits {
		if ids[split.ID] {
			t.Fatalf("split id %q appears twice", split.ID)
		}
		ids[split.ID] = true
	}
	return splits
}

// readAll reads to the end of a split.
func (s Source) readAll(t *testing.T, r connectors.Reader) []stop {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stops []stop
	for {
		got, err := r.Read(ctx)
		if errors.Is(err, io.EOF) {
			return stops
		}
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, stop{contents(t, got), slices.Clone(got.Next)})
		if got.AtEnd {
			return stops
		}
	}
}

// contents checks a result and lists its rows and errors by offset.
func contents(t *testing.T, got *connectors.Read) []string {
	t.Helper()
	b := got.Batch
	if b == nil || b.Pos == nil || len(b.Pos.Offset) != b.Rows || len(b.Cols) != len(b.Schema.Columns) || len(got.Next) == 0 {
		t.Fatalf("a result lacks its batch, its positions or the position after it: %+v", got)
	}
	if got.Timestamps != nil && len(got.Timestamps) != b.Rows {
		t.Fatalf("%d rows with %d timestamps", b.Rows, len(got.Timestamps))
	}
	for i, col := range b.Cols {
		if col.Len() != b.Rows {
			t.Fatalf("column %s has %d values in a batch of %d rows", b.Schema.Columns[i].Name, col.Len(), b.Rows)
		}
	}
	if !slices.IsSorted(b.Pos.Offset) {
		t.Fatalf("offsets fall: %v", b.Pos.Offset)
	}
	var rows []string
	errs := got.Errors
	flush := func(below int64) {
		for len(errs) > 0 && errs[0].Offset < below {
			rows = append(rows, fmt.Sprintf("%d error %q: %v", errs[0].Offset, errs[0].Raw, errs[0].Err))
			errs = errs[1:]
		}
	}
	for i, offset := range b.Pos.Offset {
		flush(offset)
		rows = append(rows, fmt.Sprintf("%d %s", offset, row(b, i)))
	}
	flush(1<<63 - 1)
	return rows
}

func flatten(stops []stop) []string {
	var rows []string
	for _, s := range stops {
		rows = append(rows, s.rows...)
	}
	return rows
}

func (s Source) rereads(t *testing.T) {
	one, other := s.New(t), s.New(t)
	splits := s.splits(t, one)
	if again := s.splits(t, other); !slices.Equal(splits, again) {
		t.Fatalf("splits are %v, then %v", splits, again)
	}
	total := 0
	for _, split := range splits {
		a, b := s.open(t, one, split, nil), s.open(t, other, split, nil)
		first := flatten(s.readAll(t, a))
		if second := flatten(s.readAll(t, b)); !slices.Equal(first, second) {
			t.Fatalf("split %s gives %d rows, then %d others", split.ID, len(first), len(second))
		}
		total += len(first)
		for range 2 {
			for _, r := range []connectors.Reader{a, b} {
				if err := r.Close(); err != nil {
					t.Errorf("close the reader of split %s: %v", split.ID, err)
				}
			}
		}
	}
	if total != s.Rows {
		t.Errorf("%d rows and errors, want %d", total, s.Rows)
	}
	for range 2 {
		if err := one.Close(); err != nil {
			t.Errorf("close the source: %v", err)
		}
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}

// resumes stops at every position that a first pass sees, and at random ones of
// passes that begin at random ones.
func (s Source) resumes(t *testing.T) {
	rng := random(t)
	src := s.New(t)
	defer src.Close()
	for _, split := range s.splits(t, src) {
		r := s.open(t, src, split, nil)
		stops := s.readAll(t, r)
		r.Close()
		all := flatten(stops)
		taken := 0
		for i, at := range stops {
			taken += len(at.rows)
			if len(stops) > 50 && rng.IntN(len(stops)) > 50 && i < len(stops)-1 {
				continue
			}
			other := src
			if rng.IntN(2) == 0 {
				other = s.New(t)
			}
			r := s.open(t, other, split, at.next)
			if rest := flatten(s.readAll(t, r)); !slices.Equal(rest, all[taken:]) {
				t.Fatalf("split %s from %x: %d rows, want the %d after the first %d", split.ID, at.next, len(rest), len(all)-taken, taken)
			}
			r.Close()
			if other != src {
				other.Close()
			}
		}
	}
}

func (s Source) cancels(t *testing.T) {
	src := s.New(t)
	defer src.Close()
	split := s.splits(t, src)[0]
	r := s.open(t, src, split, nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var rows []string
	for range 3 { // rows that are at hand may come all the same
		got, err := r.Read(ended)
		switch {
		case err == nil:
			rows = append(rows, contents(t, got)...)
		case !errors.Is(err, context.Canceled) && !errors.Is(err, io.EOF):
			t.Fatalf("a read with an ended context: %v", err)
		}
	}
	rows = append(rows, flatten(s.readAll(t, r))...)
	r.Close() // a split is open once at a time
	fresh := s.open(t, src, split, nil)
	defer fresh.Close()
	if want := flatten(s.readAll(t, fresh)); !slices.Equal(rows, want) {
		t.Fatalf("%d rows around the ended context, want %d", len(rows), len(want))
	}
}
