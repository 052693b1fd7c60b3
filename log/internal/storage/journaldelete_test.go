package storage

import (
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// TestDeletionKeepsWhatReplayNeeds stops a deletion before its rename, lets other logs
// fill the journal several times, and cuts the power. The log was closed for deletion
// without a sync and was not asked any more what it needs of the journal, so that its
// entries there were overwritten; but its directory still had its name. It was found
// with less than had been acknowledged: a partition reported as damaged, and copied to
// quarantine, that somebody had deleted. Whatever the moment, it is whole or gone.
func TestDeletionKeepsWhatReplayNeeds(t *testing.T) {
	rng := randomSource(t)
	m := vfs.NewMem()
	n, logs := journalDisk(t, m, 3, func(o *Options) { o.Journal, o.JournalAge = JournalOn, time.Hour })
	roundOver(t, logs) // the file is made
	gone := logs[0]
	if err := gone.Checkpoint(); err != nil { // the segment's file is durable, not what follows
		t.Fatal(err)
	}
	for range 5 {
		roundOver(t, logs)
	}
	end := gone.Durable()
	if gone.journalLag() == 0 {
		t.Fatal("its segment is synced")
	}

	reached, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	m.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpRename && path.Base(path.Dir(name)) != journalDir && strings.Contains(name, "/"+topicsDir+"/") {
			once.Do(func() { close(reached); <-proceed })
		}
		return nil
	})
	deleted := make(chan error, 1)
	go func() { deleted <- n.DeleteLog(topic, 0) }()
	<-reached
	filler := plainBatch(strings.Repeat("x", 4000))
	for written := int64(0); written < 8*testJournalBytes; written += 2 * int64(len(filler)) {
		for _, l := range logs[1:] {
			mustAppend(t, l, filler)
		}
		for _, l := range logs[1:] {
			durable(t, l, l.LogEnd())
		}
	}
	var before, after []*vfs.Mem
	for range 20 {
		before = append(before, m.CrashClone(rng))
	}
	close(proceed)
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	m.Inject(nil)
	after = append(after, m.CrashClone(rng))

	for _, crashed := range before {
		d := openDisk(t, crashed)
		l, err := d.OpenLog(topic, 0, Config{})
		if err != nil {
			t.Fatalf("cut before the rename: %v", err)
		}
		if l.LogEnd() < end {
			t.Fatalf("it ends at %d, %d was acknowledged", l.LogEnd(), end)
		}
		if err := d.Close(-1); err != nil {
			t.Fatal(err)
		}
	}
	for _, crashed := range after {
		held, err := openDisk(t, crashed).Partitions()
		if err != nil || len(held) != 2 {
			t.Errorf("after the deletion there are %v (%v)", held, err)
		}
	}
	// The journal goes on: what was held back for the deletion is free again.
	for range 3 {
		roundOver(t, logs[1:])
	}
}
