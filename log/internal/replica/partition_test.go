package replica

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

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

func TestAppendRefuses(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a", meta.ConfigValue{Key: "max.message.bytes", Value: "200"})
	damaged := batch("x")
	damaged[len(damaged)-1] ^= 1
	for name, c := range map[string]struct {
		batch []byte
		o     AppendOptions
		code  error
	}{
		"old epoch":     {batch("x"), AppendOptions{LeaderEpoch: 7}, kerr.FencedLeaderEpoch},
		"large":         {batch(string(make([]byte, 300))), allAcks, kerr.MessageTooLarge},
		"damaged":       {damaged, allAcks, kerr.CorruptMessage},
		"no batch":      {nil, allAcks, kerr.InvalidRecord},
		"control batch": {record.ControlBatch(record.Control{}, 1, 0, 0), allAcks, kerr.InvalidRecord},
		"sequence gap":  {producerBatch(record.Header{ProducerID: 9, BaseSequence: 5, LeaderEpoch: -1}, 1, "x"), allAcks, nil},
	} {
		_, err := p.Append(t.Context(), c.batch, c.o)
		if c.code != nil && !errors.Is(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustAppend(t, p, producerBatch(record.Header{ProducerID: 8, LeaderEpoch: -1}, 1, "x"))
	if _, err := p.Append(t.Context(), producerBatch(record.Header{ProducerID: 8, BaseSequence: 5, LeaderEpoch: -1}, 1, "x"), allAcks); !errors.Is(err, kerr.OutOfOrderSequenceNumber) {
		t.Errorf("a gap: %v", err)
	}
	again, err := p.Append(t.Context(), producerBatch(record.Header{ProducerID: 8, LeaderEpoch: -1}, 1, "x"), allAcks)
	if err != nil || !again.Duplicate {
		t.Errorf("a duplicate: %+v, %v", again, err)
	}
}

// TestNothingUnsyncedIsShown holds every sync back: no reader sees the record, no
// append that wants more than its order is acknowledged.
func TestNothingUnsyncedIsShown(t *testing.T) {
	disk := vfs.NewMem()
	p := startNode(t, disk).newTopic(t, "a")
	mustAppend(t, p, batch("synced"))
	release := make(chan struct{})
	syncing := make(chan struct{}, 100)
	disk.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpSyncData && strings.Contains(name, "topics") {
			syncing <- struct{}{}
			<-release
		}
		return nil
	})
	if _, err := p.Append(t.Context(), batch("none"), AppendOptions{Acks: AcksNone, LeaderEpoch: -1}); err != nil {
		t.Fatal(err)
	}
	one, err := p.Start(t.Context(), batch("leader"), AppendOptions{Acks: AcksLeader, LeaderEpoch: -1})
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.Start(t.Context(), batch("all"), allAcks)
	if err != nil {
		t.Fatal(err)
	}
	<-syncing
	if got := values(t, p, 0, ReadUncommitted); len(got) != 1 || p.HighWatermark() != 1 || p.LogEnd() != 4 {
		t.Errorf("shown %q, high watermark %d, log end %d", got, p.HighWatermark(), p.LogEnd())
	}
	for _, a := range []*Pending{one, all} {
		select {
		case <-a.settled:
			t.Errorf("%+v was acknowledged", a.Result())
		default:
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := one.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	if r, err := all.Wait(within(t, 10*time.Second)); err != nil || r.BaseOffset != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if got := values(t, p, 0, ReadUncommitted); len(got) != 4 {
		t.Errorf("shown %q", got)
	}
}

// TestAcknowledgementsLeaveInOrder appends from many goroutines, with different
// wishes, while a sync ends whenever it likes.
func TestAcknowledgementsLeaveInOrder(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a")
	var mu sync.Mutex
	var order []int64
	var wg sync.WaitGroup
	for g := range 8 {
		for i := range 50 {
			wg.Add(1)
			o := AppendOptions{Acks: AcksAll, LeaderEpoch: -1}
			if (g+i)%3 == 0 {
				o.Acks = AcksLeader
			}
			go p.Enqueue(batch(fmt.Sprint(g, i)), o, func(r Result, err error) {
				defer wg.Done()
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				order = append(order, r.BaseOffset)
			})
		}
	}
	wg.Wait()
	if len(order) != 400 || !slices.IsSorted(order) {
		t.Errorf("%d acknowledgements in the order %v", len(order), order)
	}
}

func TestEnqueueKeepsOrder(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a")
	done := make(chan int64, 300)
	for i := range 300 {
		p.Enqueue(batch(fmt.Sprint(i)), AppendOptions{Origin: FromCoordinator, Acks: AcksAll, LeaderEpoch: p.LeaderEpoch()}, func(r Result, err error) {
			if err != nil {
				t.Error(err)
			}
			done <- r.BaseOffset
		})
	}
	for i := range int64(300) {
		if got := <-done; got != i {
			t.Fatalf("append %d went to %d", i, got)
		}
	}
	if got := values(t, p, 0, ReadUncommitted); got[17] != "17:17" || got[299] != "299:299" {
		t.Errorf("%q", got)
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

// TestTenThousandWatches waits ten thousand times, stops half of them, and wakes
// the rest once each.
func TestTenThousandWatches(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a")
	var woken atomic.Int64
	var stopped []*Watch
	for i := range 10_000 {
		w := p.Watch(0, Isolation(i%2), func() { woken.Add(1) })
		if i%4 < 2 {
			stopped = append(stopped, w)
		}
	}
	for _, w := range stopped {
		w.Stop()
		w.Stop()
	}
	far := p.Watch(1, ReadUncommitted, func() { woken.Add(1_000_000) })
	mustAppend(t, p, batch("x"))
	if got := woken.Load(); got != 5_000 {
		t.Errorf("%d calls after the first append", got)
	}
	mustAppend(t, p, batch("y"))
	if got := woken.Load(); got != 1_005_000 {
		t.Errorf("%d calls after the second append", got)
	}
	far.Stop()
	now := p.Watch(1, ReadUncommitted, func() { woken.Store(-1) })
	now.Stop()
	if woken.Load() != -1 {
		t.Error("a watch below the end does not call at once")
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
	if offset, ts, err := p.MaxTimestamp(); offset != 4 || ts != 500 || err != nil {
		t.Errorf("latest is %d at %d, %v", offset, ts, err)
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

// TestDeletedTopicEndsWhatWaits deletes a topic under a waiting fetch, a waiting
// append and an open queue.
func TestDeletedTopicEndsWhatWaits(t *testing.T) {
	disk := vfs.NewMem()
	n := startNode(t, disk)
	p := n.newTopic(t, "a")
	release := make(chan struct{})
	disk.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpSyncData && strings.Contains(name, "topics") {
			<-release
		}
		return nil
	})
	a, err := p.Start(t.Context(), batch("x"), allAcks)
	if err != nil {
		t.Fatal(err)
	}
	woken := make(chan struct{})
	p.Watch(5, ReadCommitted, func() { close(woken) })
	waited := make(chan error, 1)
	go func() { waited <- p.WaitCommitted(context.Background(), 5) }()
	deleted := make(chan error, 1)
	go func() { deleted <- n.deleteTopic("a") }()
	<-woken
	if _, err := a.Wait(within(t, 10*time.Second)); !errors.Is(err, kerr.UnknownTopicID) {
		t.Errorf("the append: %v", err)
	}
	if err := <-waited; !errors.Is(err, kerr.UnknownTopicID) {
		t.Errorf("the wait: %v", err)
	}
	close(release)
	if err := <-deleted; err != nil {
		t.Error(err)
	}
	queued := make(chan error, 1)
	p.Enqueue(batch("x"), allAcks, func(_ Result, err error) { queued <- err })
	if err := <-queued; !errors.Is(err, kerr.UnknownTopicID) {
		t.Errorf("the queue: %v", err)
	}
	if _, err := p.Append(t.Context(), batch("x"), allAcks); !errors.Is(err, kerr.UnknownTopicID) {
		t.Errorf("an append: %v", err)
	}
	if _, err := p.Fetch(0, 100, ReadUncommitted, true); err == nil {
		t.Error("a fetch of a deleted topic")
	}
	if _, err := n.manager.PartitionByName("a", 0); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("by name: %v", err)
	}
}

// TestFailedSyncAcknowledgesNothing lets a sync fail: who waits is told, or waits
// on, but never hears that it is durable, and readers do not see it.
func TestFailedSyncAcknowledgesNothing(t *testing.T) {
	disk := vfs.NewMem()
	n, err := openNode(disk, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := n.newTopic(t, "a")
	disk.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpSyncData && strings.Contains(name, "topics") {
			return syscall.EIO
		}
		return nil
	})
	a, err := p.Start(t.Context(), batch("x"), allAcks)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.log.WaitDurable(within(t, 10*time.Second), 1); err == nil {
		t.Fatal("durable after a failed sync")
	}
	if p.HighWatermark() != 0 {
		t.Error("shown after a failed sync")
	}
	disk.Inject(nil)
	n.close()
	if _, err := a.Wait(within(t, 10*time.Second)); err == nil {
		t.Error("acknowledged after a failed sync")
	}
}
