package storage

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// TestSequences walks through a producer's life, one append after another.
func TestSequences(t *testing.T) {
	n := openDisk(t, vfs.NewMem())
	l := openTestLog(t, n, Config{})
	two := func(epoch int16, seq int32) []byte { return producerBatch(7, epoch, seq, false, "a", "b") }
	for i, step := range []struct {
		batch     []byte
		want      error
		offset    int64
		duplicate bool
	}{
		{two(0, 40), nil, 0, false}, // unknown producers may begin anywhere
		{two(0, 42), nil, 2, false},
		{two(0, 42), nil, 2, true},
		{two(0, 40), nil, 0, true},
		{two(0, 45), ErrOutOfOrderSequence, 0, false},
		{two(0, 43), ErrOutOfOrderSequence, 0, false},                          // overlaps, but is no duplicate
		{producerBatch(7, 0, 42, false, "a"), ErrOutOfOrderSequence, 0, false}, // another range
		{two(0, 44), nil, 4, false},
		{two(0, 46), nil, 6, false},
		{two(0, 48), nil, 8, false},
		{two(0, 50), nil, 10, false},
		{two(0, 42), nil, 2, true},
		{two(0, 40), ErrOutOfOrderSequence, 0, false}, // the sixth last is forgotten
		{two(2, 5), ErrOutOfOrderSequence, 0, false},  // a new epoch begins with 0
		{two(2, 0), nil, 12, false},
		{two(1, 52), ErrInvalidProducerEpoch, 0, false},
		{two(2, 0), nil, 12, true},
		{two(3, 0), nil, 14, false}, // the same sequence in a new epoch is no duplicate
	} {
		ticket, err := l.Append(step.batch, AppendOptions{})
		if !errors.Is(err, step.want) || err == nil && (ticket.BaseOffset != step.offset || ticket.LastOffset != step.offset+1 || ticket.Duplicate != step.duplicate) {
			t.Fatalf("step %d: %+v %v", i, ticket, err)
		}
	}
	if err := l.Close(); err != nil { // and it is all remembered
		t.Fatal(err)
	}
	l = openTestLog(t, n, Config{})
	if ticket := mustAppend(t, l, two(3, 0)); !ticket.Duplicate || ticket.BaseOffset != 14 {
		t.Fatalf("%+v", ticket)
	}
	if _, err := l.Append(two(3, 3), AppendOptions{}); !errors.Is(err, ErrOutOfOrderSequence) {
		t.Fatal(err)
	}
}

func TestSequenceWraps(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{})
	mustAppend(t, l, producerBatch(1, 0, math.MaxInt32-1, false, "a"))
	mustAppend(t, l, producerBatch(1, 0, math.MaxInt32, false, "b", "c", "d")) // the last two are 0 and 1
	if _, err := l.Append(producerBatch(1, 0, 0, false, "e"), AppendOptions{}); !errors.Is(err, ErrOutOfOrderSequence) {
		t.Fatal(err)
	}
	mustAppend(t, l, producerBatch(1, 0, 2, false, "e"))
}

func TestTransactions(t *testing.T) {
	n := openDisk(t, vfs.NewMem())
	config := Config{SegmentBytes: 300} // nearly every batch in a segment of its own
	l := openTestLog(t, n, config)
	mustAppend(t, l, plainBatch("0"))
	mustAppend(t, l, producerBatch(1, 0, 0, true, "1"))
	mustAppend(t, l, producerBatch(2, 0, 0, true, "2"))
	mustAppend(t, l, plainBatch("3"))
	check := func(hw, want int64) {
		t.Helper()
		if got := l.LastStable(hw); got != want {
			t.Fatalf("last stable offset %d for high watermark %d, want %d", got, hw, want)
		}
	}
	check(4, 1)
	check(1, 1)
	if _, err := l.Append(producerBatch(1, 0, 1, false, "x"), AppendOptions{}); !errors.Is(err, ErrInvalidTxnState) {
		t.Fatalf("not transactional while a transaction is open: %v", err)
	}
	mustMark(t, l, record.Abort, 1, 0, 5) // offset 4
	check(4, 1)                           // the marker is not committed yet
	check(5, 2)
	mustAppend(t, l, producerBatch(1, 0, 1, true, "5"))
	mustMark(t, l, record.Commit, 2, 1, 5) // offset 6, of version 2: it raises the epoch
	check(7, 5)
	if _, err := l.Append(producerBatch(2, 0, 1, true, "late"), AppendOptions{}); !errors.Is(err, ErrInvalidProducerEpoch) {
		t.Fatalf("after the marker's epoch: %v", err)
	}
	marker := record.ControlBatch(record.Control{Marker: record.Commit, CoordinatorEpoch: 4}, 1, 0, 0)
	if _, err := l.Append(marker, AppendOptions{Origin: Coordinator}); !errors.Is(err, ErrCoordinatorFenced) {
		t.Fatalf("an old coordinator: %v", err)
	}
	mustMark(t, l, record.Abort, 1, 0, 6) // offset 7
	mustMark(t, l, record.Abort, 3, 0, 6) // of a producer that wrote nothing
	check(9, 9)
	for range 2 {
		for _, c := range []struct {
			from, to int64
			want     []AbortedTxn
		}{
			{0, 9, []AbortedTxn{{1, 1}, {1, 5}}}, {0, 1, nil}, {0, 2, []AbortedTxn{{1, 1}}}, {4, 5, []AbortedTxn{{1, 1}}},
			{5, 9, []AbortedTxn{{1, 5}}}, {8, 9, nil}, {2, 6, []AbortedTxn{{1, 1}, {1, 5}}},
		} {
			got, err := l.AbortedTransactions(c.from, c.to)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("aborted in %d to %d: %v %v, want %v", c.from, c.to, got, err, c.want)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openTestLog(t, n, config)
	}
	if p, ok := l.Producer(2); !ok || p.Epoch != 1 || p.TxnFirstOffset != -1 || p.LastSequence != -1 || p.CoordinatorEpoch != 5 {
		t.Fatalf("%+v", p)
	}
}

// TestCoordinatorsNeedNoSequence: offsets of a group are written for a producer
// whose data goes elsewhere.
func TestCoordinatorsNeedNoSequence(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{})
	for range 3 {
		h := record.Header{ProducerID: 3, ProducerEpoch: 1, BaseSequence: -1, Attributes: record.AttrTransactional}
		if _, err := l.Append(batchOf(h, 1, "offset"), AppendOptions{Origin: Coordinator}); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.LastStable(3); got != 0 {
		t.Fatal(got)
	}
	h := record.Header{ProducerID: 3, ProducerEpoch: 0, BaseSequence: -1, Attributes: record.AttrTransactional}
	if _, err := l.Append(batchOf(h, 1, "offset"), AppendOptions{Origin: Coordinator}); !errors.Is(err, ErrInvalidProducerEpoch) {
		t.Fatal(err)
	}
}

func TestProducersAreBounded(t *testing.T) {
	table := newProducerTable()
	apply := func(pid, nowMs int64, txn bool) {
		h := record.Header{ProducerID: pid, BaseOffset: pid, Count: 1}
		if txn {
			h.Attributes = record.AttrTransactional
		}
		table.apply(&h, record.Control{}, nowMs)
	}
	for pid := range int64(100) {
		apply(pid, 1000-pid, pid == 99)
	}
	table.bound(64)
	if n := len(table.byID); n != 60 {
		t.Fatalf("%d are left of 100, the bound is 64", n)
	}
	if table.byID[99] == nil || table.byID[98] != nil || table.byID[0] == nil {
		t.Fatal("those that wrote longest ago should go, but none with an open transaction")
	}
	table.expire(2000, 64)
	if n := len(table.byID); n != 1 {
		t.Fatalf("%d have not expired", n)
	}
}

func TestSnapshotRoundTrip(t *testing.T) {
	table := newProducerTable()
	for i := range 40 {
		h := record.Header{ProducerID: int64(i % 9), ProducerEpoch: int16(i / 20), BaseOffset: int64(i), BaseSequence: int32(i), Attributes: record.AttrTransactional}
		table.apply(&h, record.Control{CoordinatorEpoch: 3}, int64(i))
	}
	payload := table.encode(77)
	again, offset, err := decodeProducers(payload)
	if err != nil || offset != 77 || string(again.encode(77)) != string(payload) {
		t.Fatal(offset, err)
	}
	for n := range payload {
		if _, _, err := decodeProducers(payload[:n]); err == nil {
			t.Fatalf("%d bytes of %d are accepted", n, len(payload))
		}
	}
}
