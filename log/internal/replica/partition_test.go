package replica

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/twmb/franz-go/pkg/kerr"
)

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
