package storage

import (
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// TestAFailedSyncIsKnownAtOnce: a test with crashes at random found, in two of two hundred
// runs, less in a log than had been acknowledged. The process had been killed within a sync
// of the settler's, which failed. Before the settler had said so, a round of the commit loop
// locked the log, found nothing dirty, since the settler had taken that, and so nothing to
// sync, and acknowledged what the failed sync was to have made durable. On a real disk the
// same would have turned a failed fsync into an acknowledgement.
func TestAFailedSyncIsKnownAtOnce(t *testing.T) {
	m := vfs.NewMem()
	n, logs := journalDisk(t, m, 1, func(o *Options) { o.Journal, o.JournalAge = JournalOff, time.Hour })
	l := logs[0]
	l.syncing.lock() // so that no round syncs
	durableBefore := l.Durable()
	mustAppend(t, l, plainBatch("x"))
	m.Inject(func(op vfs.Op, _ string) error {
		if op == vfs.OpSyncData {
			return errKilled
		}
		return nil
	})
	err := l.syncNow()
	failed := n.Err()
	m.Inject(nil)
	l.syncing.unlock()
	if err == nil || failed == nil {
		t.Fatalf("a failed sync gives %v, and the disk %v while the log is locked", err, failed)
	}
	if got := l.Durable(); got != durableBefore {
		t.Errorf("durable up to %d after the sync of it failed, was %d", got, durableBefore)
	}
}
