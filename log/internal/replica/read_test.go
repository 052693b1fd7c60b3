package replica

import (
	"errors"
	"reflect"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/record"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestAppendAndFetch(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a")
	if r := mustAppend(t, p, batch("x", "y")); r.BaseOffset != 0 || r.LastOffset != 1 || r.AppendTimeMs != -1 {
		t.Errorf("%+v", r)
	}
	mustAppend(t, p, batch("z"))
	if got := values(t, p, 1, ReadUncommitted); !reflect.DeepEqual(got, []string{"0:x", "1:y", "2:z"}) {
		t.Errorf("from 1: %q", got)
	}
	if got := values(t, p, 3, ReadUncommitted); len(got) != 0 {
		t.Errorf("at the end: %q", got)
	}
	for _, offset := range []int64{-1, 4} {
		if _, err := p.Fetch(offset, 100, ReadUncommitted, true); !errors.Is(err, kerr.OffsetOutOfRange) {
			t.Errorf("offset %d: %v", offset, err)
		}
	}
	// One byte is too little, but at least one batch is due where it is asked for.
	if r, err := p.Fetch(0, 1, ReadUncommitted, false); err != nil || len(r.Batches) != 0 {
		t.Errorf("%d bytes, %v", len(r.Batches), err)
	}
	if r, err := p.Fetch(0, 1, ReadUncommitted, true); err != nil || len(recordsOf(t, r.Batches)) != 2 {
		t.Errorf("%d bytes, %v", len(r.Batches), err)
	}
	if p.HighWatermark() != 3 || p.LastStable() != 3 || p.LogStart() != 0 || p.LogEnd() != 3 {
		t.Errorf("high watermark %d, stable %d, log %d to %d", p.HighWatermark(), p.LastStable(), p.LogStart(), p.LogEnd())
	}
	for epoch, want := range map[int32]int64{0: 3, 5: -1} {
		if _, end := p.OffsetForEpoch(epoch); end != want {
			t.Errorf("epoch %d ends at %d, want %d", epoch, end, want)
		}
	}
}

// TestReadCommitted follows two transactions through their markers.
func TestReadCommitted(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a")
	marker := func(kind record.Marker, pid int64) {
		t.Helper()
		b := record.ControlBatch(record.Control{Marker: kind, CoordinatorEpoch: 1}, pid, 0, 1000)
		if _, err := p.Append(t.Context(), b, AppendOptions{Origin: FromCoordinator, Acks: AcksAll, LeaderEpoch: -1}); err != nil {
			t.Fatal(err)
		}
	}
	stable := func(want int64) {
		t.Helper()
		if p.LastStable() != want {
			t.Errorf("last stable %d, want %d of %d", p.LastStable(), want, p.HighWatermark())
		}
	}
	mustAppend(t, p, batch("plain"))                             // 0
	mustAppend(t, p, producerBatch(transactional(1, 0), 1, "c")) // 1
	mustAppend(t, p, producerBatch(transactional(2, 0), 1, "d")) // 2
	stable(1)
	if got := values(t, p, 0, ReadCommitted); !reflect.DeepEqual(got, []string{"0:plain"}) {
		t.Errorf("before the markers: %q", got)
	}
	woken := make(chan struct{})
	w := p.Watch(1, ReadCommitted, func() { close(woken) })
	defer w.Stop()
	marker(record.Abort, 2) // 3
	stable(1)
	select {
	case <-woken:
		t.Error("woken by the end of a later transaction")
	default:
	}
	marker(record.Commit, 1) // 4
	stable(5)
	<-woken
	r, err := p.Fetch(0, 1<<20, ReadCommitted, true)
	if err != nil || !reflect.DeepEqual(r.Aborted, []AbortedTransaction{{ProducerID: 2, FirstOffset: 2}}) {
		t.Errorf("aborted %+v, %v", r.Aborted, err)
	}
	if got := recordsOf(t, r.Batches); !reflect.DeepEqual(got, []string{"0:plain", "1:c", "2:d", "3:marker", "4:marker"}) {
		t.Errorf("after the markers: %q", got)
	}
}

func TestOffsetsByTime(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a")
	mustAppend(t, p, producerBatch(record.Plain(), 100, "a", "b", "c"))
	mustAppend(t, p, producerBatch(record.Plain(), 50, "d"))
	mustAppend(t, p, producerBatch(transactional(1, 0), 500, "e"))
	for ts, want := range map[int64]int64{0: 0, 101: 1, 102: 2, 103: 4, 501: -1} {
		if got, _, err := p.OffsetForTimestamp(ts, ReadUncommitted); got != want || err != nil {
			t.Errorf("offset of time %d is %d, want %d, %v", ts, got, want, err)
		}
	}
	if got, _, _ := p.OffsetForTimestamp(103, ReadCommitted); got != -1 {
		t.Errorf("found the record %d of an open transaction", got)
	}
	if offset, ts, err := p.MaxTimestamp(ReadUncommitted); offset != 4 || ts != 500 || err != nil {
		t.Errorf("latest is %d at %d, %v", offset, ts, err)
	}
	// A reader of committed data was told the offset of a record that may still be
	// aborted: only the timestamps before had been bounded by what he sees.
	if offset, ts, err := p.MaxTimestamp(ReadCommitted); offset != -1 || ts != -1 || err != nil {
		t.Errorf("the latest that is committed is %d at %d, %v", offset, ts, err)
	}
}

func TestDeleteRecords(t *testing.T) {
	n := startNode(t, vfs.NewMem())
	p := n.newTopic(t, "a")
	for range 5 {
		mustAppend(t, p, batch("x", "y"))
	}
	if start, err := p.DeleteRecords(4); start != 4 || err != nil || p.LogStart() != 4 {
		t.Errorf("start %d, %v", start, err)
	}
	if _, err := p.Fetch(3, 100, ReadUncommitted, true); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("reads what is deleted: %v", err)
	}
	if start, err := p.DeleteRecords(2); start != 4 || err != nil {
		t.Errorf("backwards: start %d, %v", start, err)
	}
	if _, err := p.DeleteRecords(11); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("beyond the end: %v", err)
	}
	if start, err := p.DeleteRecords(-1); start != 10 || err != nil {
		t.Errorf("everything: start %d, %v", start, err)
	}
	compacted := n.newTopic(t, "b", meta.ConfigValue{Key: "cleanup.policy", Value: "compact"})
	if _, err := compacted.DeleteRecords(0); !errors.Is(err, kerr.PolicyViolation) {
		t.Errorf("of a compacted topic: %v", err)
	}
}
