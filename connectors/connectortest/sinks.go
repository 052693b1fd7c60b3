package connectortest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/connectors"
)

// Staged is a staged sink under test.
type Staged struct {
	// New makes the sink anew, as a process that starts would, over the same target.
	New func(t *testing.T) connectors.StagedSink
	// Contents is what a reader of the target finds: the n of each row, in order.
	Contents func(t *testing.T) []int
}

// TestStaged drives epochs that commit, abort and crash between any two calls,
// and checks that after each settling the target holds the rows of the committed
// epochs, once and in order. Rows are those of Rows.
func TestStaged(t *testing.T, s Staged) {
	rng := random(t)
	run := &stagedRun{Staged: s, t: t, rng: rng}
	run.start()
	for range 300 {
		run.epoch()
	}
	if err := run.sink.Close(); err != nil {
		t.Error(err)
	}
	if err := run.sink.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

type stagedRun struct {
	Staged
	t       *testing.T
	rng     *rand.Rand
	numbers numbers

	sink      connectors.StagedSink
	last      []byte // handle of the last committed epoch
	committed []int
	epochs    uint64
}

// start is a process that starts: a new sink, recovered.
func (r *stagedRun) start() {
	r.t.Helper()
	r.sink = r.New(r.t)
	r.recover()
}

func (r *stagedRun) recover() {
	r.t.Helper()
	if err := r.sink.Recover(r.t.Context(), slices.Clone(r.last)); err != nil {
		r.t.Fatalf("recover: %v", err)
	}
	r.check("recovered")
}

func (r *stagedRun) check(when string) {
	r.t.Helper()
	if got := r.Contents(r.t); !slices.Equal(got, r.committed) {
		r.t.Fatalf("epoch %d, %s: the target holds %v, want %v", r.epochs, when, got, r.committed)
	}
}

// crash says whether the process dies here; the sink that it leaves is not
// closed.
func (r *stagedRun) crash() bool {
	if r.rng.IntN(12) > 0 {
		return false
	}
	r.start()
	return true
}

func (r *stagedRun) epoch() {
	r.t.Helper()
	r.epochs++
	var rows []int
	for range r.rng.IntN(4) {
		b, written := r.numbers.batch(r.rng)
		err := r.sink.Write(b, func(row int32, err error) { r.t.Fatalf("row %d: %v", row, err) })
		if err != nil {
			r.t.Fatal(err)
		}
		rows = append(rows, written...)
		if r.crash() {
			return
		}
	}
	if r.rng.IntN(6) == 0 {
		r.recover() // aborted before it was prepared
		return
	}
	handle, err := r.sink.Prepare(r.t.Context(), r.epochs)
	if err != nil {
		r.t.Fatal(err)
	}
	if handle == nil && len(rows) > 0 {
		r.t.Fatalf("no handle for %d rows", len(rows))
	}
	if r.crash() {
		return
	}
	if r.rng.IntN(6) == 0 {
		r.recover() // aborted after it was prepared
		return
	}
	r.committed = append(r.committed, rows...) // the transaction has committed
	if handle == nil {
		return
	}
	r.last = slices.Clone(handle)
	if r.crash() {
		return
	}
	for range 1 + r.rng.IntN(2) { // may be repeated
		if err := r.sink.Commit(r.t.Context(), slices.Clone(handle)); err != nil {
			r.t.Fatal(err)
		}
	}
	r.check("committed")
	r.crash()
}

// AfterCommit is a sink under test that acts after the commit.
type AfterCommit struct {
	New func(t *testing.T) connectors.AfterCommitSink
	// Delivered is what has come out so far: the n of each row, in order.
	Delivered func(t *testing.T) []int
}

// TestAfterCommit checks that rows come out at Committed, once, and not at all if
// their epoch is aborted. Rows are those of Rows.
func TestAfterCommit(t *testing.T, s AfterCommit) {
	rng := random(t)
	sink := s.New(t)
	var n numbers
	var want []int
	for epoch := range 200 {
		var rows []int
		for range rng.IntN(4) {
			b, written := n.batch(rng)
			if err := sink.Write(b, func(row int32, err error) { t.Fatalf("row %d: %v", row, err) }); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, written...)
			if got := s.Delivered(t); !slices.Equal(got, want) {
				t.Fatalf("epoch %d: rows came out before the commit: %v, want %v", epoch, got, want)
			}
		}
		if rng.IntN(3) == 0 {
			sink.Aborted()
			continue
		}
		if err := sink.Committed(t.Context()); err != nil {
			t.Fatal(err)
		}
		want = append(want, rows...)
		if got := s.Delivered(t); !slices.Equal(got, want) {
			t.Fatalf("epoch %d: delivered %v, want %v", epoch, got, want)
		}
	}
	for range 2 {
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Log is a log sink under test.
type Log struct {
	New func(t *testing.T) connectors.LogSink
	// Number is the n of the row that a record holds.
	Number func(t *testing.T, key, value []byte) int
}

// TestLog checks that every row that exists is appended once, in order, into a
// partition that exists, and that an error of the writer comes back. Rows are
// those of Rows.
func TestLog(t *testing.T, s Log) {
	rng := random(t)
	sink := s.New(t)
	var n numbers
	for range 200 {
		b, want := n.batch(rng)
		w := &logWriter{partitions: 1 + rng.Int32N(5)}
		if err := sink.Write(b, w, func(row int32, err error) { t.Fatalf("row %d: %v", row, err) }); err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, r := range w.records {
			got = append(got, s.Number(t, r.key, r.value))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("appended %v, want %v", got, want)
		}
	}
	broken := &logWriter{partitions: 1, err: fmt.Errorf("fenced: %w", context.Canceled)}
	if err := sink.Write(Rows(1, 2), broken, func(int32, error) {}); err == nil {
		t.Error("an error of the writer is swallowed")
	}
	for range 2 {
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	}
}

type logRecord struct{ key, value []byte }

// logWriter keeps what is appended.
type logWriter struct {
	partitions int32
	records    []logRecord
	err        error
}

func (w *logWriter) Partitions(string) (int32, error) { return w.partitions, nil }

func (w *logWriter) Append(topic string, partition int32, _ int64, key, value []byte) error {
	if w.err != nil {
		return w.err
	}
	if partition < 0 || partition >= w.partitions {
		return fmt.Errorf("topic %s has no partition %d", topic, partition)
	}
	w.records = append(w.records, logRecord{slices.Clone(key), slices.Clone(value)})
	return nil
}
